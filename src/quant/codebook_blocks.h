// Scales of the codebook formats, as numbers in and out of their blocks, and the codebooks as grids
// to search on.
#pragma once

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

// A codebook as CodebookGrid wants it. Of equal entries (MXFP4's two zeros) the first is used.
struct CodebookTable {
  float least = 0;
  std::array<float, 512> nearest{};
  std::array<uint8_t, 256> code_of{};

  explicit constexpr CodebookTable(const int8_t (&codebook)[16]) {
    for (int code = 15; code >= 0; --code) {
      code_of[static_cast<size_t>(codebook[code] + 128)] = static_cast<uint8_t>(code);
      if (codebook[code] < least) least = codebook[code];
    }
    for (int half = 0; half < 512; ++half) {
      const int quarters = 2 * half - 512 + 1;  // the middle of the half-unit, times 4
      int best = codebook[0];
      for (const int value : codebook) {
        const int distance = 4 * value - quarters, least_distance = 4 * best - quarters;
        if (distance * distance < least_distance * least_distance) best = value;
      }
      nearest[static_cast<size_t>(half)] = static_cast<float>(best);
    }
  }
};
inline constexpr CodebookTable kTableIq4nl(kCodebookIq4nl);
inline constexpr CodebookTable kTableMxfp4(kCodebookMxfp4);
using GridIq4nl = CodebookGrid<kTableIq4nl>;
using GridMxfp4 = CodebookGrid<kTableMxfp4>;

}  // namespace jiang
