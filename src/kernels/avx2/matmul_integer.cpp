// Integer matmuls without VNNI: vpmaddubsw multiplies unsigned codes by signed activations and adds
// pairs into 16 bits, vpmaddwd adds those pairs into 32. A panel of 16 rows is two halves of 8.
//
// vpmaddubsw saturates at 32767. Activations are within +-127, so a pair of products is at most
// 254 times the largest code, and how many pairs fit before they are widened follows:
//
//   codes 0..15 (4-bit)   3810: all 8 of a block
//   codes 0..31 (5-bit)   7874: 4
//   codes 0..63 (6-bit)  16002: 2
//   signed -128..127     32512: 1, as |code| times the activation with the code's sign
#include <assert.h>
#include <immintrin.h>

#include "kernels/avx2/entries.h"
#include "kernels/avx2/rest.h"
#include "kernels/blocks.h"
#include "kernels/indices.h"

namespace jiang::kernels {
namespace {

static constexpr bool is_codebook(Packed kind) {
  return kind == Packed::iq4_nl || kind == Packed::iq4_xs || kind == Packed::mxfp4;
}
static constexpr bool is_signed(Packed kind) { return kind == Packed::q8_0 || is_codebook(kind); }

// Products of pairs that fit into 16 bits.
static constexpr int pairs_that_fit(Packed kind) {
  if (is_signed(kind)) return 1;
  if (code_lines(kind) == 4) return 8;
  if (kind == Packed::q6_k || kind == Packed::q3_k) return 2;
  return 4;
}

typedef int32_t __attribute__((may_alias)) aliasing_int;

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

// Codes of 8 rows: w[s] holds k = 4 s .. 4 s + 3 of each row. Signed kinds as int8.
template <Packed kind, int... s, int... n>
JIANG_INLINE void unpack(__m256i (&w)[8], const uint8_t* codes, int half, Indices<s...>,
                         Indices<n...>) {
  if constexpr (code_lines(kind) == 8) {
    ((w[s] = load_line(codes, s, half)), ...);
    if constexpr (kind == Packed::q8_0)
      ((w[s] = _mm256_xor_si256(w[s], _mm256_set1_epi8(-128))), ...);
    return;
  }
  const __m256i low_nibble = _mm256_set1_epi8(15);
  ((w[2 * n] = _mm256_and_si256(load_line(codes, n, half), low_nibble)), ...);
  ((w[2 * n + 1] = _mm256_and_si256(_mm256_srli_epi16(load_line(codes, n, half), 4), low_nibble)),
   ...);
  if constexpr (is_codebook(kind)) {
    const int8_t* book = kind == Packed::mxfp4 ? kCodebookMxfp4 : kCodebookIq4nl;
    const __m256i entries =
        _mm256_broadcastsi128_si256(_mm_loadu_si128(reinterpret_cast<const __m128i*>(book)));
    ((w[s] = _mm256_shuffle_epi8(entries, w[s])), ...);
  }
  if constexpr (code_lines(kind) == 6) {
    // Step i of a high line has its two bits at 2 i; they belong at 4.
    const __m256i mask = _mm256_set1_epi8(0x30);
    ((w[s] = _mm256_or_si256(
          w[s],
          _mm256_and_si256(shift_bits<4 - 2 * (s % 4)>(load_line(codes, 4 + s / 4, half)), mask))),
     ...);
  }
}

// Scales and minima of 8 rows of a block; kinds with one scale per 32 use [0] only.
struct BlockScales {
  __m256 d[2];
  __m256 m[2];
};

template <Packed kind>
JIANG_INLINE void load_scales(BlockScales& out, const uint8_t* header, int b, int half) {
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

// 16-bit sums of pairs of products of codes with 4 activations, which all rows share. Written as
// assembly because GCC 12 loads all activations of a block first, and thus through the stack.
template <Packed kind>
JIANG_INLINE __m256i products(__m256i w, const int8_t* a) {
  const auto& four = *reinterpret_cast<const aliasing_int*>(a);
  __m256i out;
  if constexpr (is_signed(kind)) {
    const __m256i magnitude = _mm256_abs_epi8(w);
    __asm__("vpbroadcastd %3, %0\n\tvpsignb %1, %0, %0\n\tvpmaddubsw %0, %2, %0"
            : "=&x"(out)
            : "x"(w), "x"(magnitude), "m"(four));
  } else {
    __asm__("vpbroadcastd %2, %0\n\tvpmaddubsw %0, %1, %0" : "=&x"(out) : "x"(w), "m"(four));
  }
  return out;
}

JIANG_INLINE __m256i widen(__m256i pairs) { return _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)); }

// start + the dot products of 4 registers of codes with 16 activations
template <Packed kind>
JIANG_INLINE __m256i dot16(__m256i start, const __m256i* w, const int8_t* a) {
  const __m256i p0 = products<kind>(w[0], a), p1 = products<kind>(w[1], a + 4);
  const __m256i p2 = products<kind>(w[2], a + 8), p3 = products<kind>(w[3], a + 12);
  if constexpr (pairs_that_fit(kind) >= 4) {
    const __m256i sum = _mm256_add_epi16(_mm256_add_epi16(p0, p1), _mm256_add_epi16(p2, p3));
    return _mm256_add_epi32(start, widen(sum));
  } else if constexpr (pairs_that_fit(kind) == 2) {
    const __m256i low = widen(_mm256_add_epi16(p0, p1)), high = widen(_mm256_add_epi16(p2, p3));
    return _mm256_add_epi32(start, _mm256_add_epi32(low, high));
  } else {
    const __m256i low = _mm256_add_epi32(widen(p0), widen(p1)),
                  high = _mm256_add_epi32(widen(p2), widen(p3));
    return _mm256_add_epi32(start, _mm256_add_epi32(low, high));
  }
}

// start + the dot products of a whole block
template <Packed kind>
JIANG_INLINE __m256i dot32(__m256i start, const __m256i* w, const int8_t* a) {
  if constexpr (pairs_that_fit(kind) == 8) {
    const __m256i low = _mm256_add_epi16(
        _mm256_add_epi16(products<kind>(w[0], a), products<kind>(w[1], a + 4)),
        _mm256_add_epi16(products<kind>(w[2], a + 8), products<kind>(w[3], a + 12)));
    const __m256i high = _mm256_add_epi16(
        _mm256_add_epi16(products<kind>(w[4], a + 16), products<kind>(w[5], a + 20)),
        _mm256_add_epi16(products<kind>(w[6], a + 24), products<kind>(w[7], a + 28)));
    return _mm256_add_epi32(start, widen(_mm256_add_epi16(low, high)));
  }
  return dot16<kind>(dot16<kind>(start, w, a), w + 4, a + 16);
}

// acc = fma(float(sums) * scale, d, acc)
JIANG_INLINE __m256 accumulate(__m256 acc, __m256i sums, float scale, __m256 d) {
  return _mm256_fmadd_ps(_mm256_mul_ps(_mm256_cvtepi32_ps(sums), _mm256_set1_ps(scale)), d, acc);
}

// One block of 8 rows against one token. Signed kinds need no offset taken back.
template <Packed kind>
JIANG_INLINE __m256 multiply_block(__m256 acc, const __m256i (&w)[8], const BlockScales& scales,
                                   const ActivationBlock* x) {
  constexpr Scales form = scales_of(kind);
  if constexpr (form == Scales::k16 || form == Scales::k16_min) {
    constexpr bool has_min = form == Scales::k16_min;
    const __m256i low = dot16<kind>(_mm256_set1_epi32(has_min ? 0 : x->minus_32_lo), w, x->q);
    const __m256i high =
        dot16<kind>(_mm256_set1_epi32(has_min ? 0 : x->minus_32_hi), w + 4, x->q + 16);
    acc = accumulate(acc, low, x->scale, scales.d[0]);
    if constexpr (has_min) acc = _mm256_fnmadd_ps(_mm256_set1_ps(x->sum_lo), scales.m[0], acc);
    acc = accumulate(acc, high, x->scale, scales.d[1]);
    if constexpr (has_min) acc = _mm256_fnmadd_ps(_mm256_set1_ps(x->sum_hi), scales.m[1], acc);
  } else {
    const __m256i sums =
        dot32<kind>(_mm256_set1_epi32(kind == Packed::q4_0 ? x->minus_8 : 0), w, x->q);
    acc = accumulate(acc, sums, x->scale, scales.d[0]);
    if constexpr (form == Scales::f16_min)
      acc = _mm256_fmadd_ps(_mm256_set1_ps(x->sum), scales.m[0], acc);
    if constexpr (form == Scales::k32_min)
      acc = _mm256_fnmadd_ps(_mm256_set1_ps(x->sum), scales.m[0], acc);
  }
  return acc;
}

// Half h of a block against tokens t.
template <Packed kind, int h, int n, int... t>
JIANG_INLINE void multiply_half(__m256 (&acc)[n], const uint8_t* codes, const uint8_t* header,
                                int b, int half, const ActivationBlock* x, Indices<t...>) {
  __m256i w[8];
  BlockScales scales;
  unpack<kind>(w, codes, half, Eight(), Four());
  load_scales<kind>(scales, header, b, half);
  ((acc[h * sizeof...(t) + t] = multiply_block<kind>(acc[h * sizeof...(t) + t], w, scales, x + t)),
   ...);
}

// Tokens t against halves h of a panel; i counts (half, token).
template <Packed kind, int n_tokens, int... h, int... i>
JIANG_INLINE void multiply_panel(const MatmulTile* tile, const uint8_t* from, float* out,
                                 const ActivationBlock* x, int first_half, Indices<h...>,
                                 Indices<i...>) {
  const int64_t n_blocks = tile->cols / kBlock, stride = tile->n_tokens;
  out += first_half * 8;
  __m256 acc[sizeof...(i)];
  ((acc[i] = tile->resume
                 ? _mm256_loadu_ps(out + i % n_tokens * tile->out_stride + i / n_tokens * 8)
                 : _mm256_setzero_ps()),
   ...);
  for (int64_t first = 0; first < n_blocks; first += kGroupBlocks) {
    const int64_t left = n_blocks - first;
    const int n = left < kGroupBlocks ? static_cast<int>(left) : kGroupBlocks;
    const uint8_t* header = from;
    from += header_bytes(scales_of(kind), n);
    for (int b = 0; b < n; ++b, from += code_lines(kind) * kLineBytes, x += stride) {
      for (int line = 0; line < code_lines(kind); ++line) {
        _mm_prefetch(reinterpret_cast<const char*>(from) + 8192 + line * kLineBytes, _MM_HINT_T0);
      }
      (multiply_half<kind, h>(acc, from, header, b, first_half + h, x,
                              typename MakeIndices<n_tokens>::type()),
       ...);
    }
  }
  (_mm256_storeu_ps(out + i % n_tokens * tile->out_stride + i / n_tokens * 8, acc[i]), ...);
}

// One token takes both halves of a panel in one pass, so that memory is read once. Four tokens
// fill the registers with one half: two passes, the second of which finds the panel in L1 or L2.
template <Packed kind>
__attribute__((noinline)) void multiply_1_token(const MatmulTile* tile, const uint8_t* panel,
                                                float* out, int first) {
  multiply_panel<kind, 1>(tile, panel, out + first * tile->out_stride,
                          static_cast<const ActivationBlock*>(tile->x) + first, 0,
                          MakeIndices<2>::type(), MakeIndices<2>::type());
}
template <Packed kind>
__attribute__((noinline)) void multiply_4_tokens(const MatmulTile* tile, const uint8_t* panel,
                                                 float* out, int first) {
  for (int half = 0; half < 2; ++half) {
    multiply_panel<kind, 4>(tile, panel, out + first * tile->out_stride,
                            static_cast<const ActivationBlock*>(tile->x) + first, half,
                            MakeIndices<1>::type(), MakeIndices<4>::type());
  }
}

template <Packed kind>
void multiply_one_panel(const MatmulTile* tile, const uint8_t* panel, float* out) {
  const int n = tile->n_tokens;
  int t = 0;
  for (; n - t >= 4; t += 4) multiply_4_tokens<kind>(tile, panel, out, t);
  for (; n - t >= 1; t += 1) multiply_1_token<kind>(tile, panel, out, t);
}

template <Packed kind>
void matmul(const MatmulTile* tile) {
  assert(tile->cols % kBlock == 0 && reinterpret_cast<uintptr_t>(tile->panels) % kLineBytes == 0);
  const auto* panel = static_cast<const uint8_t*>(tile->panels);
  int64_t row = 0;
  for (; tile->n_rows - row >= kPanelRows; row += kPanelRows, panel += tile->panel_bytes) {
    multiply_one_panel<kind>(tile, panel, tile->out + row);
  }
  if (row < tile->n_rows) {
    float rest[kTileTokens * kPanelRows];
    MatmulTile whole = *tile;
    load_rest(rest, tile, row);
    whole.out_stride = kPanelRows;
    multiply_one_panel<kind>(&whole, panel, rest);
    store_rest(rest, tile, row);
  }
}

}  // namespace

