// What the files of this level give to its table (table.cpp).
#pragma once

#include "kernels/table.h"

namespace jiang::kernels {

void quantize_avx512(ActivationBlock* blocks, int64_t stride, const float* x, int64_t cols);
uint64_t read_bytes_avx512(const void* from, int64_t n);
void matmul_f32_avx512(const MatmulTile* tile);
void matmul_f16_avx512(const MatmulTile* tile);
void matmul_bf16_avx512(const MatmulTile* tile);

}  // namespace jiang::kernels
