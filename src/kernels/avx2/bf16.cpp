// Products of bf16 without instructions for them: a bf16 is the upper half of an f32, and a product
// of two is exact in f32, so ordinary multiply-adds compute what VDPBF16PS does, at half the rate
// of f32 at best.
#include "kernels/bf16.h"

#include <immintrin.h>
#include <string.h>

#include "kernels/indices.h"

namespace jiang::kernels {
namespace {

constexpr int kRowsAtOnce =
    4;  // times two vectors of sums, four halves of B, two of A: 14 registers

// As the scalar level rounds, eight at a time, in the upper halves.
inline __m256i rounded(__m256 x) {
  const __m256i bits = _mm256_castps_si256(x);
  const __m256i magnitude = _mm256_and_si256(bits, _mm256_set1_epi32(0x7fffffff));
  const __m256i infinity = _mm256_set1_epi32(0x7f800000);
  const __m256i odd = _mm256_and_si256(_mm256_srli_epi32(bits, 16), _mm256_set1_epi32(1));
  __m256i out = _mm256_add_epi32(bits, _mm256_add_epi32(odd, _mm256_set1_epi32(0x7fff)));
  const __m256i is_nan = _mm256_cmpgt_epi32(magnitude, infinity);
  out = _mm256_blendv_epi8(out, _mm256_or_si256(bits, _mm256_set1_epi32(0x400000)), is_nan);
  const __m256i is_tiny = _mm256_cmpgt_epi32(_mm256_set1_epi32(0x00800000), magnitude);
  out = _mm256_blendv_epi8(out, bits, is_tiny);
  const __m256i kept = _mm256_blendv_epi8(_mm256_set1_epi32((int)0xffff0000u),
                                          _mm256_set1_epi32((int)0x80000000u), is_tiny);
  return _mm256_and_si256(out, kept);
}

template <bool is_left, bool is_along>
void pack_tile(uint16_t* tile, const float* x, int64_t stride, int64_t n_lines, int64_t n_k) {
  if (n_lines < kBf16Lines || n_k < kBf16Depth) memset(tile, 0, kBf16Tile * sizeof(uint16_t));
  const int64_t outer = is_along ? n_lines : n_k, inner = is_along ? n_k : n_lines;
  for (int64_t i = 0; i < outer; ++i) {
    for (int64_t j = 0; j < inner; j += 8) {
      const int64_t n = inner - j < 8 ? inner - j : 8;
      float part[8] = {};
      uint32_t bits[8];
      memcpy(part, x + i * stride + j, (size_t)n * sizeof(float));
      _mm256_storeu_si256((__m256i*)bits, rounded(_mm256_loadu_ps(part)));
      for (int64_t e = 0; e < n; ++e) {
        const int64_t line = is_along ? i : j + e, k = is_along ? j + e : i;
        tile[is_left ? line * kBf16Depth + k : (k / 2 * kBf16Lines + line) * 2 + k % 2] =
            (uint16_t)(bits[e] >> 16);
      }
    }
  }
}

inline __m256 even_of(__m256i pairs) { return _mm256_castsi256_ps(_mm256_slli_epi32(pairs, 16)); }
inline __m256 odd_of(__m256i pairs) {
  return _mm256_castsi256_ps(_mm256_and_si256(pairs, _mm256_set1_epi32((int)0xffff0000u)));
}

// Four rows by 16 columns; i counts (row, half).
template <int... i>
JIANG_INLINE void multiply_rows(float* c, int64_t c_stride, const uint16_t* a, const uint16_t* b,
                                int64_t k_tiles, bool resume, Indices<i...>) {
  __m256 acc[sizeof...(i)];
  ((acc[i] = resume ? _mm256_loadu_ps(c + i / 2 * c_stride + i % 2 * 8) : _mm256_setzero_ps()),
   ...);
  for (int64_t tile = 0; tile < k_tiles; ++tile, a += kBf16Tile) {
    for (int64_t k = 0; k < kBf16Depth; k += 2, b += 2 * kBf16Lines) {
      const __m256i b0 = _mm256_loadu_si256((const __m256i*)b);
      const __m256i b1 = _mm256_loadu_si256((const __m256i*)(b + kBf16Lines));
      const __m256 odd[2] = {odd_of(b0), odd_of(b1)}, even[2] = {even_of(b0), even_of(b1)};
      const auto a_pair = [&](int row) {
        int32_t pair;
        memcpy(&pair, a + row * kBf16Depth + k, sizeof pair);
        return _mm256_set1_epi32(pair);
      };
      ((acc[i] = _mm256_fmadd_ps(odd_of(a_pair(i / 2)), odd[i % 2], acc[i]),
        acc[i] = _mm256_fmadd_ps(even_of(a_pair(i / 2)), even[i % 2], acc[i])),
       ...);
    }
  }
  (_mm256_storeu_ps(c + i / 2 * c_stride + i % 2 * 8, acc[i]), ...);
}

void multiply(const Bf16Product* p) {
  typedef MakeIndices<2 * kRowsAtOnce>::type Sums;
  float padded[kRowsAtOnce * kBf16Lines];
  for (int64_t i = 0; i < p->m; i += kRowsAtOnce) {
    const int64_t rows = p->m - i < kRowsAtOnce ? p->m - i : kRowsAtOnce;
    const uint16_t* a = p->a + i / kBf16Lines * p->a_panel + i % kBf16Lines * kBf16Depth;
    for (int64_t j = 0; j < p->n; j += kBf16Lines) {
      const int64_t cols = p->n - j < kBf16Lines ? p->n - j : kBf16Lines;
      const uint16_t* b = p->b + j / kBf16Lines * p->b_panel;
      float* c = p->c + i * p->c_stride + j;
      if (rows == kRowsAtOnce && cols == kBf16Lines) {
        multiply_rows(c, p->c_stride, a, b, p->k_tiles, p->resume, Sums());
        continue;
      }
      memset(padded, 0, sizeof padded);
      for (int64_t r = 0; r < rows && p->resume; ++r)
        memcpy(padded + r * kBf16Lines, c + r * p->c_stride, (size_t)cols * sizeof(float));
      multiply_rows(padded, kBf16Lines, a, b, p->k_tiles, p->resume, Sums());
      for (int64_t r = 0; r < rows; ++r)
        memcpy(c + r * p->c_stride, padded + r * kBf16Lines, (size_t)cols * sizeof(float));
    }
  }
}

int64_t rounds(int64_t n) {
  alignas(64) uint16_t tiles[2][kBf16Tile] = {};
  float c[kBf16Lines * kBf16Lines];
  const Bf16Product product{c, kBf16Lines, tiles[0], 0, tiles[1], 0, 16, 16, 1, false};
  for (int64_t i = 0; i < n; ++i) {
    multiply(&product);
    __asm__ volatile("" : : "r"(c) : "memory");
  }
  return n * kBf16Tile * kBf16Lines;
}

}  // namespace

extern const Bf16Table kAvx2Bf16;
const Bf16Table kAvx2Bf16 = {
    .name = "avx2",
    .is_native = false,
    .is_faster = false,
    .left_along = pack_tile<true, true>,
    .left_across = pack_tile<true, false>,
    .right_along = pack_tile<false, true>,
    .right_across = pack_tile<false, false>,
    .multiply = multiply,
    .rounds = rounds,
};

}  // namespace jiang::kernels
