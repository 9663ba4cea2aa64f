// Q4_0, Q4_1, Q5_0, Q5_1: 32 linear codes with one scale and, in the _1 kinds, one minimum.
// Codes as plain numbers, packed into and out of the blocks.
#pragma once

#include "quant/block_io.h"

namespace jiang {

// Bit j of `high` is bit 4 of code j.
inline void unpack_high_bits(uint8_t* codes, const uint8_t high[4]) {
  for (int j = 0; j < kSimpleBlock; ++j)
    codes[j] |= static_cast<uint8_t>((high[j / 8] >> (j % 8) & 1) << 4);
}
inline void pack_high_bits(uint8_t high[4], const uint8_t* codes) {
  std::memset(high, 0, 4);
  for (int j = 0; j < kSimpleBlock; ++j)
    high[j / 8] |= static_cast<uint8_t>((codes[j] >> 4 & 1) << (j % 8));
}

template <class Block>
void unpack_codes(uint8_t* codes, const Block& block) {
  unpack_nibbles(codes, block.qs);
  if constexpr (requires { block.qh; }) unpack_high_bits(codes, block.qh);
}
template <class Block>
void pack_codes(Block* block, const uint8_t* codes) {
  pack_nibbles(block->qs, codes);
  if constexpr (requires { block->qh; }) pack_high_bits(block->qh, codes);
}

}  // namespace jiang
