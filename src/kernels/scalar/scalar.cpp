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

// fma where it is an instruction; otherwise mul and add, which SSE2 does 20 times faster than the
// function fmaf.
inline float madd(float a, float b, float c) {
#if defined(__FP_FAST_FMAF)
  return __builtin_fmaf(a, b, c);
#else
  return a * b + c;
#endif
}

template <class T>
T load(const uint8_t* from, int64_t index) {
  T value;
  memcpy(&value, from + index * static_cast<int64_t>(sizeof(T)), sizeof value);
  return value;
}

// The sums of one panel.
struct Sums {
  float of[kTileTokens][kPanelRows];
  size_t n_rows;

  Sums(const MatmulTile* tile, int64_t row) {
    const int64_t left = tile->n_rows - row;
    n_rows = static_cast<size_t>(left < kPanelRows ? left : kPanelRows);
    memset(of, 0, sizeof of);
    for (int t = 0; tile->resume && t < tile->n_tokens; ++t) {
      memcpy(of[t], tile->out + t * tile->out_stride + row, n_rows * sizeof(float));
    }
  }
  void store(const MatmulTile* tile, int64_t row) const {
    for (int t = 0; t < tile->n_tokens; ++t) {
      memcpy(tile->out + t * tile->out_stride + row, of[t], n_rows * sizeof(float));
    }
  }
};

// ---- float kinds

template <Packed kind>
void matmul_float(const MatmulTile* tile) {
  const auto* panel = static_cast<const uint8_t*>(tile->panels);
  const int n_tokens = tile->n_tokens;
  for (int64_t row = 0; row < tile->n_rows; row += kPanelRows, panel += tile->panel_bytes) {
    Sums acc(tile, row);
    const auto* x = static_cast<const float*>(tile->x);
    for (int64_t k = 0; k < tile->cols; ++k, x += n_tokens) {
      float w[kPanelRows];
      for (int r = 0; r < kPanelRows; ++r) {
        if constexpr (kind == Packed::f32) w[r] = load<float>(panel, k * kPanelRows + r);
        if constexpr (kind == Packed::f16)
          w[r] = f16_to_f32(load<uint16_t>(panel, k * kPanelRows + r));
        if constexpr (kind == Packed::bf16)
          w[r] = bf16_to_f32(load<uint16_t>(panel, k * kPanelRows + r));
      }
      for (int t = 0; t < n_tokens; ++t) {
        for (int r = 0; r < kPanelRows; ++r) acc.of[t][r] = madd(w[r], x[t], acc.of[t][r]);
      }
    }
    acc.store(tile, row);
  }
}

// ---- integer kinds

// One block of 16 rows x 32 k, spelled out. Kinds with one scale per 32 leave [1] unused.
struct Unpacked {
  int16_t code[kBlock][kPanelRows];
  float d[2][kPanelRows];
  float m[2][kPanelRows];
};

void unpack_4bit(Unpacked& out, const uint8_t* codes) {
  for (int n = 0; n < 4; ++n) {
    for (int r = 0; r < kPanelRows; ++r) {
      for (int j = 0; j < 4; ++j) {
        const uint8_t byte = codes[n * kLineBytes + r * 4 + j];
        out.code[8 * n + j][r] = byte & 15;
        out.code[8 * n + 4 + j][r] = byte >> 4;
      }
    }
  }
}

void add_high_bits(Unpacked& out, const uint8_t* lines) {
  for (int h = 0; h < 2; ++h) {
    for (int r = 0; r < kPanelRows; ++r) {
      for (int j = 0; j < 4; ++j) {
        const int byte = lines[h * kLineBytes + r * 4 + j];
        for (int i = 0; i < 4; ++i) {
          int16_t& code = out.code[16 * h + 4 * i + j][r];
          code = static_cast<int16_t>(code | (byte >> (2 * i) & 3) << 4);
        }
      }
    }
  }
}

void unpack_8bit(Unpacked& out, const uint8_t* codes) {
  for (int s = 0; s < 8; ++s) {
    for (int r = 0; r < kPanelRows; ++r) {
      for (int j = 0; j < 4; ++j) out.code[4 * s + j][r] = codes[s * kLineBytes + r * 4 + j];
    }
  }
}

void look_up(Unpacked& out, const int8_t* codebook) {
  for (auto& k : out.code) {
    for (int16_t& code : k) code = codebook[code];
  }
}

template <Packed kind>
void unpack_codes(Unpacked& out, const uint8_t* codes) {
  if constexpr (code_lines(kind) == 8) unpack_8bit(out, codes);
  if constexpr (code_lines(kind) < 8) unpack_4bit(out, codes);
  if constexpr (code_lines(kind) == 6) add_high_bits(out, codes + 4 * kLineBytes);
  if constexpr (kind == Packed::iq4_nl || kind == Packed::iq4_xs) look_up(out, kCodebookIq4nl);
  if constexpr (kind == Packed::mxfp4) look_up(out, kCodebookMxfp4);
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

// sums[r] = start + sum over n k of code * q
void dot(int32_t* sums, int32_t start, const int16_t (*code)[kPanelRows], const int8_t* q, int n) {
  for (int r = 0; r < kPanelRows; ++r) sums[r] = start;
  for (int k = 0; k < n; ++k) {
    for (int r = 0; r < kPanelRows; ++r) sums[r] += code[k][r] * q[k];
  }
}

void accumulate(float* acc, const int32_t* sums, float scale, const float* d) {
  for (int r = 0; r < kPanelRows; ++r)
    acc[r] = fmaf(static_cast<float>(sums[r]) * scale, d[r], acc[r]);
}

template <Packed kind>
void multiply_block(float* acc, const Unpacked& w, const ActivationBlock& x) {
  constexpr Scales scales = scales_of(kind);
  constexpr bool has_min =
      scales == Scales::f16_min || scales == Scales::k32_min || scales == Scales::k16_min;
  int32_t sums[kPanelRows];
  if constexpr (scales == Scales::k16 || scales == Scales::k16_min) {
    for (int half = 0; half < 2; ++half) {
      const int32_t offset = half ? x.minus_32_hi : x.minus_32_lo;
      dot(sums, has_min ? 0 : offset, w.code + 16 * half, x.q + 16 * half, 16);
      accumulate(acc, sums, x.scale, w.d[half]);
      const float sum = half ? x.sum_hi : x.sum_lo;
      for (int r = 0; has_min && r < kPanelRows; ++r) acc[r] = fmaf(sum, w.m[half][r], acc[r]);
    }
  } else {
    int32_t offset = 0;
    if constexpr (kind == Packed::q4_0) offset = x.minus_8;
    if constexpr (kind == Packed::q8_0) offset = x.minus_128;
    dot(sums, offset, w.code, x.q, kBlock);
    accumulate(acc, sums, x.scale, w.d[0]);
    for (int r = 0; has_min && r < kPanelRows; ++r) acc[r] = fmaf(x.sum, w.m[0][r], acc[r]);
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
