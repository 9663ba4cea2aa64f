// Random weights and activations in the forms that kernels take, for the tests that compare a
// level's matmuls with the scalar ones. Seeded by the caller.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "kernels/table.h"

namespace jiang::kernels {

inline constexpr int64_t kGap = 3;  // floats between rows of the output, which nobody may touch

struct AlignedBytes {
  explicit AlignedBytes(size_t n)
      : data(static_cast<uint8_t*>(std::aligned_alloc(64, (n + 63) / 64 * 64)), std::free) {
    std::memset(data.get(), 0, (n + 63) / 64 * 64);
  }
  std::unique_ptr<uint8_t, void (*)(void*)> data;
};

enum class ScaleKind { ordinary, extreme };

// A 16-bit scale: an ordinary number, or any bits at all (infinities, NaNs, denormals).
inline uint16_t random_scale(std::mt19937& random, ScaleKind kind, bool is_bf16) {
  const uint32_t r = random();
  if (kind == ScaleKind::extreme && r % 4 == 0) return static_cast<uint16_t>(r >> 8);
  const uint32_t exponent = is_bf16 ? 115 + (r >> 20 & 7) : 5 + (r >> 20 & 7);
  return static_cast<uint16_t>((r & 0x8000) | exponent << (is_bf16 ? 7 : 10) |
                               (r & (is_bf16 ? 0x7f : 0x3ff)));
}

inline AlignedBytes random_panels(Packed kind, int64_t n_panels, int64_t cols, ScaleKind scale_kind,
                                  std::mt19937& random) {
  AlignedBytes bytes(static_cast<size_t>(n_panels * panel_bytes(kind, cols)));
  uint8_t* at = bytes.data.get();
  const auto put_scales = [&](uint8_t* to, int64_t n) {
    for (int64_t i = 0; i < n; ++i) {
      const uint16_t scale = random_scale(random, scale_kind, kind == Packed::mxfp4);
      std::memcpy(to + 2 * i, &scale, 2);
    }
  };
  if (is_float_kind(kind)) {
    for (int64_t i = 0; i < n_panels * cols * 16; ++i) {
      const float value = std::normal_distribution<float>()(random);
      uint32_t bits;
      std::memcpy(&bits, &value, 4);
      const auto half = kind == Packed::bf16 ? static_cast<uint16_t>(bits >> 16)
                                             : random_scale(random, ScaleKind::ordinary, false);
      if (kind == Packed::f32) std::memcpy(at + 4 * i, &value, 4);
      if (kind != Packed::f32) std::memcpy(at + 2 * i, &half, 2);
    }
    return bytes;
  }
  const Scales scales = scales_of(kind);
  for (int64_t p = 0; p < n_panels; ++p) {
    for (int64_t left = cols / kBlock; left > 0; left -= kGroupBlocks) {
      const int64_t n = std::min<int64_t>(left, kGroupBlocks);
      const int64_t header = header_bytes(scales, n), codes = n * code_lines(kind) * kLineBytes;
      for (int64_t i = 0; i < header; ++i) at[i] = static_cast<uint8_t>(random());
      const bool per_block =
          scales == Scales::f16 || scales == Scales::bf16 || scales == Scales::f16_min;
      const bool has_min = scales == Scales::k32_min || scales == Scales::k16_min;
      put_scales(at, per_block ? header / 2 : has_min ? 32 : 16);
      for (int64_t i = 0; i < codes; ++i)
        at[header + i] = static_cast<uint8_t>(random() & static_cast<uint32_t>(largest_code(kind)));
      at += header + codes;
    }
  }
  return bytes;
}

// (rows, cols), blocks in the layout of tiles of n rows. Large: every int8 is +-127.
inline AlignedBytes random_activations(Packed kind, int64_t n, int64_t cols, std::mt19937& random) {
  const bool is_float = is_float_kind(kind);
  AlignedBytes bytes(static_cast<size_t>(n * cols) * (is_float ? 4 : 2));
  std::normal_distribution<float> normal;
  std::vector<float> x(static_cast<size_t>(cols));
  for (int64_t t = 0; t < n; ++t) {
    for (float& value : x) value = t % 3 == 2 ? (random() % 2 ? 1.0f : -1.0f) : normal(random);
    if (is_float) {
      for (int64_t k = 0; k < cols; ++k)
        std::memcpy(bytes.data.get() + (k * n + t) * 4, &x[static_cast<size_t>(k)], 4);
    } else {
      table_of(Level::scalar)
          ->quantize(reinterpret_cast<ActivationBlock*>(bytes.data.get()) + t, n, x.data(), cols);
    }
  }
  return bytes;
}

inline std::vector<float> run_matmul(MatmulKernel kernel, Packed kind, const AlignedBytes& panels,
                                     const AlignedBytes& x, int64_t rows, int64_t cols,
                                     int n_tokens, int64_t slice) {
  std::vector<float> out(static_cast<size_t>(n_tokens * (rows + kGap)), -7.0f);
  for (int64_t k = 0; k < cols; k += slice) {
    const int64_t x_at = is_float_kind(kind) ? k * n_tokens * 4 : k / kBlock * n_tokens * 64;
    const MatmulTile tile = {
        .out = out.data(),
        .out_stride = rows + kGap,
        .x = x.data.get() + x_at,
        .panels = panels.data.get() + panel_bytes(kind, k),
        .panel_bytes = panel_bytes(kind, cols),
        .cols = std::min(slice, cols - k),
        .n_rows = rows,
        .n_tokens = n_tokens,
        .resume = k > 0,
    };
    kernel(&tile);
  }
  return out;
}

// The same bits, or both NaN (which NaN it is differs between instructions).
inline void expect_same(const std::vector<float>& a, const std::vector<float>& b,
                        const std::string& what) {
  ASSERT_EQ(a.size(), b.size());
  for (size_t i = 0; i < a.size(); ++i) {
    if (std::isnan(a[i]) && std::isnan(b[i])) continue;
    ASSERT_EQ(std::memcmp(&a[i], &b[i], 4), 0)
        << what << ": element " << i << ": " << a[i] << " and " << b[i];
  }
}

// Columns for about so many blocks: formats with scales of scales have whole groups.
inline int64_t cols_of(Packed kind, int64_t blocks) {
  return scales_of(kind) >= Scales::k32 ? (blocks + 7) / 8 * 256 : blocks * kBlock;
}

inline const char* const kPackedNames[kPackedCount] = {"f32",    "f16",   "bf16", "q4_0",   "q4_1",
                                                       "iq4_nl", "mxfp4", "q4_k", "iq4_xs", "q6_k",
                                                       "q8_0",   "q5_1",  "q5_k", "q3_k",   "q2_k"};

}  // namespace jiang::kernels
