// The bytes of every weight format, as GGUF files hold them (ggml's block layouts). Plain data,
// little-endian; f16 scales are raw uint16_t. Kernels, quantisers and readers share these structs.
#pragma once

#include <stdint.h>

namespace jiang {

typedef uint16_t f16_bits;  // IEEE 754 binary16

// 32 weights a block. d: scale, m: minimum.
struct BlockQ4_0 {
  f16_bits d;
  uint8_t qs[16];
};  // (q - 8) * d; byte j: q[j] low, q[j+16] high
struct BlockQ4_1 {
  f16_bits d, m;
  uint8_t qs[16];
};  // q * d + m
struct BlockQ5_0 {
  f16_bits d;
  uint8_t qh[4];
  uint8_t qs[16];
};  // (q - 16) * d; bit j of qh is bit 4 of q[j]
struct BlockQ5_1 {
  f16_bits d, m;
  uint8_t qh[4];
  uint8_t qs[16];
};  // q * d + m
struct BlockQ8_0 {
  f16_bits d;
  int8_t qs[32];
};  // q * d
struct BlockIQ4_NL {
  f16_bits d;
  uint8_t qs[16];
};  // kCodebookIq4nl[q] * d
struct BlockMXFP4 {
  uint8_t e;
  uint8_t qs[16];
};  // kCodebookMxfp4[q] * 2^(e - 127) / 2

// 256 weights a super-block, sub-blocks of 16 or 32 with small integer scales.
struct BlockQ2_K {
  uint8_t scales[16];
  uint8_t qs[64];
  f16_bits d, dmin;
};  // low nibble scale, high nibble min, 16 x 16
struct BlockQ3_K {
  uint8_t hmask[32];
  uint8_t qs[64];
  uint8_t scales[12];
  f16_bits d;
};  // 6-bit scales - 32, 16 x 16
struct BlockQ4_K {
  f16_bits d, dmin;
  uint8_t scales[12];
  uint8_t qs[128];
};  // 6-bit scales and mins, 8 x 32
struct BlockQ5_K {
  f16_bits d, dmin;
  uint8_t scales[12];
  uint8_t qh[32];
  uint8_t qs[128];
};
struct BlockQ6_K {
  uint8_t ql[128];
  uint8_t qh[64];
  int8_t scales[16];
  f16_bits d;
};  // 16 x 16
struct BlockIQ4_XS {
  f16_bits d;
  uint16_t scales_h;
  uint8_t scales_l[4];
  uint8_t qs[128];
};  // 6-bit scales - 32, 8 x 32

static_assert(sizeof(BlockQ4_0) == 18 && sizeof(BlockQ4_1) == 20 && sizeof(BlockQ5_0) == 22, "");
static_assert(sizeof(BlockQ5_1) == 24 && sizeof(BlockQ8_0) == 34 && sizeof(BlockIQ4_NL) == 18, "");
static_assert(sizeof(BlockMXFP4) == 17 && sizeof(BlockQ2_K) == 84 && sizeof(BlockQ3_K) == 110, "");
static_assert(sizeof(BlockQ4_K) == 144 && sizeof(BlockQ5_K) == 176 && sizeof(BlockQ6_K) == 210, "");
static_assert(sizeof(BlockIQ4_XS) == 136, "");

// The non-linear 4-bit codebook of IQ4_NL and IQ4_XS: denser near zero, where weights are.
static constexpr int8_t kCodebookIq4nl[16] = {-127, -104, -83, -65, -49, -35, -22, -10,
                                              1,    13,   25,  38,  53,  69,  89,  113};
// E2M1 values times two (OCP MX 1.0): 0 .5 1 1.5 2 3 4 6 and their negatives.
static constexpr int8_t kCodebookMxfp4[16] = {0, 1,  2,  3,  4,  6,  8,  12,
                                              0, -1, -2, -3, -4, -6, -8, -12};

}  // namespace jiang