void matmul_q4_0_avx2(const MatmulTile* tile) { matmul<Packed::q4_0>(tile); }
void matmul_q4_1_avx2(const MatmulTile* tile) { matmul<Packed::q4_1>(tile); }
void matmul_iq4_nl_avx2(const MatmulTile* tile) { matmul<Packed::iq4_nl>(tile); }
void matmul_mxfp4_avx2(const MatmulTile* tile) { matmul<Packed::mxfp4>(tile); }
void matmul_q4_k_avx2(const MatmulTile* tile) { matmul<Packed::q4_k>(tile); }
void matmul_iq4_xs_avx2(const MatmulTile* tile) { matmul<Packed::iq4_xs>(tile); }
void matmul_q6_k_avx2(const MatmulTile* tile) { matmul<Packed::q6_k>(tile); }
void matmul_q8_0_avx2(const MatmulTile* tile) { matmul<Packed::q8_0>(tile); }
void matmul_q5_1_avx2(const MatmulTile* tile) { matmul<Packed::q5_1>(tile); }
void matmul_q5_k_avx2(const MatmulTile* tile) { matmul<Packed::q5_k>(tile); }
void matmul_q3_k_avx2(const MatmulTile* tile) { matmul<Packed::q3_k>(tile); }
void matmul_q2_k_avx2(const MatmulTile* tile) { matmul<Packed::q2_k>(tile); }

}  // namespace jiang::kernels
