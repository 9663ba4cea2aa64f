#include "kernels/table.h"

namespace jiang::kernels {

extern const Table kAvx512Vnni = {
    .matmul = {},
    .quantize = nullptr,
};

}  // namespace jiang::kernels
