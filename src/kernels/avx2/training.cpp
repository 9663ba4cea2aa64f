// The training kernels of the AVX2 level.
#include "kernels/training.h"

#include "kernels/avx2/simd.h"

namespace jiang::kernels {
namespace {

constexpr int kGemmRows = 6;  // times two vectors of sums: 12 of 16 registers

inline F sqrt_of(F x) { return _mm256_sqrt_ps(x); }

// out[i * out_stride + j] = in[j * in_stride + i], i and j < kLanes
inline void transpose_square(float* out, int64_t out_stride, const float* in, int64_t in_stride) {
  __m256 pair[8], quad[8];
  for (int i = 0; i < 4; ++i) {
    const F even = load(in + 2 * i * in_stride), odd = load(in + (2 * i + 1) * in_stride);
    pair[2 * i] = _mm256_unpacklo_ps(even, odd);
    pair[2 * i + 1] = _mm256_unpackhi_ps(even, odd);
  }
  for (int i = 0; i < 2; ++i) {
    quad[4 * i] = _mm256_shuffle_ps(pair[4 * i], pair[4 * i + 2], 0x44);
    quad[4 * i + 1] = _mm256_shuffle_ps(pair[4 * i], pair[4 * i + 2], 0xee);
    quad[4 * i + 2] = _mm256_shuffle_ps(pair[4 * i + 1], pair[4 * i + 3], 0x44);
    quad[4 * i + 3] = _mm256_shuffle_ps(pair[4 * i + 1], pair[4 * i + 3], 0xee);
  }
  for (int i = 0; i < 4; ++i) {
    store(out + i * out_stride, _mm256_permute2f128_ps(quad[i], quad[4 + i], 0x20));
    store(out + (4 + i) * out_stride, _mm256_permute2f128_ps(quad[i], quad[4 + i], 0x31));
  }
}

}  // namespace
}  // namespace jiang::kernels

#include "kernels/simd/gemm.inl"
#include "kernels/simd/training.inl"

namespace jiang::kernels {

extern const TrainingTable kAvx2Training;
const TrainingTable kAvx2Training = {
    .gemm_rows = kGemmRows,
    .gemm_cols = kGemmCols,
    .gemm_panel = gemm_panel,
    .pack_columns = pack_columns,
    .add_scaled = add_scaled,
    .add_product = add_product,
    .dot = dot,
    .rms_norm_backward = rms_norm_backward,
    .silu_mul_backward = silu_mul_backward,
    .attention_softmax = attention_softmax,
    .attention_probabilities = attention_probabilities,
    .attention_backward = attention_backward,
    .cross_entropy = cross_entropy,
    .negative_log_likelihood = negative_log_likelihood,
    .adamw = adamw,
    .fma_rounds = fma_rounds,
};

}  // namespace jiang::kernels
