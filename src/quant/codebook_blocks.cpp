// IQ4_NL, IQ4_XS, MXFP4: a 4-bit code names an entry of a fixed non-linear codebook.
#include <bit>

#include "quant/block_io.h"
#include "quant/codebook_blocks.h"
#include "quant/codecs.h"

namespace jiang {

void dequantize_iq4_nl(float* out, const void* blocks, int64_t n) {
  uint8_t codes[kBlock];
  for (int64_t i = 0; i < n / kBlock; ++i, out += kBlock) {
    const auto block = load_block<BlockIQ4_NL>(blocks, i);
    const float d = f16_to_f32(block.d);
    unpack_nibbles(codes, block.qs);
    for (int j = 0; j < kBlock; ++j) out[j] = kCodebookIq4nl[codes[j]] * d;
  }
}

void dequantize_iq4_xs(float* out, const void* blocks, int64_t n) {
  uint8_t codes[kBlock];
  for (int64_t i = 0; i < n / kSuperBlock; ++i) {
    const auto block = load_block<BlockIQ4_XS>(blocks, i);
    const float d = f16_to_f32(block.d);
    for (int s = 0; s < kSuperBlock / kBlock; ++s, out += kBlock) {
      const float scale = d * static_cast<float>(iq4_xs_scale(block, s));
      unpack_nibbles(codes, block.qs + 16 * s);
      for (int j = 0; j < kBlock; ++j) out[j] = kCodebookIq4nl[codes[j]] * scale;
    }
  }
}

void dequantize_mxfp4(float* out, const void* blocks, int64_t n) {
  uint8_t codes[kBlock];
  for (int64_t i = 0; i < n / kBlock; ++i, out += kBlock) {
    const auto block = load_block<BlockMXFP4>(blocks, i);
    const float scale = mxfp4_scale(block.e);
    unpack_nibbles(codes, block.qs);
    for (int j = 0; j < kBlock; ++j) out[j] = kCodebookMxfp4[codes[j]] * scale;
  }
}

}  // namespace jiang
