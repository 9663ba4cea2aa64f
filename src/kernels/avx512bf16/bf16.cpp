// Products of bf16 with VDPBF16PS, and the packing of tiles that AMX shares.
#include "kernels/bf16.h"

#include <immintrin.h>
#include <string.h>

#include "kernels/indices.h"

namespace jiang::kernels {
namespace {

typedef MakeIndices<16>::type Sixteen;
constexpr int kRowsAtOnce = 8;  // times two vectors: 16 chains, more than one unit's latency

JIANG_INLINE __mmask16 first_lanes(int64_t n) {
  return (__mmask16)(n >= 16 ? 0xffff : n <= 0 ? 0 : (1u << n) - 1u);
}

// The first half of the result from `low`.
JIANG_INLINE __m512i rounded(__m512 low, __m512 high) {
  return (__m512i)_mm512_cvtne2ps_pbh(high, low);
}

// out[j] lane i = in[i] lane j
template <int... i>
JIANG_INLINE void transpose(__m512i (&r)[16], Indices<i...>) {
  __m512i t[16];
  ((t[i] = i % 2 ? _mm512_unpackhi_epi32(r[i - 1], r[i]) : _mm512_unpacklo_epi32(r[i], r[i | 1])),
   ...);
  // Of each four: columns 4 q + j in lane q of number j.
  ((r[i] = i % 2 ? _mm512_unpackhi_epi64(t[(i & 12) + i % 4 / 2], t[(i & 12) + i % 4 / 2 + 2])
                 : _mm512_unpacklo_epi64(t[(i & 12) + i % 4 / 2], t[(i & 12) + i % 4 / 2 + 2])),
   ...);
  ((t[i] = i & 4 ? _mm512_shuffle_i32x4(r[i & 11], r[(i & 11) + 4], 0xdd)
                 : _mm512_shuffle_i32x4(r[i & 11], r[(i & 11) + 4], 0x88)),
   ...);
  ((r[i] = i & 8 ? _mm512_shuffle_i32x4(t[i & 7], t[(i & 7) + 8], 0xdd)
                 : _mm512_shuffle_i32x4(t[i & 7], t[(i & 7) + 8], 0x88)),
   ...);
}

template <int... i>
JIANG_INLINE void store_tile(uint16_t* tile, const __m512i (&lines)[16], Indices<i...>) {
  (_mm512_store_si512(tile + i * 32, lines[i]), ...);
}

// Lines whose k lie next to each other: number i is line i.
template <int... i>
JIANG_INLINE void load_along(__m512i (&to)[16], const float* x, int64_t stride, int64_t n_lines,
                             int64_t n_k, Indices<i...>) {
  if (n_lines >= 16 && n_k >= 32) {
    ((to[i] = rounded(_mm512_loadu_ps(x + i * stride), _mm512_loadu_ps(x + i * stride + 16))), ...);
    return;
  }
  const __mmask16 low = first_lanes(n_k), high = first_lanes(n_k - 16);
  const auto line = [&](int64_t at) {
    if (at >= n_lines) return _mm512_setzero_si512();
    return rounded(_mm512_maskz_loadu_ps(low, x + at * stride),
                   _mm512_maskz_loadu_ps(high, x + at * stride + 16));
  };
  ((to[i] = line(i)), ...);
}

// Lines that lie next to each other: number i is k = 2 i and 2 i + 1 of all lines, in pairs.
template <int... i>
JIANG_INLINE void load_across(__m512i (&to)[16], const float* x, int64_t stride, int64_t n_lines,
                              int64_t n_k, Indices<i...>) {
  const __m512i mixed = _mm512_set_epi16(31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25, 9, 24,
                                         8, 23, 7, 22, 6, 21, 5, 20, 4, 19, 3, 18, 2, 17, 1, 16, 0);
  if (n_lines >= 16 && n_k >= 32) {
    ((to[i] = _mm512_permutexvar_epi16(mixed, rounded(_mm512_loadu_ps(x + 2 * i * stride),
                                                      _mm512_loadu_ps(x + (2 * i + 1) * stride)))),
     ...);
    return;
  }
  const __mmask16 lanes = first_lanes(n_lines);
  const auto row = [&](int64_t at) {
    return at < n_k ? _mm512_maskz_loadu_ps(lanes, x + at * stride) : _mm512_setzero_ps();
  };
  ((to[i] = _mm512_permutexvar_epi16(mixed, rounded(row(2 * i), row(2 * i + 1)))), ...);
}

template <bool is_left, bool is_along>
void pack_tile(uint16_t* tile, const float* x, int64_t stride, int64_t n_lines, int64_t n_k) {
  __m512i lines[16];
  if (is_along) {
    load_along(lines, x, stride, n_lines, n_k, Sixteen());
  } else {
    load_across(lines, x, stride, n_lines, n_k, Sixteen());
  }
  if (is_left != is_along) transpose(lines, Sixteen());
  store_tile(tile, lines, Sixteen());
}

// kRowsAtOnce rows by `panels` times 16 columns; i counts (row, panel). Columns and rows that are
// not there have no bit in `lanes`.
template <int panels, int... i>
JIANG_INLINE void multiply_block(float* c, int64_t c_stride, const uint16_t* a, const uint16_t* b,
                                 int64_t b_panel, int64_t k_tiles, bool resume, int64_t rows,
                                 const __mmask16 (&lanes)[2], Indices<i...>) {
  const auto mask = [&](int row, int panel) { return row < rows ? lanes[panel] : (__mmask16)0; };
  __m512 acc[sizeof...(i)];
  if (resume) {
    ((acc[i] = _mm512_maskz_loadu_ps(mask(i / panels, i % panels),
                                     c + i / panels * c_stride + i % panels * 16)),
     ...);
  } else {
    ((acc[i] = _mm512_setzero_ps()), ...);
  }
  for (int64_t tile = 0; tile < k_tiles; ++tile, a += kBf16Tile) {
    for (int64_t k = 0; k < kBf16Depth; k += 2, b += 2 * kBf16Lines) {
      __m512i columns[panels];
      columns[0] = _mm512_load_si512(b);
      if constexpr (panels == 2) columns[1] = _mm512_load_si512(b + b_panel);
      const auto pair_of = [&](int row) {
        int32_t pair;
        memcpy(&pair, a + row * kBf16Depth + k, sizeof pair);
        return (__m512bh)_mm512_set1_epi32(pair);
      };
      ((acc[i] = _mm512_dpbf16_ps(acc[i], pair_of(i / panels), (__m512bh)columns[i % panels])),
       ...);
    }
  }
  (_mm512_mask_storeu_ps(c + i / panels * c_stride + i % panels * 16, mask(i / panels, i % panels),
                         acc[i]),
   ...);
}

template <int panels>
__attribute__((noinline)) void multiply_rows(float* c, int64_t c_stride, const uint16_t* a,
                                             const uint16_t* b, int64_t b_panel, int64_t k_tiles,
                                             bool resume, int64_t rows, int64_t cols) {
  const __mmask16 lanes[2] = {first_lanes(cols), first_lanes(cols - 16)};
  multiply_block<panels>(c, c_stride, a, b, b_panel, k_tiles, resume, rows, lanes,
                         typename MakeIndices<kRowsAtOnce * panels>::type());
}

void multiply(const Bf16Product* p) {
  for (int64_t j = 0; j < p->n; j += 32) {  // 32 columns of B stay in L1 while the rows pass
    const int64_t cols = p->n - j < 32 ? p->n - j : 32;
    const uint16_t* b = p->b + j / kBf16Lines * p->b_panel;
    const auto run = cols > 16 ? multiply_rows<2> : multiply_rows<1>;
    for (int64_t i = 0; i < p->m; i += kRowsAtOnce) {
      const int64_t rows = p->m - i < kRowsAtOnce ? p->m - i : kRowsAtOnce;
      const uint16_t* a = p->a + i / kBf16Lines * p->a_panel + i % kBf16Lines * kBf16Depth;
      run(p->c + i * p->c_stride + j, p->c_stride, a, b, p->b_panel, p->k_tiles, p->resume, rows,
          cols);
    }
  }
}

// Each chain goes through an empty asm, or the compiler would see that they are equal.
template <int... i>
JIANG_INLINE int64_t rounds_of(int64_t n, Indices<i...>) {
  __m512 acc[sizeof...(i)];
  ((acc[i] = _mm512_setzero_ps()), ...);
  const __m512i x = _mm512_set1_epi32(0x3f003f00);
  const auto step = [&](__m512& sum) {
    __asm__ volatile("" : "+v"(sum));
    sum = _mm512_dpbf16_ps(sum, (__m512bh)x, (__m512bh)x);
  };
  for (int64_t round = 0; round < n; ++round) (step(acc[i]), ...);
  const auto keep = [](__m512 sum) { __asm__ volatile("" : : "v"(sum)); };
  (keep(acc[i]), ...);
  return n * (int64_t)sizeof...(i) * 32;
}

int64_t rounds(int64_t n) { return rounds_of(n, Sixteen()); }

}  // namespace

extern const Bf16Table kAvx512Bf16;
const Bf16Table kAvx512Bf16 = {
    .name = "avx512_bf16",
    .is_native = true,
    .is_faster = false,
    .left_along = pack_tile<true, true>,
    .left_across = pack_tile<true, false>,
    .right_along = pack_tile<false, true>,
    .right_across = pack_tile<false, false>,
    .multiply = multiply,
    .rounds = rounds,
};

}  // namespace jiang::kernels
