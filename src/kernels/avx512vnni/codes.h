// The codes, scales and minima of one block of a packed panel, in 512-bit registers: for the levels
// from avx512_vnni on. Static, as whatever ISA files share (tools/check_isa_objects.sh).
#pragma once

#include <immintrin.h>
#include <stdint.h>

#include "kernels/blocks.h"
#include "kernels/indices.h"
#include "kernels/packed.h"

namespace jiang::kernels {

JIANG_INLINE __m512 load_f16(const uint8_t* from) {
  return _mm512_cvtph_ps(_mm256_load_si256(reinterpret_cast<const __m256i*>(from)));
}
JIANG_INLINE __m512 load_bf16(const uint8_t* from) {
  const __m256i bits = _mm256_load_si256(reinterpret_cast<const __m256i*>(from));
  return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(bits), 16));
}
JIANG_INLINE __m512 load_i8(const uint8_t* from) {
  return _mm512_cvtepi32_ps(
      _mm512_cvtepi8_epi32(_mm_load_si128(reinterpret_cast<const __m128i*>(from))));
}
JIANG_INLINE __m512 load_u8(const uint8_t* from) {
  return _mm512_cvtepi32_ps(
      _mm512_cvtepu8_epi32(_mm_load_si128(reinterpret_cast<const __m128i*>(from))));
}

// A codebook as unsigned bytes (entry + 128) in each 128-bit lane.
template <Packed kind>
JIANG_INLINE __m512i codebook() {
  const int8_t* book = kind == Packed::mxfp4 ? kCodebookMxfp4 : kCodebookIq4nl;
  const __m128i entries = _mm_loadu_si128(reinterpret_cast<const __m128i*>(book));
  return _mm512_broadcast_i32x4(_mm_xor_si128(entries, _mm_set1_epi8(-128)));
}

// What unsigned codes have to be lowered by; formats with minima have their offset there.
static constexpr int code_offset(Packed kind) {
  switch (kind) {
    case Packed::q4_0:
      return 8;
    case Packed::q6_k:
    case Packed::q3_k:
      return 32;
    case Packed::q8_0:
    case Packed::iq4_nl:
    case Packed::iq4_xs:
    case Packed::mxfp4:
      return 128;
    default:
      return 0;
  }
}

// The unsigned codes of a block: w[s] holds k = 4 s .. 4 s + 3 of each row.
template <Packed kind, int... s, int... n>
JIANG_INLINE void unpack(__m512i (&w)[8], const uint8_t* codes, Indices<s...>, Indices<n...>) {
  const auto* lines = reinterpret_cast<const __m512i*>(codes);
  if constexpr (code_lines(kind) == 8) {
    ((w[s] = _mm512_load_si512(lines + s)), ...);
    return;
  }
  const __m512i low_nibble = _mm512_set1_epi8(15);
  ((w[2 * n] = _mm512_and_si512(_mm512_load_si512(lines + n), low_nibble)), ...);
  ((w[2 * n + 1] =
        _mm512_and_si512(_mm512_srli_epi16(_mm512_load_si512(lines + n), 4), low_nibble)),
   ...);
  if constexpr (kind == Packed::iq4_nl || kind == Packed::iq4_xs || kind == Packed::mxfp4) {
    const __m512i book = codebook<kind>();
    ((w[s] = _mm512_shuffle_epi8(book, w[s])), ...);
  }
  if constexpr (code_lines(kind) == 6) {
    // w | (bits of the high line, moved to bits 4 and 5)
    const __m512i mask = _mm512_set1_epi8(0x30);
    const __m512i a = _mm512_load_si512(lines + 4), b = _mm512_load_si512(lines + 5);
    w[0] = _mm512_ternarylogic_epi32(w[0], _mm512_slli_epi16(a, 4), mask, 0xf8);
    w[1] = _mm512_ternarylogic_epi32(w[1], _mm512_slli_epi16(a, 2), mask, 0xf8);
    w[2] = _mm512_ternarylogic_epi32(w[2], a, mask, 0xf8);
    w[3] = _mm512_ternarylogic_epi32(w[3], _mm512_srli_epi16(a, 2), mask, 0xf8);
    w[4] = _mm512_ternarylogic_epi32(w[4], _mm512_slli_epi16(b, 4), mask, 0xf8);
    w[5] = _mm512_ternarylogic_epi32(w[5], _mm512_slli_epi16(b, 2), mask, 0xf8);
    w[6] = _mm512_ternarylogic_epi32(w[6], b, mask, 0xf8);
    w[7] = _mm512_ternarylogic_epi32(w[7], _mm512_srli_epi16(b, 2), mask, 0xf8);
  }
}

// Scales and minima of a block; kinds with one scale per 32 use [0] only.
struct BlockScales {
  __m512 d[2];
  __m512 m[2];  // added by f16_min, subtracted by k32_min and k16_min
};

template <Packed kind>
JIANG_INLINE void load_scales(BlockScales& out, const uint8_t* header, int b) {
  constexpr Scales scales = scales_of(kind);
  if constexpr (scales == Scales::f16) out.d[0] = load_f16(header + b * 32);
  if constexpr (scales == Scales::bf16) out.d[0] = load_bf16(header + b * 32);
  if constexpr (scales == Scales::f16_min) {
    out.d[0] = load_f16(header + b * 64);
    out.m[0] = load_f16(header + b * 64 + 32);
  }
  if constexpr (scales == Scales::k32)
    out.d[0] = _mm512_mul_ps(load_f16(header), load_i8(header + 32 + b * 16));
  if constexpr (scales == Scales::k32_min) {
    out.d[0] = _mm512_mul_ps(load_f16(header), load_u8(header + 64 + b * 16));
    out.m[0] = _mm512_mul_ps(load_f16(header + 32), load_u8(header + 192 + b * 16));
  }
  if constexpr (scales == Scales::k16) {
    const __m512 d = load_f16(header);
    out.d[0] = _mm512_mul_ps(d, load_i8(header + 32 + b * 32));
    out.d[1] = _mm512_mul_ps(d, load_i8(header + 32 + b * 32 + 16));
  }
  if constexpr (scales == Scales::k16_min) {
    const __m512 d = load_f16(header), dmin = load_f16(header + 32);
    out.d[0] = _mm512_mul_ps(d, load_u8(header + 64 + b * 32));
    out.d[1] = _mm512_mul_ps(d, load_u8(header + 64 + b * 32 + 16));
    out.m[0] = _mm512_mul_ps(dmin, load_u8(header + 320 + b * 32));
    out.m[1] = _mm512_mul_ps(dmin, load_u8(header + 320 + b * 32 + 16));
  }
}

}  // namespace jiang::kernels
