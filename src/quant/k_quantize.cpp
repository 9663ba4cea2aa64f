// Writers of the formats with super-blocks of 256.
#include "quant/codebook_blocks.h"
#include "quant/codecs.h"
#include "quant/k_blocks.h"
#include "quant/k_search.h"
#include "quant/weighing.h"

namespace jiang {
namespace {

// Calls quantize_one(block, x (256), w (256)) for each super-block of a row.
template <class Block, class QuantizeOne>
void for_each_block(void* out, const float* x, int64_t n, const float* importance,
                    QuantizeOne&& quantize_one) {
  const RowToQuantize row(x, n, importance);
  alignas(16) float block_x[kSuperBlock], w[kSuperBlock];
  for (int64_t i = 0; i < n / kSuperBlock; ++i) {
    row.take(block_x, w, i * kSuperBlock, kSuperBlock);
    Block block{};
    quantize_one(&block, block_x, w);
    store_block(out, i, block);
  }
}

// Codes of all sub-blocks for the scales that were chosen.
template <class Grid, int N>
void super_codes(uint8_t* codes, const float* x, const SuperScale<N>& found) {
  const float d = f16_to_f32(found.d);
  for (int s = 0; s < SuperScale<N>::kSubs; ++s) {
    const float scale = d * static_cast<float>(found.scales[s]);
    scale_codes<Grid>(codes + s * N, Weighted<N>{x + s * N, nullptr}, scale);
  }
}

template <int HighCode, int N>
void super_codes(uint8_t* codes, const float* x, const SuperAffine<N>& found) {
  const float d = f16_to_f32(found.d), dmin = f16_to_f32(found.dmin);
  for (int s = 0; s < SuperAffine<N>::kSubs; ++s) {
    const Affine decode{d * found.scales[s], -dmin * found.mins[s]};
    affine_codes<HighCode>(codes + s * N, Weighted<N>{x + s * N, nullptr}, decode);
  }
}

template <class Block, int HighCode>
void quantize_scales_mins(void* out, const float* x, int64_t n, const float* importance) {
  const SuperAffineSearch search{
      .sub_blocks = {.shrink = HighCode == 15 ? 0.03f : 0.02f, .starts = 3, .refits = 2},
      .reach = 1,
      .rounds = 2};
  for_each_block<Block>(out, x, n, importance, [&](Block* block, const float* xs, const float* ws) {
    const auto found = search_super_affine<HighCode, 63, 32>(xs, ws, search);
    uint8_t codes[kSuperBlock];
    super_codes<HighCode>(codes, xs, found);
    block->d = found.d;
    block->dmin = found.dmin;
    pack_scales_mins(block->scales, found.scales, found.mins);
    pack_codes(block, codes);
  });
}

}  // namespace

void quantize_q2_k(void* out, const float* x, int64_t n, const float* importance) {
  const SuperAffineSearch search{
      .sub_blocks = {.shrink = 0.08f, .starts = 3, .refits = 3}, .reach = 1, .rounds = 2};
  for_each_block<BlockQ2_K>(
      out, x, n, importance, [&](BlockQ2_K* block, const float* xs, const float* ws) {
        const auto found = search_super_affine<3, 15, 16>(xs, ws, search);
        uint8_t codes[kSuperBlock];
        super_codes<3>(codes, xs, found);
        block->d = found.d;
        block->dmin = found.dmin;
        for (int s = 0; s < 16; ++s) {
          block->scales[s] = static_cast<uint8_t>(found.scales[s] | found.mins[s] << 4);
        }
        pack_codes(block, codes);
      });
}

void quantize_q3_k(void* out, const float* x, int64_t n, const float* importance) {
  const SuperScaleSearch search{
      .sub_blocks = {.first = 0.7f, .last = 1.2f, .steps = 7, .refits = 2},
      .reach = 1,
      .rounds = 2};
  for_each_block<BlockQ3_K>(
      out, x, n, importance, [&](BlockQ3_K* block, const float* xs, const float* ws) {
        using Grid = LinearGrid<-4, 3>;
        const auto found = search_super_scale<Grid, 16, -32, 31>(xs, ws, search);
        uint8_t codes[kSuperBlock];
        uint8_t scales[16];
        super_codes<Grid>(codes, xs, found);
        for (int s = 0; s < 16; ++s) scales[s] = static_cast<uint8_t>(found.scales[s] + 32);
        block->d = found.d;
        pack_scales_q3(block->scales, scales);
        pack_codes(block, codes);
      });
}

void quantize_q4_k(void* out, const float* x, int64_t n, const float* importance) {
  quantize_scales_mins<BlockQ4_K, 15>(out, x, n, importance);
}
void quantize_q5_k(void* out, const float* x, int64_t n, const float* importance) {
  quantize_scales_mins<BlockQ5_K, 31>(out, x, n, importance);
}

void quantize_q6_k(void* out, const float* x, int64_t n, const float* importance) {
  const SuperScaleSearch search{
      .sub_blocks = {.first = 0.85f, .last = 1.15f, .steps = 12, .refits = 2},
      .reach = 1,
      .rounds = 2};
  for_each_block<BlockQ6_K>(
      out, x, n, importance, [&](BlockQ6_K* block, const float* xs, const float* ws) {
        using Grid = LinearGrid<-32, 31>;
        const auto found = search_super_scale<Grid, 16, -128, 127>(xs, ws, search);
        uint8_t codes[kSuperBlock];
        super_codes<Grid>(codes, xs, found);
        for (int s = 0; s < 16; ++s) block->scales[s] = static_cast<int8_t>(found.scales[s]);
        block->d = found.d;
        pack_codes(block, codes);
      });
}

void quantize_iq4_xs(void* out, const float* x, int64_t n, const float* importance) {
  const SuperScaleSearch search{
      .sub_blocks = {.first = 0.75f, .last = 1.1f, .steps = 8, .refits = 2},
      .reach = 1,
      .rounds = 2};
  for_each_block<BlockIQ4_XS>(
      out, x, n, importance, [&](BlockIQ4_XS* block, const float* xs, const float* ws) {
        const auto found = search_super_scale<GridIq4nl, 32, -32, 31>(xs, ws, search);
        uint8_t codes[kSuperBlock];
        super_codes<GridIq4nl>(codes, xs, found);
        block->d = found.d;
        for (int s = 0; s < 8; ++s) {
          set_iq4_xs_scale(block, s, found.scales[s]);
          pack_nibbles(block->qs + 16 * s, codes + 32 * s);
        }
      });
}

}  // namespace jiang
