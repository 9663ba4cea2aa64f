// The packed layout of weights, one for every ISA level, and the form of the activations that meet
// them. Plain data and compile-time arithmetic only: ISA files include this, so every function is
// static (a shared inline function compiled with AVX flags could be linked into baseline code).
//
// A matrix is cut into panels of 16 output rows, because 16 is the dword lanes of a zmm register:
// a lane is a row, so no kernel ever sums across lanes. A panel runs through all of k:
//
//   float kinds   element (k, row) at k * 16 + row
//   integer kinds groups of 256 k (8 blocks of 32; the last group of a 32-block format may have
//                 fewer): first the header with the scales of all blocks, padded to 64 bytes, then
//                 the codes of each block in turn.
//
// Codes come in 64-byte lines; bytes 4 r .. 4 r + 3 of a line belong to row r, the operand of a
// four-way dot product:
//
//   8-bit  line s (0..7): byte j of a row is k = 4 s + j
//   4-bit  line n (0..3): byte j holds k = 8 n + j in its low and k = 8 n + 4 + j in its high
//   nibble 6-bit  4 lines of low nibbles as above, then line h (0..1): bits 2 i, 2 i + 1 of byte j
//   are the
//          high bits of k = 16 h + 4 i + j
#pragma once

#include <stdint.h>

namespace jiang::kernels {

static constexpr int kPanelRows = 16;
static constexpr int kTileTokens = 16;  // activations are stored in tiles of this many rows
static constexpr int kBlock = 32;       // k per activation scale
static constexpr int kGroupBlocks = 8;  // blocks per group
static constexpr int kLineBytes = 64;

// Named after the format whose weights the layout holds exactly; q8_0 also takes q5_0.
enum class Packed : uint8_t {
  f32,
  f16,
  bf16,
  q4_0,    // 4-bit, value = (code - 8) d
  q4_1,    // 4-bit, value = code d + m
  iq4_nl,  // 4-bit, value = codebook[code] d
  mxfp4,   // the same with its own codebook; d is a bf16
  q4_k,    // 4-bit, value = code (d sc) - dmin mn
  iq4_xs,  // 4-bit, value = codebook[code] (d sc)
  q6_k,    // 6-bit, value = (code - 32) (d sc), a scale per 16
  q8_0,    // 8-bit, value = (code - 128) d
  q5_1,    // 8-bit, codes 0..31, value = code d + m
  q5_k,    // 8-bit, codes 0..31, value = code (d sc) - dmin mn
  q3_k,    // 8-bit, codes 0..63, value = (code - 32) (d sc), a scale per 16
  q2_k,    // 8-bit, codes 0..3, value = code (d sc) - dmin mn, a scale and a minimum per 16
};
static constexpr int kPackedCount = 15;

// The header of a group of n blocks. All arrays are indexed by row last: [...][16].
enum class Scales : uint8_t {
  none,
  f16,      // f16 d[n][16]
  f16_min,  // f16 {d, m}[n][2][16]
  bf16,     // bf16 d[n][16]
  k32,      // f16 d[16]; int8 sc[8][16]
  k32_min,  // f16 d[16], dmin[16]; uint8 sc[8][16], mn[8][16]
  k16,      // f16 d[16]; int8 sc[16][16]
  k16_min,  // f16 d[16], dmin[16]; uint8 sc[16][16], mn[16][16]
};

static constexpr Scales scales_of(Packed kind) {
  switch (kind) {
    case Packed::q4_0:
    case Packed::iq4_nl:
    case Packed::q8_0:
      return Scales::f16;
    case Packed::q4_1:
    case Packed::q5_1:
      return Scales::f16_min;
    case Packed::mxfp4:
      return Scales::bf16;
    case Packed::iq4_xs:
      return Scales::k32;
    case Packed::q4_k:
    case Packed::q5_k:
      return Scales::k32_min;
    case Packed::q6_k:
    case Packed::q3_k:
      return Scales::k16;
    case Packed::q2_k:
      return Scales::k16_min;
    default:
      return Scales::none;
  }
}

// Lines of codes per block of 16 rows x 32 k.
static constexpr int code_lines(Packed kind) {
  switch (kind) {
    case Packed::q4_0:
    case Packed::q4_1:
    case Packed::iq4_nl:
    case Packed::mxfp4:
    case Packed::q4_k:
    case Packed::iq4_xs:
      return 4;
    case Packed::q6_k:
      return 6;
    default:
      return 8;
  }
}

// Largest code of the 8-bit layouts.
static constexpr int largest_code(Packed kind) {
  switch (kind) {
    case Packed::q5_1:
    case Packed::q5_k:
      return 31;
    case Packed::q3_k:
      return 63;
    case Packed::q2_k:
      return 3;
    default:
      return 255;
  }
}

static constexpr bool is_float_kind(Packed kind) { return kind <= Packed::bf16; }

static constexpr int64_t header_bytes(Scales scales, int64_t n_blocks) {
  switch (scales) {
    case Scales::f16:
    case Scales::bf16:
      return (n_blocks + 1) / 2 * 64;
    case Scales::f16_min:
      return n_blocks * 64;
    case Scales::k32:
      return 192;  // 32 + 128, padded
    case Scales::k32_min:
      return 320;  // 64 + 2 * 128
    case Scales::k16:
      return 320;  // 32 + 256, padded
    case Scales::k16_min:
      return 576;  // 64 + 2 * 256
    default:
      return 0;
  }
}

static constexpr int64_t panel_bytes(Packed kind, int64_t cols) {
  if (kind == Packed::f32) return cols * kPanelRows * 4;
  if (is_float_kind(kind)) return cols * kPanelRows * 2;
  const int64_t blocks = cols / kBlock, groups = blocks / kGroupBlocks,
                rest = blocks % kGroupBlocks;
  const int64_t codes = blocks * code_lines(kind) * kLineBytes;
  return codes + groups * header_bytes(scales_of(kind), kGroupBlocks) +
         (rest ? header_bytes(scales_of(kind), rest) : 0);
}

// 32 activations of one token as int8 (|q| <= 127), with what every format needs of them, so that
// one preparation serves projections of different formats. x ~ scale * q. A tile of n <= 16 tokens
// is stored (cols / 32, n); tiles follow each other.
//
// A block with a NaN or an infinity gets q = 0 and scale = NaN, so that the result says so; a block
// whose largest magnitude is below 2^-100 is taken as zero.
struct ActivationBlock {
  float scale;
  float sum, sum_lo, sum_hi;  // scale * (sum of q): all 32, the first 16, the last 16
  int32_t minus_8;            // -8 * sum of q: codes are unsigned, the offset is taken back here
  int32_t minus_128;
  int32_t minus_32_lo, minus_32_hi;  // of each half
  int8_t q[32];
};
static_assert(sizeof(ActivationBlock) == 64, "");

}  // namespace jiang::kernels
