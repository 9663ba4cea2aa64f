#include "quant/linear_blocks.h"

#include "quant/codecs.h"

namespace jiang {
namespace {

// x = (code - Offset) * d
template <class Block, int Offset>
void dequantize_symmetric(float* out, const void* blocks, int64_t n) {
  uint8_t codes[kBlock];
  for (int64_t i = 0; i < n / kBlock; ++i, out += kBlock) {
    const auto block = load_block<Block>(blocks, i);
    const float d = f16_to_f32(block.d);
    unpack_codes(codes, block);
    for (int j = 0; j < kBlock; ++j) out[j] = (codes[j] - Offset) * d;
  }
}

// x = code * d + m
template <class Block>
void dequantize_affine(float* out, const void* blocks, int64_t n) {
  uint8_t codes[kBlock];
  for (int64_t i = 0; i < n / kBlock; ++i, out += kBlock) {
    const auto block = load_block<Block>(blocks, i);
    const float d = f16_to_f32(block.d);
    const float m = f16_to_f32(block.m);
    unpack_codes(codes, block);
    for (int j = 0; j < kBlock; ++j) out[j] = codes[j] * d + m;
  }
}

}  // namespace

void dequantize_q4_0(float* out, const void* blocks, int64_t n) {
  dequantize_symmetric<BlockQ4_0, 8>(out, blocks, n);
}
void dequantize_q5_0(float* out, const void* blocks, int64_t n) {
  dequantize_symmetric<BlockQ5_0, 16>(out, blocks, n);
}
void dequantize_q4_1(float* out, const void* blocks, int64_t n) {
  dequantize_affine<BlockQ4_1>(out, blocks, n);
}
void dequantize_q5_1(float* out, const void* blocks, int64_t n) {
  dequantize_affine<BlockQ5_1>(out, blocks, n);
}

}  // namespace jiang
