// f32, f16 and bf16 weights against f32 activations: 16 rows in the lanes, one fma per k.
//
// The chain of fmas of one row and token is sequential, so independent chains hide its latency:
// 16 tokens against one panel, or up to 4 tokens against 4 panels.
#include <immintrin.h>

#include "kernels/avx512/entries.h"
#include "kernels/indices.h"

namespace jiang::kernels {
namespace {

template <Packed kind>
JIANG_INLINE __m512 load_row(const uint8_t* panel, int64_t k) {
  if constexpr (kind == Packed::f32) return _mm512_load_ps(panel + k * 64);
  const __m256i bits = _mm256_load_si256(reinterpret_cast<const __m256i*>(panel + k * 32));
  if constexpr (kind == Packed::f16) return _mm512_cvtph_ps(bits);
  return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(bits), 16));
}

// Panels p of `panel`, tokens t of `x`; i counts (panel, token).
template <Packed kind, int n_tokens, int... p, int... i>
JIANG_INLINE void multiply(const MatmulTile* tile, const uint8_t* panel, const float* x, float* out,
                           __mmask16 rows, Indices<p...>, Indices<i...>) {
  constexpr int k_bytes = kind == Packed::f32 ? 64 : 32;
  const int64_t stride = tile->n_tokens;
  __m512 acc[sizeof...(i)];
  ((acc[i] = tile->resume ? _mm512_maskz_loadu_ps(
                                rows, out + i % n_tokens * tile->out_stride + i / n_tokens * 16)
                          : _mm512_setzero_ps()),
   ...);
  for (int64_t k = 0; k < tile->cols; ++k, x += stride) {
    (_mm_prefetch(reinterpret_cast<const char*>(panel) + p * tile->panel_bytes + k * k_bytes + 2048,
                  _MM_HINT_T0),
     ...);
    const __m512 w[] = {load_row<kind>(panel + p * tile->panel_bytes, k)...};
    ((acc[i] = _mm512_fmadd_ps(w[i / n_tokens], _mm512_set1_ps(x[i % n_tokens]), acc[i])), ...);
  }
  (_mm512_mask_storeu_ps(out + i % n_tokens * tile->out_stride + i / n_tokens * 16, rows, acc[i]),
   ...);
}

template <Packed kind, int n_panels, int n_tokens>
__attribute__((noinline)) void multiply_tokens(const MatmulTile* tile, const uint8_t* panel,
                                               int64_t row, int first) {
  const int64_t left = tile->n_rows - row;
  const auto rows = static_cast<__mmask16>(left >= kPanelRows ? 0xffff : (1 << left) - 1);
  multiply<kind, n_tokens>(tile, panel, static_cast<const float*>(tile->x) + first,
                           tile->out + first * tile->out_stride + row, rows,
                           typename MakeIndices<n_panels>::type(),
                           typename MakeIndices<n_panels * n_tokens>::type());
}

template <Packed kind>
void matmul(const MatmulTile* tile) {
  const auto* panel = static_cast<const uint8_t*>(tile->panels);
  const int n = tile->n_tokens;
  int64_t row = 0;
  if (n <= 4) {
    for (; tile->n_rows - row >= 4 * kPanelRows;
         row += 4 * kPanelRows, panel += 4 * tile->panel_bytes) {
      if (n == 4) multiply_tokens<kind, 4, 4>(tile, panel, row, 0);
      if (n == 2 || n == 3) multiply_tokens<kind, 4, 2>(tile, panel, row, 0);
      if (n == 1 || n == 3) multiply_tokens<kind, 4, 1>(tile, panel, row, n - 1);
    }
  }
  for (; row < tile->n_rows; row += kPanelRows, panel += tile->panel_bytes) {
    int t = 0;
    for (; n - t >= 16; t += 16) multiply_tokens<kind, 1, 16>(tile, panel, row, t);
    for (; n - t >= 8; t += 8) multiply_tokens<kind, 1, 8>(tile, panel, row, t);
    for (; n - t >= 4; t += 4) multiply_tokens<kind, 1, 4>(tile, panel, row, t);
    for (; n - t >= 1; t += 1) multiply_tokens<kind, 1, 1>(tile, panel, row, t);
  }
}

}  // namespace

void matmul_f32_avx512(const MatmulTile* tile) { matmul<Packed::f32>(tile); }
void matmul_f16_avx512(const MatmulTile* tile) { matmul<Packed::f16>(tile); }
void matmul_bf16_avx512(const MatmulTile* tile) { matmul<Packed::bf16>(tile); }

}  // namespace jiang::kernels
