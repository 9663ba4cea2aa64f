#include "kernels/table.h"

#include "kernels/avx512/entries.h"

namespace jiang::kernels {

extern const Table kAvx512 = {
    .matmul = {},
    .quantize = quantize_avx512,
};

}  // namespace jiang::kernels
