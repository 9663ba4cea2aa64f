// f32, f16 and bf16 weights against f32 activations: a panel of 16 rows is two registers, one fma
// per k. Independent chains hide the latency of the fma: 4 tokens, or 4 panels for one token.
#include <immintrin.h>

#include "kernels/avx2/entries.h"
#include "kernels/avx2/rest.h"
#include "kernels/indices.h"

namespace jiang::kernels {
namespace {

// Rows 8 half .. 8 half + 7 at k.
template <Packed kind>
JIANG_INLINE __m256 load_rows(const uint8_t* panel, int64_t k, int half) {
  if constexpr (kind == Packed::f32)
    return _mm256_load_ps(reinterpret_cast<const float*>(panel) + k * 16 + half * 8);
  const __m128i bits = _mm_load_si128(reinterpret_cast<const __m128i*>(panel + k * 32 + half * 16));
  if constexpr (kind == Packed::f16) return _mm256_cvtph_ps(bits);
  return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(bits), 16));
}

// Half panels h, tokens t; i counts (half panel, token).
template <Packed kind, int n_tokens, int... h, int... i>
JIANG_INLINE void multiply(const MatmulTile* tile, const uint8_t* panel, const float* x, float* out,
                           Indices<h...>, Indices<i...>) {
  constexpr int k_bytes = kind == Packed::f32 ? 64 : 32;
  const int64_t stride = tile->n_tokens;
  __m256 acc[sizeof...(i)];
  ((acc[i] = tile->resume
                 ? _mm256_loadu_ps(out + i % n_tokens * tile->out_stride + i / n_tokens * 8)
                 : _mm256_setzero_ps()),
   ...);
  for (int64_t k = 0; k < tile->cols; ++k, x += stride) {
    _mm_prefetch(reinterpret_cast<const char*>(panel) + k * k_bytes + 2048, _MM_HINT_T0);
    const __m256 w[] = {load_rows<kind>(panel + h / 2 * tile->panel_bytes, k, h % 2)...};
    ((acc[i] = _mm256_fmadd_ps(w[i / n_tokens], _mm256_broadcast_ss(x + i % n_tokens), acc[i])),
     ...);
  }
  (_mm256_storeu_ps(out + i % n_tokens * tile->out_stride + i / n_tokens * 8, acc[i]), ...);
}

template <Packed kind, int n_panels, int n_tokens>
__attribute__((noinline)) void multiply_tokens(const MatmulTile* tile, const uint8_t* panel,
                                               float* out, int first) {
  multiply<kind, n_tokens>(tile, panel, static_cast<const float*>(tile->x) + first,
                           out + first * tile->out_stride,
                           typename MakeIndices<2 * n_panels>::type(),
                           typename MakeIndices<2 * n_panels * n_tokens>::type());
}

template <Packed kind>
void multiply_one_panel(const MatmulTile* tile, const uint8_t* panel, float* out) {
  const int n = tile->n_tokens;
  int t = 0;
  for (; n - t >= 4; t += 4) multiply_tokens<kind, 1, 4>(tile, panel, out, t);
  for (; n - t >= 1; t += 1) multiply_tokens<kind, 1, 1>(tile, panel, out, t);
}

template <Packed kind>
void matmul(const MatmulTile* tile) {
  const auto* panel = static_cast<const uint8_t*>(tile->panels);
  int64_t row = 0;
  if (tile->n_tokens == 1) {
    for (; tile->n_rows - row >= 4 * kPanelRows;
         row += 4 * kPanelRows, panel += 4 * tile->panel_bytes) {
      multiply_tokens<kind, 4, 1>(tile, panel, tile->out + row, 0);
    }
  }
  multiply_panels<multiply_one_panel<kind>>(tile, panel, row);
}

}  // namespace

void matmul_f32_avx2(const MatmulTile* tile) { matmul<Packed::f32>(tile); }
void matmul_f16_avx2(const MatmulTile* tile) { matmul<Packed::f16>(tile); }
void matmul_bf16_avx2(const MatmulTile* tile) { matmul<Packed::bf16>(tile); }

}  // namespace jiang::kernels
