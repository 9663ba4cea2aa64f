#include "quant/linear_blocks.h"

#include "quant/codecs.h"
#include "quant/search.h"
#include "quant/weighing.h"

namespace jiang {
namespace {

// x = (code - Offset) * d
template <class Block, int Offset>
void dequantize_symmetric(float* out, const void* blocks, int64_t n) {
  uint8_t codes[kSimpleBlock];
  for (int64_t i = 0; i < n / kSimpleBlock; ++i, out += kSimpleBlock) {
    const auto block = load_block<Block>(blocks, i);
    const float d = f16_to_f32(block.d);
    unpack_codes(codes, block);
    for (int j = 0; j < kSimpleBlock; ++j) out[j] = (codes[j] - Offset) * d;
  }
}

// x = code * d + m
template <class Block>
void dequantize_affine(float* out, const void* blocks, int64_t n) {
  uint8_t codes[kSimpleBlock];
  for (int64_t i = 0; i < n / kSimpleBlock; ++i, out += kSimpleBlock) {
    const auto block = load_block<Block>(blocks, i);
    const float d = f16_to_f32(block.d);
    const float m = f16_to_f32(block.m);
    unpack_codes(codes, block);
    for (int j = 0; j < kSimpleBlock; ++j) out[j] = codes[j] * d + m;
  }
}

// The scale found is stored as f16; the codes belong to what was stored.
template <class Block, class Grid>
void quantize_symmetric(void* out, const float* x, int64_t n, const float* importance) {
  const ScaleRange range{.first = 0.8f, .last = 1.2f, .steps = 17, .refits = 3};
  const RowToQuantize row(x, n, importance);
  alignas(16) float block_x[kSimpleBlock], w[kSimpleBlock];
  uint8_t codes[kSimpleBlock];
  const Weighted<kSimpleBlock> weighted{block_x, w};
  for (int64_t i = 0; i < n / kSimpleBlock; ++i) {
    row.take(block_x, w, i * kSimpleBlock, kSimpleBlock);
    Block block{};
    block.d = scale_to_f16(search_scale<Grid>(weighted, range));
    scale_codes<Grid>(codes, weighted, f16_to_f32(block.d));
    pack_codes(&block, codes);
    store_block(out, i, block);
  }
}

template <class Block, int High>
void quantize_affine(void* out, const float* x, int64_t n, const float* importance) {
  const AffineRange range{.shrink = High == 15 ? 0.02f : 0.012f, .starts = 5, .refits = 4};
  const RowToQuantize row(x, n, importance);
  alignas(16) float block_x[kSimpleBlock], w[kSimpleBlock], above[kSimpleBlock];
  uint8_t codes[kSimpleBlock];
  const Weighted<kSimpleBlock> weighted{block_x, w};
  for (int64_t i = 0; i < n / kSimpleBlock; ++i) {
    row.take(block_x, w, i * kSimpleBlock, kSimpleBlock);
    const Affine found = search_affine<High, Offsets::any>(weighted, range);
    Block block{};
    block.m = f32_to_f16(std::fmin(std::fmax(found.offset, -65504.0f), 65504.0f));
    // f16 moves a large offset by more than a step of the codes: fit the scale again above it.
    const float offset = f16_to_f32(block.m);
    for (int j = 0; j < kSimpleBlock; ++j) above[j] = block_x[j] - offset;
    float scale = found.scale;
    if (scale != 0) {
      const auto refit =
          fit_scale<LinearGrid<0, High>>(Weighted<kSimpleBlock>{above, w}, 1 / scale);
      if (refit.qq > 0) scale = refit.scale();
    }
    block.d = scale_to_f16(scale);
    affine_codes<High>(codes, weighted, {f16_to_f32(block.d), offset});
    pack_codes(&block, codes);
    store_block(out, i, block);
  }
}

}  // namespace

void quantize_q4_0(void* out, const float* x, int64_t n, const float* importance) {
  quantize_symmetric<BlockQ4_0, LinearGrid<-8, 7>>(out, x, n, importance);
}
void quantize_q5_0(void* out, const float* x, int64_t n, const float* importance) {
  quantize_symmetric<BlockQ5_0, LinearGrid<-16, 15>>(out, x, n, importance);
}
void quantize_q4_1(void* out, const float* x, int64_t n, const float* importance) {
  quantize_affine<BlockQ4_1, 15>(out, x, n, importance);
}
void quantize_q5_1(void* out, const float* x, int64_t n, const float* importance) {
  quantize_affine<BlockQ5_1, 31>(out, x, n, importance);
}

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
