// K-quant super-blocks of 256 weights: their codes and sub-block scales as plain numbers, packed
// into and out of ggml's bit layouts. Code i belongs to weight i, scale s to sub-block s.
#pragma once

#include <cstdint>
#include <cstring>

#include "quant/block_io.h"

namespace jiang {

// Q4_K, Q5_K: eight 6-bit scales and eight 6-bit minima in 12 bytes. Bytes 0-3: scale s in the low
// six bits, the high two bits of scale s + 4 above; bytes 4-7 the same for minima; bytes 8-11: the
// low four bits of scale (low nibble) and minimum (high nibble) s + 4.
inline void unpack_scales_mins(uint8_t scales[8], uint8_t mins[8], const uint8_t packed[12]) {
  for (int s = 0; s < 4; ++s) {
    scales[s] = packed[s] & 63;
    mins[s] = packed[s + 4] & 63;
    scales[s + 4] = static_cast<uint8_t>((packed[s + 8] & 15) | (packed[s] >> 6) << 4);
    mins[s + 4] = static_cast<uint8_t>((packed[s + 8] >> 4) | (packed[s + 4] >> 6) << 4);
  }
}
inline void pack_scales_mins(uint8_t packed[12], const uint8_t scales[8], const uint8_t mins[8]) {
  for (int s = 0; s < 4; ++s) {
    packed[s] = static_cast<uint8_t>(scales[s] | (scales[s + 4] >> 4) << 6);
    packed[s + 4] = static_cast<uint8_t>(mins[s] | (mins[s + 4] >> 4) << 6);
    packed[s + 8] = static_cast<uint8_t>((scales[s + 4] & 15) | (mins[s + 4] & 15) << 4);
  }
}

// Q3_K: sixteen 6-bit scales in 12 bytes, low nibbles first, then the high two bits.
inline void unpack_scales_q3(uint8_t scales[16], const uint8_t packed[12]) {
  for (int s = 0; s < 16; ++s) {
    const int low = s < 8 ? packed[s] & 15 : packed[s - 8] >> 4;
    const int high = packed[8 + s % 4] >> (2 * (s / 4)) & 3;
    scales[s] = static_cast<uint8_t>(low | high << 4);
  }
}
inline void pack_scales_q3(uint8_t packed[12], const uint8_t scales[16]) {
  for (int s = 0; s < 8; ++s) {
    packed[s] = static_cast<uint8_t>((scales[s] & 15) | (scales[s + 8] & 15) << 4);
  }
  for (int s = 0; s < 4; ++s) {
    packed[8 + s] = static_cast<uint8_t>((scales[s] >> 4) | (scales[s + 4] >> 4) << 2 |
                                         (scales[s + 8] >> 4) << 4 | (scales[s + 12] >> 4) << 6);
  }
}

// Two-bit codes: byte l of half h holds weights 128 h + l + {0, 32, 64, 96} from its low bits up.
inline void unpack_pairs(uint8_t codes[256], const uint8_t packed[64]) {
  for (int half = 0; half < 2; ++half) {
    for (int part = 0; part < 4; ++part) {
      for (int l = 0; l < 32; ++l) {
        codes[128 * half + 32 * part + l] = packed[32 * half + l] >> (2 * part) & 3;
      }
    }
  }
}
inline void pack_pairs(uint8_t packed[64], const uint8_t codes[256]) {
  for (int half = 0; half < 2; ++half) {
    const uint8_t* c = codes + 128 * half;
    for (int l = 0; l < 32; ++l) {
      packed[32 * half + l] = static_cast<uint8_t>((c[l] & 3) | (c[l + 32] & 3) << 2 |
                                                   (c[l + 64] & 3) << 4 | (c[l + 96] & 3) << 6);
    }
  }
}

// One-bit planes: bit k of byte l belongs to weight 32 k + l.
inline uint8_t plane_bit(const uint8_t packed[32], int weight) {
  return packed[weight % 32] >> (weight / 32) & 1;
}
inline void pack_plane(uint8_t packed[32], const uint8_t bits[256]) {
  std::memset(packed, 0, 32);
  for (int i = 0; i < 256; ++i) packed[i % 32] |= static_cast<uint8_t>((bits[i] & 1) << (i / 32));
}

// Four-bit codes: 64 weights share 32 bytes, the first 32 in the low nibbles.
inline void unpack_long_nibbles(uint8_t codes[256], const uint8_t packed[128]) {
  for (int i = 0; i < 256; i += 64, packed += 32) {
    for (int l = 0; l < 32; ++l) {
      codes[i + l] = packed[l] & 15;
      codes[i + l + 32] = packed[l] >> 4;
    }
  }
}
inline void pack_long_nibbles(uint8_t packed[128], const uint8_t codes[256]) {
  for (int i = 0; i < 256; i += 64, packed += 32) {
    for (int l = 0; l < 32; ++l) {
      packed[l] = static_cast<uint8_t>((codes[i + l] & 15) | (codes[i + l + 32] & 15) << 4);
    }
  }
}

inline void unpack_codes(uint8_t codes[256], const BlockQ2_K& block) {
  unpack_pairs(codes, block.qs);
}
inline void pack_codes(BlockQ2_K* block, const uint8_t codes[256]) { pack_pairs(block->qs, codes); }

// Q3_K codes are 0 .. 7, standing for -4 .. 3; the plane holds bit 2.
inline void unpack_codes(uint8_t codes[256], const BlockQ3_K& block) {
  unpack_pairs(codes, block.qs);
  for (int i = 0; i < 256; ++i) codes[i] |= static_cast<uint8_t>(plane_bit(block.hmask, i) << 2);
}
inline void pack_codes(BlockQ3_K* block, const uint8_t codes[256]) {
  uint8_t high[256];
  for (int i = 0; i < 256; ++i) high[i] = codes[i] >> 2;
  pack_pairs(block->qs, codes);
  pack_plane(block->hmask, high);
}

inline void unpack_codes(uint8_t codes[256], const BlockQ4_K& block) {
  unpack_long_nibbles(codes, block.qs);
}
inline void pack_codes(BlockQ4_K* block, const uint8_t codes[256]) {
  pack_long_nibbles(block->qs, codes);
}

inline void unpack_codes(uint8_t codes[256], const BlockQ5_K& block) {
  unpack_long_nibbles(codes, block.qs);
  for (int i = 0; i < 256; ++i) codes[i] |= static_cast<uint8_t>(plane_bit(block.qh, i) << 4);
}
inline void pack_codes(BlockQ5_K* block, const uint8_t codes[256]) {
  uint8_t high[256];
  for (int i = 0; i < 256; ++i) high[i] = codes[i] >> 4;
  pack_long_nibbles(block->qs, codes);
  pack_plane(block->qh, high);
}

// Q6_K codes are 0 .. 63, standing for -32 .. 31. Of each half of 128 weights, weights l and l + 64
// share a byte of ql (l < 64), and qh holds the high pairs as in unpack_pairs.
inline void unpack_codes(uint8_t codes[256], const BlockQ6_K& block) {
  unpack_pairs(codes, block.qh);
  for (int half = 0; half < 2; ++half) {
    uint8_t* c = codes + 128 * half;
    const uint8_t* low = block.ql + 64 * half;
    for (int l = 0; l < 64; ++l) {
      c[l] = static_cast<uint8_t>(c[l] << 4 | (low[l] & 15));
      c[l + 64] = static_cast<uint8_t>(c[l + 64] << 4 | low[l] >> 4);
    }
  }
}
inline void pack_codes(BlockQ6_K* block, const uint8_t codes[256]) {
  uint8_t high[256];
  for (int i = 0; i < 256; ++i) high[i] = codes[i] >> 4;
  pack_pairs(block->qh, high);
  for (int half = 0; half < 2; ++half) {
    const uint8_t* c = codes + 128 * half;
    for (int l = 0; l < 64; ++l) {
      block->ql[64 * half + l] = static_cast<uint8_t>((c[l] & 15) | (c[l + 64] & 15) << 4);
    }
  }
}

}  // namespace jiang
