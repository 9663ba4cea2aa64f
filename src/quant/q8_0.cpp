#include <cmath>

#include "quant/block_io.h"
#include "quant/codecs.h"

namespace jiang {

void dequantize_q8_0(float* out, const void* blocks, int64_t n) {
  for (int64_t i = 0; i < n / kBlock; ++i, out += kBlock) {
    const auto block = load_block<BlockQ8_0>(blocks, i);
    const float d = f16_to_f32(block.d);
    for (int j = 0; j < kBlock; ++j) out[j] = block.qs[j] * d;
  }
}

void quantize_q8_0(void* out, const float* x, int64_t n, const float*) {
  for (int64_t i = 0; i < n / kBlock; ++i, x += kBlock) {
    float max = 0;
    for (int j = 0; j < kBlock; ++j) max = std::fmax(max, std::fabs(x[j]));
    const float d = max / 127;
    const float inverse = d > 0 ? 1 / d : 0;
    BlockQ8_0 block{};
    block.d = f32_to_f16(d);
    for (int j = 0; j < kBlock; ++j) block.qs[j] = static_cast<int8_t>(std::lrint(x[j] * inverse));
    store_block(out, i, block);
  }
}

}  // namespace jiang
