// The scalar level: complete for every packed layout, and the definition of what the others
// compute.
#include <assert.h>
#include <math.h>
#include <string.h>

#include "kernels/blocks.h"
#include "kernels/table.h"

namespace jiang::kernels {
namespace {

float bits_to_float(uint32_t bits) {
  float value;
  memcpy(&value, &bits, sizeof value);
  return value;
}

uint32_t float_to_bits(float value) {
  uint32_t bits;
  memcpy(&bits, &value, sizeof bits);
  return bits;
}

float f16_to_f32(uint16_t half) {
  const uint32_t sign = static_cast<uint32_t>(half & 0x8000) << 16;
  const uint32_t magnitude = half & 0x7fff;
  if (magnitude >= 0x7c00) return bits_to_float(sign | 0x7f800000 | (magnitude & 0x3ff) << 13);
  if (magnitude >= 0x0400) return bits_to_float(sign | ((magnitude << 13) + 0x38000000));
  // Subnormal: magnitude * 2^-24, exact in f32.
  return bits_to_float(sign | float_to_bits(static_cast<float>(magnitude) * 0x1p-24f));
}

float bf16_to_f32(uint16_t bits) { return bits_to_float(static_cast<uint32_t>(bits) << 16); }

template <class T>
T load(const uint8_t* from, int64_t index) {
  T value;
  memcpy(&value, from + index * static_cast<int64_t>(sizeof(T)), sizeof value);
  return value;
}

// Four lanes of a vector register, which every compiler maps to SSE2 or NEON. May stand for any
// memory of floats or bytes.
typedef float Floats __attribute__((vector_size(16), may_alias));
typedef int32_t Ints __attribute__((vector_size(16), may_alias));

// A number for each row of a panel.
struct Rows {
  Floats of[4];
};

Rows load_rows(const float* from, size_t n) {
  Rows rows = {};
  memcpy(&rows, from, n * sizeof(float));
  return rows;
}

// start + w[0] x[0] + w[1] x[stride] + ..., one product after the other.
template <class X>
__attribute__((always_inline)) inline Rows sum_products(const Rows& start, const Rows* w,
                                                        const X* x, int64_t stride, int64_t n) {
  Floats a = start.of[0], b = start.of[1], c = start.of[2], d = start.of[3];
  for (int64_t k = 0; k < n; ++k) {
    const float factor = static_cast<float>(x[k * stride]);
    a += w[k].of[0] * factor;
    b += w[k].of[1] * factor;
    c += w[k].of[2] * factor;
    d += w[k].of[3] * factor;
  }
  return {{a, b, c, d}};
}

// The sums of one panel.
struct Sums {
  Rows of[kTileTokens];
  size_t n_rows;

