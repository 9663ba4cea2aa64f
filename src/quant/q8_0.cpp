#include <cmath>

#include "quant/block_io.h"
#include "quant/codecs.h"
#include "quant/search.h"
#include "quant/weighing.h"

namespace jiang {

void dequantize_q8_0(float* out, const void* blocks, int64_t n) {
  for (int64_t i = 0; i < n / kSimpleBlock; ++i, out += kSimpleBlock) {
    const auto block = load_block<BlockQ8_0>(blocks, i);
    const float d = f16_to_f32(block.d);
    for (int j = 0; j < kSimpleBlock; ++j) out[j] = block.qs[j] * d;
  }
}

// Code -128 is left out: kernels take |code|.
using Q8Grid = LinearGrid<-127, 127>;

// With so fine a grid the codes change with every step of the scale, so the f16 numbers around
// max |x| / 127 are tried one by one, each for what it really decodes to.
void quantize_q8_0(void* out, const float* x, int64_t n, const float* importance) {
  constexpr int kTries = 40;
  const RowToQuantize row(x, n, importance);
  alignas(16) float block_x[kSimpleBlock], w[kSimpleBlock];
  uint8_t codes[kSimpleBlock];
  const Weighted<kSimpleBlock> weighted{block_x, w};
  for (int64_t i = 0; i < n / kSimpleBlock; ++i) {
    row.take(block_x, w, i * kSimpleBlock, kSimpleBlock);
    const float peak = std::fabs(extreme(weighted));
    const int plain = scale_to_f16(peak / 127);
    uint16_t best = 0;
    float best_error = INFINITY;
    const int first = std::max(plain - kTries / 6, 1);
    const int last = std::min(first + kTries, 0x7bff);
    for (int bits = first; peak > 0 && bits <= last; ++bits) {
      const float error = scale_error<Q8Grid>(weighted, f16_to_f32(static_cast<uint16_t>(bits)));
      if (error < best_error) {
        best_error = error;
        best = static_cast<uint16_t>(bits);
      }
    }
    BlockQ8_0 block{};
    block.d = best;
    scale_codes<Q8Grid>(codes, weighted, f16_to_f32(best));
    for (int j = 0; j < kSimpleBlock; ++j) block.qs[j] = static_cast<int8_t>(codes[j] - 127);
    store_block(out, i, block);
  }
}

}  // namespace jiang
