// IQ4_NL, IQ4_XS, MXFP4: a 4-bit code names an entry of a fixed non-linear codebook.
#include <cmath>

#include "quant/block_io.h"
#include "quant/codebook_blocks.h"
#include "quant/codecs.h"
#include "quant/weighing.h"

namespace jiang {

void dequantize_iq4_nl(float* out, const void* blocks, int64_t n) {
  uint8_t codes[kSimpleBlock];
  for (int64_t i = 0; i < n / kSimpleBlock; ++i, out += kSimpleBlock) {
    const auto block = load_block<BlockIQ4_NL>(blocks, i);
    const float d = f16_to_f32(block.d);
    unpack_nibbles(codes, block.qs);
    for (int j = 0; j < kSimpleBlock; ++j) out[j] = kCodebookIq4nl[codes[j]] * d;
  }
}

void dequantize_iq4_xs(float* out, const void* blocks, int64_t n) {
  uint8_t codes[kSimpleBlock];
  for (int64_t i = 0; i < n / kSuperBlock; ++i) {
    const auto block = load_block<BlockIQ4_XS>(blocks, i);
    const float d = f16_to_f32(block.d);
    for (int s = 0; s < kSuperBlock / kSimpleBlock; ++s, out += kSimpleBlock) {
      const float scale = d * static_cast<float>(iq4_xs_scale(block, s));
      unpack_nibbles(codes, block.qs + 16 * s);
      for (int j = 0; j < kSimpleBlock; ++j) out[j] = kCodebookIq4nl[codes[j]] * scale;
    }
  }
}

void dequantize_mxfp4(float* out, const void* blocks, int64_t n) {
  uint8_t codes[kSimpleBlock];
  for (int64_t i = 0; i < n / kSimpleBlock; ++i, out += kSimpleBlock) {
    const auto block = load_block<BlockMXFP4>(blocks, i);
    const float scale = mxfp4_scale(block.e);
    unpack_nibbles(codes, block.qs);
    for (int j = 0; j < kSimpleBlock; ++j) out[j] = kCodebookMxfp4[codes[j]] * scale;
  }
}

void quantize_iq4_nl(void* out, const float* x, int64_t n, const float* importance) {
  const ScaleRange range{.first = 0.75f, .last = 1.1f, .steps = 10, .refits = 3};
  const RowToQuantize row(x, n, importance);
  alignas(16) float block_x[kSimpleBlock], w[kSimpleBlock];
  uint8_t codes[kSimpleBlock];
  const Weighted<kSimpleBlock> weighted{block_x, w};
  for (int64_t i = 0; i < n / kSimpleBlock; ++i) {
    row.take(block_x, w, i * kSimpleBlock, kSimpleBlock);
    BlockIQ4_NL block{};
    block.d = scale_to_f16(search_scale<GridIq4nl>(weighted, range));
    // The codebook has no zero: where the smallest f16 is too coarse, zeros are better.
    if (scale_error<GridIq4nl>(weighted, f16_to_f32(block.d)) >=
        scale_error<GridIq4nl>(weighted, 0)) {
      block.d = 0;
    }
    scale_codes<GridIq4nl>(codes, weighted, f16_to_f32(block.d));
    pack_nibbles(block.qs, codes);
    store_block(out, i, block);
  }
}

// The scale is a power of two: the one that just holds the extreme weight, or a neighbour.
void quantize_mxfp4(void* out, const float* x, int64_t n, const float* importance) {
  const RowToQuantize row(x, n, importance);
  alignas(16) float block_x[kSimpleBlock], w[kSimpleBlock];
  uint8_t codes[kSimpleBlock];
  const Weighted<kSimpleBlock> weighted{block_x, w};
  for (int64_t i = 0; i < n / kSimpleBlock; ++i) {
    row.take(block_x, w, i * kSimpleBlock, kSimpleBlock);
    BlockMXFP4 block{};
    float best_error = INFINITY;
    const float peak = std::fabs(extreme(weighted));
    if (peak >= 0x1p-25f) {
      // peak / 12 * 2 in (2^(k - 1), 2^k]; kept well inside the range of e.
      const int holds = 127 + std::ilogb(peak / 6) + 1;
      for (int e = holds - 2; e <= holds + 1; ++e) {
        const float error = scale_error<GridMxfp4>(weighted, mxfp4_scale(static_cast<uint8_t>(e)));
        if (error < best_error) {
          best_error = error;
          block.e = static_cast<uint8_t>(e);
        }
      }
      scale_codes<GridMxfp4>(codes, weighted, mxfp4_scale(block.e));
      pack_nibbles(block.qs, codes);
    }
    store_block(out, i, block);
  }
}

}  // namespace jiang
