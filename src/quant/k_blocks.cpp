#include "quant/k_blocks.h"

#include "quant/codecs.h"

namespace jiang {

// x = d * scale * code - dmin * min
void dequantize_q2_k(float* out, const void* blocks, int64_t n) {
  uint8_t codes[kSuperBlock];
  for (int64_t i = 0; i < n / kSuperBlock; ++i, out += kSuperBlock) {
    const auto block = load_block<BlockQ2_K>(blocks, i);
    const float d = f16_to_f32(block.d);
    const float dmin = f16_to_f32(block.dmin);
    unpack_codes(codes, block);
    for (int s = 0; s < 16; ++s) {
      const float scale = d * static_cast<float>(block.scales[s] & 15);
      const float min = dmin * static_cast<float>(block.scales[s] >> 4);
      for (int j = 16 * s; j < 16 * s + 16; ++j) out[j] = scale * codes[j] - min;
    }
  }
}

// x = d * (scale - 32) * (code - 4)
void dequantize_q3_k(float* out, const void* blocks, int64_t n) {
  uint8_t codes[kSuperBlock];
  uint8_t scales[16];
  for (int64_t i = 0; i < n / kSuperBlock; ++i, out += kSuperBlock) {
    const auto block = load_block<BlockQ3_K>(blocks, i);
    const float d = f16_to_f32(block.d);
    unpack_codes(codes, block);
    unpack_scales_q3(scales, block.scales);
    for (int s = 0; s < 16; ++s) {
      const float scale = d * static_cast<float>(scales[s] - 32);
      for (int j = 16 * s; j < 16 * s + 16; ++j) out[j] = scale * static_cast<float>(codes[j] - 4);
    }
  }
}

namespace {

// x = d * scale * code - dmin * min
template <class Block>
void dequantize_scales_mins(float* out, const void* blocks, int64_t n) {
  uint8_t codes[kSuperBlock];
  uint8_t scales[8];
  uint8_t mins[8];
  for (int64_t i = 0; i < n / kSuperBlock; ++i, out += kSuperBlock) {
    const auto block = load_block<Block>(blocks, i);
    const float d = f16_to_f32(block.d);
    const float dmin = f16_to_f32(block.dmin);
    unpack_codes(codes, block);
    unpack_scales_mins(scales, mins, block.scales);
    for (int s = 0; s < 8; ++s) {
      const float scale = d * scales[s];
      const float min = dmin * mins[s];
      for (int j = 32 * s; j < 32 * s + 32; ++j) out[j] = scale * codes[j] - min;
    }
  }
}

}  // namespace

void dequantize_q4_k(float* out, const void* blocks, int64_t n) {
  dequantize_scales_mins<BlockQ4_K>(out, blocks, n);
}
void dequantize_q5_k(float* out, const void* blocks, int64_t n) {
  dequantize_scales_mins<BlockQ5_K>(out, blocks, n);
}

// x = d * scale * (code - 32)
void dequantize_q6_k(float* out, const void* blocks, int64_t n) {
  uint8_t codes[kSuperBlock];
  for (int64_t i = 0; i < n / kSuperBlock; ++i, out += kSuperBlock) {
    const auto block = load_block<BlockQ6_K>(blocks, i);
    const float d = f16_to_f32(block.d);
    unpack_codes(codes, block);
    for (int s = 0; s < 16; ++s) {
      const float scale = d * block.scales[s];
      for (int j = 16 * s; j < 16 * s + 16; ++j) out[j] = scale * static_cast<float>(codes[j] - 32);
    }
  }
}

}  // namespace jiang
