#include "kernels/table.h"

#include "kernels/avx512/entries.h"

namespace jiang::kernels {

extern const Table kAvx512 = {
    .matmul = {matmul_f32_avx512, matmul_f16_avx512, matmul_bf16_avx512},  // the rest are nullptr
    .quantize = quantize_avx512,
    .read_bytes = read_bytes_avx512,
    .dot_rounds = nullptr,
};

}  // namespace jiang::kernels
