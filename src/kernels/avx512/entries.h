// What the files of this level give to its table (table.cpp).
#pragma once

#include "kernels/table.h"

namespace jiang::kernels {

void quantize_avx512(ActivationBlock* blocks, int64_t stride, const float* x, int64_t cols);

}  // namespace jiang::kernels
