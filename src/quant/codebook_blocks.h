// Scales of the codebook formats, as numbers in and out of their blocks, and the codebooks as grids
// to search on.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>

#include "kernels/blocks.h"
#include "quant/search.h"

namespace jiang {

// Sub-block s of 8: -32 .. 31.
inline int iq4_xs_scale(const BlockIQ4_XS& block, int s) {
  const int low = block.scales_l[s / 2] >> (4 * (s % 2)) & 15;
  const int high = block.scales_h >> (2 * s) & 3;
  return (low | high << 4) - 32;
}

inline void set_iq4_xs_scale(BlockIQ4_XS* block, int s, int scale) {
  const int bits = scale + 32;
  block->scales_l[s / 2] =
      static_cast<uint8_t>(block->scales_l[s / 2] | (bits & 15) << 4 * (s % 2));
  block->scales_h = static_cast<uint16_t>(block->scales_h | (bits >> 4) << (2 * s));
}

// 2^(e - 127) / 2, the half because the codebook holds doubled values. The two smallest are
// denormal floats.
inline float mxfp4_scale(uint8_t e) {
  return std::bit_cast<float>(e < 2 ? 0x00200000u << e : (e - 1u) << 23);
}

// A codebook of 16 entries as CodebookGrid wants it. Equal entries (MXFP4's two zeros) count once.
struct CodebookTable {
  static constexpr int kSize = 16;
  std::array<float, kSize> values{};       // ascending
  std::array<float, kSize - 1> middles{};  // between neighbours
  std::array<uint8_t, 256> code_of{};      // by value + 128

  explicit constexpr CodebookTable(const int8_t (&codebook)[kSize]) {
    for (int code = kSize - 1; code >= 0; --code) {
      values[static_cast<size_t>(code)] = codebook[code];
      code_of[static_cast<size_t>(codebook[code] + 128)] = static_cast<uint8_t>(code);
    }
    std::sort(values.begin(), values.end());
    for (size_t k = 0; k + 1 < kSize; ++k) middles[k] = (values[k] + values[k + 1]) / 2;
  }
};
inline constexpr CodebookTable kTableIq4nl(kCodebookIq4nl);
inline constexpr CodebookTable kTableMxfp4(kCodebookMxfp4);
using GridIq4nl = CodebookGrid<kTableIq4nl>;
using GridMxfp4 = CodebookGrid<kTableMxfp4>;

}  // namespace jiang