  Sums(const MatmulTile* tile, int64_t row) {
    const int64_t left = tile->n_rows - row;
    n_rows = static_cast<size_t>(left < kPanelRows ? left : kPanelRows);
    for (int t = 0; t < tile->n_tokens; ++t) {
      of[t] = load_rows(tile->out + t * tile->out_stride + row, tile->resume ? n_rows : 0);
    }
  }
  void store(const MatmulTile* tile, int64_t row) const {
    for (int t = 0; t < tile->n_tokens; ++t) {
      memcpy(tile->out + t * tile->out_stride + row, &of[t], n_rows * sizeof(float));
    }
  }
};

// ---- float kinds

template <Packed kind>
void unpack_floats(Rows* w, const uint8_t* panel, int64_t first, int64_t n) {
  for (int64_t k = 0; k < n; ++k) {
    const int64_t at = (first + k) * kPanelRows;
    if constexpr (kind == Packed::f32) {
      memcpy(&w[k], panel + at * 4, sizeof(Rows));
      continue;
    }
    float values[kPanelRows];
    for (int r = 0; r < kPanelRows; ++r) {
      const auto bits = load<uint16_t>(panel, at + r);
      values[r] = kind == Packed::f16 ? f16_to_f32(bits) : bf16_to_f32(bits);
    }
    memcpy(&w[k], values, sizeof values);
  }
}

template <Packed kind>
void matmul_float(const MatmulTile* tile) {
  const auto* panel = static_cast<const uint8_t*>(tile->panels);
  const int n_tokens = tile->n_tokens;
  for (int64_t row = 0; row < tile->n_rows; row += kPanelRows, panel += tile->panel_bytes) {
    Sums acc(tile, row);
    for (int64_t first = 0; first < tile->cols; first += kBlock) {
      const int64_t left = tile->cols - first, n = left < kBlock ? left : kBlock;
      const float* x = static_cast<const float*>(tile->x) + first * n_tokens;
      Rows w[kBlock];
      unpack_floats<kind>(w, panel, first, n);
      for (int t = 0; t < n_tokens; ++t) {
        acc.of[t] = sum_products(acc.of[t], w, x + t, n_tokens, n);
      }
    }
    acc.store(tile, row);
  }
}

// ---- integer kinds
//
// Dot products of a block are sums of integers below 2^24: float arithmetic on them is exact, and
// baseline x86 has no better multiplication of four lanes.

// One block of 16 rows x 32 k, spelled out. Kinds with one scale per 32 leave [1] unused.
struct Unpacked {
  Rows code[kBlock];  // as signed numbers: offsets taken off, codebooks looked up
  float d[2][kPanelRows];
  float m[2][kPanelRows];
};

static constexpr int code_offset(Packed kind) {
  switch (kind) {
    case Packed::q4_0:
      return 8;
    case Packed::q8_0:
      return 128;
    case Packed::q6_k:
    case Packed::q3_k:
      return 32;
    default:
      return 0;
  }
}

// Four rows: their dwords of a line, as lanes. Byte j of a lane is bits 8 j .. 8 j + 7.
Ints load_lanes(const uint8_t* codes, int line, int quarter) {
  Ints lanes;
  memcpy(&lanes, codes + line * kLineBytes + quarter * 16, sizeof lanes);
  return lanes;
}

template <Packed kind>
Floats to_values(Ints codes) {
  if constexpr (kind == Packed::iq4_nl || kind == Packed::iq4_xs || kind == Packed::mxfp4) {
    const int8_t* book = kind == Packed::mxfp4 ? kCodebookMxfp4 : kCodebookIq4nl;
    const Ints values = {book[codes[0]], book[codes[1]], book[codes[2]], book[codes[3]]};
    return __builtin_convertvector(values, Floats);
  }
  return __builtin_convertvector(codes - code_offset(kind), Floats);
}

template <Packed kind>
void unpack_codes(Unpacked& out, const uint8_t* codes) {
  for (int quarter = 0; quarter < 4; ++quarter) {
    for (int s = 0; s < kBlock / 4; ++s) {  // k = 4 s .. 4 s + 3
      Ints high = {};
      if constexpr (code_lines(kind) == 6)
        high = load_lanes(codes, 4 + s / 4, quarter) >> 2 * (s % 4);
      const Ints low = code_lines(kind) == 8 ? load_lanes(codes, s, quarter)
                                             : load_lanes(codes, s / 2, quarter) >> 4 * (s % 2);
      for (int j = 0; j < 4; ++j) {
        Ints code = low >> 8 * j & (code_lines(kind) == 8 ? 255 : 15);
        if constexpr (code_lines(kind) == 6) code |= (high >> 8 * j & 3) << 4;
        out.code[4 * s + j].of[quarter] = to_values<kind>(code);
      }
    }
  }
}

// Scales of block b of a group. The products are exact: 11 bits times at most 8.
template <Packed kind>
void unpack_scales(Unpacked& out, const uint8_t* header, int b) {
  constexpr Scales scales = scales_of(kind);
  for (int r = 0; r < kPanelRows; ++r) {
    if constexpr (scales == Scales::f16)
      out.d[0][r] = f16_to_f32(load<uint16_t>(header, b * 16 + r));
    if constexpr (scales == Scales::bf16)
      out.d[0][r] = bf16_to_f32(load<uint16_t>(header, b * 16 + r));
    if constexpr (scales == Scales::f16_min) {
      out.d[0][r] = f16_to_f32(load<uint16_t>(header, b * 32 + r));
      out.m[0][r] = f16_to_f32(load<uint16_t>(header, b * 32 + 16 + r));
    }
    if constexpr (scales == Scales::k32) {
      out.d[0][r] = f16_to_f32(load<uint16_t>(header, r)) * load<int8_t>(header + 32, b * 16 + r);
    }
    if constexpr (scales == Scales::k32_min) {
      out.d[0][r] = f16_to_f32(load<uint16_t>(header, r)) * load<uint8_t>(header + 64, b * 16 + r);
      out.m[0][r] =
          -(f16_to_f32(load<uint16_t>(header, 16 + r)) * load<uint8_t>(header + 192, b * 16 + r));
    }
    for (int half = 0; half < 2; ++half) {
      const int i = (2 * b + half) * 16 + r;
      if constexpr (scales == Scales::k16) {
        out.d[half][r] = f16_to_f32(load<uint16_t>(header, r)) * load<int8_t>(header + 32, i);
      }
      if constexpr (scales == Scales::k16_min) {
        out.d[half][r] = f16_to_f32(load<uint16_t>(header, r)) * load<uint8_t>(header + 64, i);
        out.m[half][r] =
            -(f16_to_f32(load<uint16_t>(header, 16 + r)) * load<uint8_t>(header + 320, i));
      }
    }
  }
}

// acc = fma(factors * scale, d, acc)
void accumulate(Rows& acc, const Rows& factors, float scale, const float* d) {
  float a[kPanelRows], f[kPanelRows];
  memcpy(a, &acc, sizeof a);
  memcpy(f, &factors, sizeof f);
  for (int r = 0; r < kPanelRows; ++r) a[r] = fmaf(f[r] * scale, d[r], a[r]);
  memcpy(&acc, a, sizeof a);
}

template <Packed kind>
void multiply_block(Rows& acc, const Unpacked& w, const ActivationBlock& x) {
  constexpr Scales scales = scales_of(kind);
  constexpr bool is_k16 = scales == Scales::k16 || scales == Scales::k16_min;
  constexpr bool has_min =
      scales == Scales::f16_min || scales == Scales::k32_min || scales == Scales::k16_min;
  constexpr Rows ones = {{{1, 1, 1, 1}, {1, 1, 1, 1}, {1, 1, 1, 1}, {1, 1, 1, 1}}};
  constexpr int n = is_k16 ? 16 : kBlock;
  for (int part = 0; part < kBlock / n; ++part) {
    accumulate(acc, sum_products(Rows{}, w.code + n * part, x.q + n * part, 1, n), x.scale,
               w.d[part]);
    if constexpr (has_min)
      accumulate(acc, ones, is_k16 ? (part ? x.sum_hi : x.sum_lo) : x.sum, w.m[part]);
  }
}

template <Packed kind>
void matmul_integer(const MatmulTile* tile) {
  const auto* panel = static_cast<const uint8_t*>(tile->panels);
  const int n_tokens = tile->n_tokens;
  const int64_t n_blocks = tile->cols / kBlock;
  assert(tile->cols % kBlock == 0);
  for (int64_t row = 0; row < tile->n_rows; row += kPanelRows, panel += tile->panel_bytes) {
    Sums acc(tile, row);
    const uint8_t* from = panel;
    const auto* x = static_cast<const ActivationBlock*>(tile->x);
    for (int64_t first = 0; first < n_blocks; first += kGroupBlocks) {
      const int64_t left = n_blocks - first;
      const int n = static_cast<int>(left < kGroupBlocks ? left : kGroupBlocks);
      const uint8_t* header = from;
      from += header_bytes(scales_of(kind), n);
      for (int b = 0; b < n; ++b, from += code_lines(kind) * kLineBytes, x += n_tokens) {
        Unpacked w;
        unpack_codes<kind>(w, from);
        unpack_scales<kind>(w, header, b);
        for (int t = 0; t < n_tokens; ++t) multiply_block<kind>(acc.of[t], w, x[t]);
      }
    }
    acc.store(tile, row);
  }
}

// ---- activations

void quantize(ActivationBlock* blocks, int64_t stride, const float* x, int64_t cols) {
  for (int64_t b = 0; b < cols / kBlock; ++b, x += kBlock) {
    ActivationBlock& block = blocks[b * stride];
    uint32_t largest = 0;  // as bits: the order of magnitudes, with infinities and NaNs on top
    for (int k = 0; k < kBlock; ++k) {
      const uint32_t magnitude = float_to_bits(x[k]) & 0x7fffffff;
      if (magnitude > largest) largest = magnitude;
    }
    memset(&block, 0, sizeof block);
    const float amax = bits_to_float(largest);
    if (largest >= 0x7f800000) {
      block.scale = block.sum = block.sum_lo = block.sum_hi = bits_to_float(0x7fc00000);
      continue;
    }
    if (amax < 0x1p-100f) continue;
    const float inverse = 127.0f / amax;
    block.scale = amax / 127.0f;
    int32_t sums[2] = {0, 0};
    for (int k = 0; k < kBlock; ++k) {
      // Adding 1.5 * 2^23 leaves no fraction bits: rounds to nearest, ties to even.
      const float rounded = (x[k] * inverse + 12582912.0f) - 12582912.0f;
      block.q[k] = static_cast<int8_t>(static_cast<int>(rounded));
      sums[k / 16] += block.q[k];
    }
    block.sum = block.scale * static_cast<float>(sums[0] + sums[1]);
    block.sum_lo = block.scale * static_cast<float>(sums[0]);
    block.sum_hi = block.scale * static_cast<float>(sums[1]);
    block.minus_8 = -8 * (sums[0] + sums[1]);
    block.minus_128 = -128 * (sums[0] + sums[1]);
    block.minus_32_lo = -32 * sums[0];
    block.minus_32_hi = -32 * sums[1];
  }
}

// ---- probes

uint64_t read_bytes(const void* from, int64_t n) {
  const auto* words = static_cast<const uint64_t*>(from);
  uint64_t sums[8] = {};
  for (int64_t i = 0; i < n / 8; i += 8) {
    for (int j = 0; j < 8; ++j) sums[j] += words[i + j];
  }
  uint64_t sum = 0;
  for (const uint64_t s : sums) sum += s;
  return sum;
}

// 16-bit products with 32-bit sums, which SSE2 and NEON have instructions for.
int64_t dot_rounds(int64_t n) {
  int16_t a[256], b[256];
  for (int i = 0; i < 256; ++i) a[i] = b[i] = static_cast<int16_t>(i % 16);
  int32_t sum = 0;
  for (int64_t round = 0; round < n; ++round) {
    __asm__ volatile("" : : "r"(a), "r"(b) : "memory");  // or the rounds would be found to be equal
    int32_t part = 0;
    for (int i = 0; i < 256; ++i) part += a[i] * b[i];
    sum ^= part;
  }
  __asm__ volatile("" : : "r"(sum));
  return n * 256;
}

}  // namespace

extern const Table kScalar = {
    .matmul =
        {
            matmul_float<Packed::f32>,
            matmul_float<Packed::f16>,
            matmul_float<Packed::bf16>,
            matmul_integer<Packed::q4_0>,
            matmul_integer<Packed::q4_1>,
            matmul_integer<Packed::iq4_nl>,
            matmul_integer<Packed::mxfp4>,
            matmul_integer<Packed::q4_k>,
            matmul_integer<Packed::iq4_xs>,
            matmul_integer<Packed::q6_k>,
            matmul_integer<Packed::q8_0>,
            matmul_integer<Packed::q5_1>,
            matmul_integer<Packed::q5_k>,
            matmul_integer<Packed::q3_k>,
            matmul_integer<Packed::q2_k>,
        },
    .quantize = quantize,
    .read_bytes = read_bytes,
    .dot_rounds = dot_rounds,
};

}  // namespace jiang::kernels
