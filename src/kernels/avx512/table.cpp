#include "kernels/table.h"

namespace jiang::kernels {

extern const Table kAvx512 = {
    .matmul = {},
    .quantize = nullptr,
};

}  // namespace jiang::kernels
