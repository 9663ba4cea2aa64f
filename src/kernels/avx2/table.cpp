#include "kernels/table.h"

#include "kernels/avx2/entries.h"

namespace jiang::kernels {

extern const Table kAvx2 = {
    .matmul = {matmul_f32_avx2, matmul_f16_avx2, matmul_bf16_avx2, matmul_q4_0_avx2,
               matmul_q4_1_avx2, matmul_iq4_nl_avx2, matmul_mxfp4_avx2, matmul_q4_k_avx2,
               matmul_iq4_xs_avx2, matmul_q6_k_avx2, matmul_q8_0_avx2, matmul_q5_1_avx2,
               matmul_q5_k_avx2, matmul_q3_k_avx2, matmul_q2_k_avx2},
    .quantize = quantize_avx2,
    .read_bytes = read_bytes_avx2,
    .dot_rounds = dot_rounds_avx2,
};

}  // namespace jiang::kernels
