#include "kernels/table.h"

namespace jiang::kernels {

extern const Table kAvx2 = {
    .matmul = {},
    .quantize = nullptr,
};

}  // namespace jiang::kernels
