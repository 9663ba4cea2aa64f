// Blocks of the integer formats as one kind of numbers, whatever their bit layout:
//
//   x = d * scale[s] * grid(code) - dmin * min[s]
//
// Each Layout says how to read and write its block, which numbers its scales and minima can be, and
// what its codes stand for. For the search that lets columns make up for each other (compensate.h).
#pragma once

#include <algorithm>
#include <cmath>
#include <type_traits>

#include "quant/block_io.h"
#include "quant/codebook_blocks.h"
#include "quant/k_blocks.h"
#include "quant/linear_blocks.h"

namespace jiang {

struct BlockView {
  float d = 0, dmin = 0;  // numbers that f16 holds
  int scales[16] = {};    // by sub-block
  int mins[16] = {};
  uint8_t codes[kSuperBlock] = {};
};

// Codes 0 .. kCodes - 1 stand for code - kZero.
template <int kCodes, int kZero>
struct EvenSteps {
  static float grid(int code) { return static_cast<float>(code - kZero); }
  static int nearest(float v) {
    return static_cast<int>(std::lrint(std::clamp(v + kZero, 0.0f, kCodes - 1.0f)));
  }
};
struct Iq4nlSteps {
  static float grid(int code) { return kCodebookIq4nl[code]; }
  static int nearest(float v) {
    const int half = static_cast<int>(std::clamp(v * 2 + 256, 0.0f, 511.0f));
    const float value = kTableIq4nl.nearest[static_cast<size_t>(half)];
    return kTableIq4nl.code_of[static_cast<size_t>(static_cast<int>(value) + 128)];
  }
};

// ---- 32 weights, one scale and perhaps a minimum, both f16 ----

template <class B, class Steps>
struct SimpleLayout : Steps {
  using Block = B;
  static constexpr int kBlock = kSimpleBlock, kSub = kSimpleBlock;
  static constexpr int kLeastScale = 1, kMostScale = 1;
  static constexpr bool kHasMin = requires(B block) { block.m; };
  static constexpr int kLeastMin = kHasMin ? 1 : 0, kMostMin = kLeastMin;
  static constexpr bool kMinMayBeNegative = true;

  static void read(BlockView* view, const Block& block) {
    view->d = f16_to_f32(block.d);
    view->scales[0] = 1;
    if constexpr (kHasMin) {
      view->dmin = -f16_to_f32(block.m);
      view->mins[0] = 1;
    }
    unpack_codes(view->codes, block);
  }
  static void write(Block* block, const BlockView& view) {
    block->d = f32_to_f16(view.d);
    if constexpr (kHasMin) block->m = f32_to_f16(-view.dmin);
    pack_codes(block, view.codes);
  }
};
using LayoutQ4_0 = SimpleLayout<BlockQ4_0, EvenSteps<16, 8>>;
using LayoutQ4_1 = SimpleLayout<BlockQ4_1, EvenSteps<16, 0>>;
using LayoutQ5_0 = SimpleLayout<BlockQ5_0, EvenSteps<32, 16>>;
using LayoutQ5_1 = SimpleLayout<BlockQ5_1, EvenSteps<32, 0>>;
using LayoutIQ4_NL = SimpleLayout<BlockIQ4_NL, Iq4nlSteps>;

// ---- 256 weights ----

struct LayoutQ2_K : EvenSteps<4, 0> {
  using Block = BlockQ2_K;
  static constexpr int kBlock = kSuperBlock, kSub = 16;
  static constexpr int kLeastScale = 0, kMostScale = 15, kLeastMin = 0, kMostMin = 15;
  static constexpr bool kMinMayBeNegative = false;

  static void read(BlockView* view, const Block& block) {
    view->d = f16_to_f32(block.d);
    view->dmin = f16_to_f32(block.dmin);
    for (int s = 0; s < 16; ++s) {
      view->scales[s] = block.scales[s] & 15;
      view->mins[s] = block.scales[s] >> 4;
    }
    unpack_codes(view->codes, block);
  }
  static void write(Block* block, const BlockView& view) {
    block->d = f32_to_f16(view.d);
    block->dmin = f32_to_f16(view.dmin);
    for (int s = 0; s < 16; ++s)
      block->scales[s] = static_cast<uint8_t>(view.scales[s] | view.mins[s] << 4);
    pack_codes(block, view.codes);
  }
};

struct LayoutQ3_K : EvenSteps<8, 4> {
  using Block = BlockQ3_K;
  static constexpr int kBlock = kSuperBlock, kSub = 16;
  static constexpr int kLeastScale = -32, kMostScale = 31, kLeastMin = 0, kMostMin = 0;
  static constexpr bool kMinMayBeNegative = false;

