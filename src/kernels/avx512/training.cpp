// The training kernels of the AVX-512 level.
#include "kernels/training.h"

#include "kernels/avx512/simd.h"

namespace jiang::kernels {
namespace {

constexpr int kGemmRows = 12;  // times two vectors of sums: 24 of 32 registers

inline F sqrt_of(F x) { return _mm512_sqrt_ps(x); }

// out[i * out_stride + j] = in[j * in_stride + i], i and j < kLanes
inline void transpose_square(float* out, int64_t out_stride, const float* in, int64_t in_stride) {
  const __m512i apart =
      _mm512_mullo_epi32(_mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15),
                         _mm512_set1_epi32((int)in_stride));
  for (int i = 0; i < kLanes; ++i)
    store(out + i * out_stride, _mm512_i32gather_ps(apart, in + i, 4));
}

}  // namespace
}  // namespace jiang::kernels

#include "kernels/simd/gemm.inl"
#include "kernels/simd/training.inl"

namespace jiang::kernels {

extern const TrainingTable kAvx512Training;
const TrainingTable kAvx512Training = {
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
