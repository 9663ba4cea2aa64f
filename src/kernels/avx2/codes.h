// The codes, scales and minima of half a block of a packed panel (8 of its 16 rows), in 256-bit
// registers: for the levels avx2 and avx_vnni. Static, as whatever ISA files share
// (tools/check_isa_objects.sh).
#pragma once

#include <immintrin.h>
#include <stdint.h>

#include "kernels/blocks.h"
#include "kernels/indices.h"
#include "kernels/packed.h"

namespace jiang::kernels {

static constexpr bool is_codebook(Packed kind) {
  return kind == Packed::iq4_nl || kind == Packed::iq4_xs || kind == Packed::mxfp4;
}
static constexpr bool is_signed(Packed kind) { return kind == Packed::q8_0 || is_codebook(kind); }

JIANG_INLINE __m256 load_f16(const uint8_t* from) {
  return _mm256_cvtph_ps(_mm_load_si128(reinterpret_cast<const __m128i*>(from)));
}
JIANG_INLINE __m256 load_bf16(const uint8_t* from) {
  const __m128i bits = _mm_load_si128(reinterpret_cast<const __m128i*>(from));
  return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(bits), 16));
}
JIANG_INLINE __m256 load_i8(const uint8_t* from) {
  return _mm256_cvtepi32_ps(
      _mm256_cvtepi8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(from))));
}
JIANG_INLINE __m256 load_u8(const uint8_t* from) {
  return _mm256_cvtepi32_ps(
      _mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(from))));
}
// Half a line: rows 8 half .. 8 half + 7.
JIANG_INLINE __m256i load_line(const uint8_t* codes, int line, int half) {
  return _mm256_load_si256(reinterpret_cast<const __m256i*>(codes + line * kLineBytes + half * 32));
}

template <int shift>
JIANG_INLINE __m256i shift_bits(__m256i x) {
  if constexpr (shift > 0) return _mm256_slli_epi16(x, shift);
  if constexpr (shift < 0) return _mm256_srli_epi16(x, -shift);
  return x;
}

// How the codes of kinds with values on both sides of zero reach the dot products: as they are, or
// 128 higher, for instructions that take unsigned bytes.
enum class Codes : uint8_t { as_signed, as_unsigned };

// A codebook in each 128-bit lane.
template <Packed kind, Codes form>
JIANG_INLINE __m256i codebook() {
  const int8_t* book = kind == Packed::mxfp4 ? kCodebookMxfp4 : kCodebookIq4nl;
  __m128i entries = _mm_loadu_si128(reinterpret_cast<const __m128i*>(book));
  if constexpr (form == Codes::as_unsigned) entries = _mm_xor_si128(entries, _mm_set1_epi8(-128));
  return _mm256_broadcastsi128_si256(entries);
}

// Step s of a block: k = 4 s .. 4 s + 3 of 8 rows.
template <Packed kind, Codes form, int s>
JIANG_INLINE __m256i unpack(const uint8_t* codes, int half) {
  if constexpr (code_lines(kind) == 8) {
    const __m256i w = load_line(codes, s, half);
    return kind == Packed::q8_0 && form == Codes::as_signed
               ? _mm256_xor_si256(w, _mm256_set1_epi8(-128))
               : w;
  }
  __m256i w = load_line(codes, s / 2, half);
  if constexpr (s % 2 == 1) w = _mm256_srli_epi16(w, 4);
  w = _mm256_and_si256(w, _mm256_set1_epi8(15));
  if constexpr (is_codebook(kind)) {
    w = _mm256_shuffle_epi8(codebook<kind, form>(), w);
  }
  if constexpr (code_lines(kind) == 6) {
    // Step i of a high line has its two bits at 2 i; they belong at 4.
    const __m256i high = shift_bits<4 - 2 * (s % 4)>(load_line(codes, 4 + s / 4, half));
    w = _mm256_or_si256(w, _mm256_and_si256(high, _mm256_set1_epi8(0x30)));
  }
  return w;
}

// Scales and minima of 8 rows of a block; kinds with one scale per 32 use [0] only.
struct HalfScales {
  __m256 d[2];
  __m256 m[2];
};

template <Packed kind>
JIANG_INLINE void load_scales(HalfScales& out, const uint8_t* header, int b, int half) {
  constexpr Scales scales = scales_of(kind);
  const int f16_at = half * 16, u8_at = half * 8;
  if constexpr (scales == Scales::f16) out.d[0] = load_f16(header + b * 32 + f16_at);
  if constexpr (scales == Scales::bf16) out.d[0] = load_bf16(header + b * 32 + f16_at);
  if constexpr (scales == Scales::f16_min) {
    out.d[0] = load_f16(header + b * 64 + f16_at);
    out.m[0] = load_f16(header + b * 64 + 32 + f16_at);
  }
  if constexpr (scales == Scales::k32) {
    out.d[0] = _mm256_mul_ps(load_f16(header + f16_at), load_i8(header + 32 + b * 16 + u8_at));
  }
  if constexpr (scales == Scales::k32_min) {
    out.d[0] = _mm256_mul_ps(load_f16(header + f16_at), load_u8(header + 64 + b * 16 + u8_at));
    out.m[0] =
        _mm256_mul_ps(load_f16(header + 32 + f16_at), load_u8(header + 192 + b * 16 + u8_at));
  }
  if constexpr (scales == Scales::k16) {
    const __m256 d = load_f16(header + f16_at);
    out.d[0] = _mm256_mul_ps(d, load_i8(header + 32 + b * 32 + u8_at));
    out.d[1] = _mm256_mul_ps(d, load_i8(header + 32 + b * 32 + 16 + u8_at));
  }
  if constexpr (scales == Scales::k16_min) {
    const __m256 d = load_f16(header + f16_at), dmin = load_f16(header + 32 + f16_at);
    out.d[0] = _mm256_mul_ps(d, load_u8(header + 64 + b * 32 + u8_at));
    out.d[1] = _mm256_mul_ps(d, load_u8(header + 64 + b * 32 + 16 + u8_at));
    out.m[0] = _mm256_mul_ps(dmin, load_u8(header + 320 + b * 32 + u8_at));
    out.m[1] = _mm256_mul_ps(dmin, load_u8(header + 320 + b * 32 + 16 + u8_at));
  }
}

}  // namespace jiang::kernels
