// What the files of this level give to its table (table.cpp).
#pragma once

#include "kernels/table.h"

namespace jiang::kernels {

void quantize_avx2(ActivationBlock* blocks, int64_t stride, const float* x, int64_t cols);
uint64_t read_bytes_avx2(const void* from, int64_t n);
int64_t dot_rounds_avx2(int64_t n);
void matmul_f32_avx2(const MatmulTile* tile);
void matmul_f16_avx2(const MatmulTile* tile);
void matmul_bf16_avx2(const MatmulTile* tile);
void matmul_q4_0_avx2(const MatmulTile* tile);
void matmul_q4_1_avx2(const MatmulTile* tile);
void matmul_iq4_nl_avx2(const MatmulTile* tile);
void matmul_mxfp4_avx2(const MatmulTile* tile);
void matmul_q4_k_avx2(const MatmulTile* tile);
void matmul_iq4_xs_avx2(const MatmulTile* tile);
void matmul_q6_k_avx2(const MatmulTile* tile);
void matmul_q8_0_avx2(const MatmulTile* tile);
void matmul_q5_1_avx2(const MatmulTile* tile);
void matmul_q5_k_avx2(const MatmulTile* tile);
void matmul_q3_k_avx2(const MatmulTile* tile);
void matmul_q2_k_avx2(const MatmulTile* tile);

}  // namespace jiang::kernels
