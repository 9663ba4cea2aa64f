// Scales of the codebook formats, as numbers in and out of their blocks.
#pragma once

#include <bit>
#include <cstdint>

#include "kernels/blocks.h"

namespace jiang {

// Sub-block s of 8: -32 .. 31.
inline int iq4_xs_scale(const BlockIQ4_XS& block, int s) {
  const int low = block.scales_l[s / 2] >> (4 * (s % 2)) & 15;
  const int high = block.scales_h >> (2 * s) & 3;
  return (low | high << 4) - 32;
}

// 2^(e - 127) / 2, the half because the codebook holds doubled values. The two smallest are
// denormal floats.
inline float mxfp4_scale(uint8_t e) {
  return std::bit_cast<float>(e < 2 ? 0x00200000u << e : (e - 1u) << 23);
}

}  // namespace jiang