  static void read(BlockView* view, const Block& block) {
    uint8_t scales[16];
    unpack_scales_q3(scales, block.scales);
    view->d = f16_to_f32(block.d);
    for (int s = 0; s < 16; ++s) view->scales[s] = scales[s] - 32;
    unpack_codes(view->codes, block);
  }
  static void write(Block* block, const BlockView& view) {
    uint8_t scales[16];
    for (int s = 0; s < 16; ++s) scales[s] = static_cast<uint8_t>(view.scales[s] + 32);
    block->d = f32_to_f16(view.d);
    pack_scales_q3(block->scales, scales);
    pack_codes(block, view.codes);
  }
};

template <class B, int kCodes>
struct LayoutScalesMins : EvenSteps<kCodes, 0> {
  using Block = B;
  static constexpr int kBlock = kSuperBlock, kSub = 32;
  static constexpr int kLeastScale = 0, kMostScale = 63, kLeastMin = 0, kMostMin = 63;
  static constexpr bool kMinMayBeNegative = false;

  static void read(BlockView* view, const Block& block) {
    uint8_t scales[8], mins[8];
    unpack_scales_mins(scales, mins, block.scales);
    view->d = f16_to_f32(block.d);
    view->dmin = f16_to_f32(block.dmin);
    std::copy(scales, scales + 8, view->scales);
    std::copy(mins, mins + 8, view->mins);
    unpack_codes(view->codes, block);
  }
  static void write(Block* block, const BlockView& view) {
    uint8_t scales[8], mins[8];
    for (int s = 0; s < 8; ++s) {
      scales[s] = static_cast<uint8_t>(view.scales[s]);
      mins[s] = static_cast<uint8_t>(view.mins[s]);
    }
    block->d = f32_to_f16(view.d);
    block->dmin = f32_to_f16(view.dmin);
    pack_scales_mins(block->scales, scales, mins);
    pack_codes(block, view.codes);
  }
};
using LayoutQ4_K = LayoutScalesMins<BlockQ4_K, 16>;
using LayoutQ5_K = LayoutScalesMins<BlockQ5_K, 32>;

struct LayoutQ6_K : EvenSteps<64, 32> {
  using Block = BlockQ6_K;
  static constexpr int kBlock = kSuperBlock, kSub = 16;
  static constexpr int kLeastScale = -128, kMostScale = 127, kLeastMin = 0, kMostMin = 0;
  static constexpr bool kMinMayBeNegative = false;

  static void read(BlockView* view, const Block& block) {
    view->d = f16_to_f32(block.d);
    std::copy(block.scales, block.scales + 16, view->scales);
    unpack_codes(view->codes, block);
  }
  static void write(Block* block, const BlockView& view) {
    block->d = f32_to_f16(view.d);
    for (int s = 0; s < 16; ++s) block->scales[s] = static_cast<int8_t>(view.scales[s]);
    pack_codes(block, view.codes);
  }
};

struct LayoutIQ4_XS : Iq4nlSteps {
  using Block = BlockIQ4_XS;
  static constexpr int kBlock = kSuperBlock, kSub = 32;
  static constexpr int kLeastScale = -32, kMostScale = 31, kLeastMin = 0, kMostMin = 0;
  static constexpr bool kMinMayBeNegative = false;

  static void read(BlockView* view, const Block& block) {
    view->d = f16_to_f32(block.d);
    for (int s = 0; s < 8; ++s) {
      view->scales[s] = iq4_xs_scale(block, s);
      unpack_nibbles(view->codes + 32 * s, block.qs + 16 * s);
    }
  }
  static void write(Block* block, const BlockView& view) {
    *block = {};
    block->d = f32_to_f16(view.d);
    for (int s = 0; s < 8; ++s) {
      set_iq4_xs_scale(block, s, view.scales[s]);
      pack_nibbles(block->qs + 16 * s, view.codes + 32 * s);
    }
  }
};

}  // namespace jiang
