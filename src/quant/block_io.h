// Blocks lie unaligned in mapped files: they are copied in and out, never cast to.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>

#include "kernels/blocks.h"
#include "quant/float16.h"

namespace jiang {

inline constexpr int kSimpleBlock = 32;  // weights of a simple block
inline constexpr int kSuperBlock = 256;  // weights of a K-quant super-block

template <class Block>
Block load_block(const void* blocks, int64_t i) {
  Block block;
  std::memcpy(&block, static_cast<const unsigned char*>(blocks) + i * sizeof(Block), sizeof(Block));
  return block;
}

template <class Block>
void store_block(void* blocks, int64_t i, const Block& block) {
  std::memcpy(static_cast<unsigned char*>(blocks) + i * sizeof(Block), &block, sizeof(Block));
}

// A scale as f16. One that is not zero does not become zero: codes can still be exact multiples of
// the smallest f16.
inline uint16_t scale_to_f16(float scale) {
  if (scale == 0) return 0;
  const uint16_t bits = f32_to_f16(std::fmin(std::fmax(scale, -65504.0f), 65504.0f));
  return bits & 0x7fff ? bits : static_cast<uint16_t>(bits | 1);
}

// 32 four-bit codes: byte j holds code j low and code j + 16 high.
inline void unpack_nibbles(uint8_t* codes, const uint8_t* packed) {
  for (int j = 0; j < kSimpleBlock / 2; ++j) {
    codes[j] = packed[j] & 15;
    codes[j + kSimpleBlock / 2] = packed[j] >> 4;
  }
}
inline void pack_nibbles(uint8_t* packed, const uint8_t* codes) {
  for (int j = 0; j < kSimpleBlock / 2; ++j) {
    packed[j] = static_cast<uint8_t>((codes[j] & 15) | (codes[j + kSimpleBlock / 2] & 15) << 4);
  }
}

}  // namespace jiang
