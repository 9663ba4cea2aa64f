// Every kernel of every level that this CPU has, against the scalar level.
#include "kernels/table.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>
#include <random>
#include <string>
#include <vector>

namespace jiang::kernels {
namespace {

constexpr int64_t kGap = 3;  // floats between rows of the output, which nobody may touch

struct AlignedBytes {
  explicit AlignedBytes(size_t n)
      : data(static_cast<uint8_t*>(std::aligned_alloc(64, (n + 63) / 64 * 64)), std::free) {
    std::memset(data.get(), 0, (n + 63) / 64 * 64);
  }
  std::unique_ptr<uint8_t, void (*)(void*)> data;
};

enum class ScaleKind { ordinary, extreme };

// A 16-bit scale: an ordinary number, or any bits at all (infinities, NaNs, denormals).
uint16_t random_scale(std::mt19937& random, ScaleKind kind, bool is_bf16) {
  const uint32_t r = random();
  if (kind == ScaleKind::extreme && r % 4 == 0) return static_cast<uint16_t>(r >> 8);
  const uint32_t exponent = is_bf16 ? 115 + (r >> 20 & 7) : 5 + (r >> 20 & 7);
  return static_cast<uint16_t>((r & 0x8000) | exponent << (is_bf16 ? 7 : 10) |
                               (r & (is_bf16 ? 0x7f : 0x3ff)));
}

// Largest code of the 8-bit layouts, as packed.h promises.
int code_limit(Packed kind) {
  return kind == Packed::q5_1 || kind == Packed::q5_k ? 31
         : kind == Packed::q3_k                       ? 63
         : kind == Packed::q2_k                       ? 3
                                                      : 255;
}

AlignedBytes random_panels(Packed kind, int64_t n_panels, int64_t cols, ScaleKind scale_kind,
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
        at[header + i] = static_cast<uint8_t>(random() & static_cast<uint32_t>(code_limit(kind)));
      at += header + codes;
    }
  }
  return bytes;
}

// (rows, cols), blocks in the layout of tiles of n rows. Large: every int8 is +-127.
AlignedBytes random_activations(Packed kind, int64_t n, int64_t cols, std::mt19937& random) {
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

std::vector<float> run(MatmulKernel kernel, Packed kind, const AlignedBytes& panels,
                       const AlignedBytes& x, int64_t rows, int64_t cols, int n_tokens,
                       int64_t slice) {
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
void expect_same(const std::vector<float>& a, const std::vector<float>& b,
                 const std::string& what) {
  ASSERT_EQ(a.size(), b.size());
  for (size_t i = 0; i < a.size(); ++i) {
    if (std::isnan(a[i]) && std::isnan(b[i])) continue;
    ASSERT_EQ(std::memcmp(&a[i], &b[i], 4), 0)
        << what << ": element " << i << ": " << a[i] << " and " << b[i];
  }
}

class MatmulKernelOf : public testing::TestWithParam<int> {
 protected:
  Packed kind() const { return static_cast<Packed>(GetParam()); }
  MatmulKernel kernel(Level level) const { return table_of(level)->matmul[GetParam()]; }
  bool has_whole_groups() const {
    const Scales scales = scales_of(kind());
    return scales >= Scales::k32;
  }
};

const Level kLevels[] = {Level::avx2, Level::avx512, Level::avx512_vnni, Level::amx};

TEST_P(MatmulKernelOf, IntegerKindsGiveTheSameBitsAtEveryLevel) {
  if (is_float_kind(kind())) return;
  std::mt19937 random(7);
  for (const int64_t rows : {1, 7, 8, 9, 15, 16, 17, 33, 64, 71}) {
    for (const int64_t blocks : {1, 2, 3, 8, 9, 16, 23}) {
      const int64_t cols = has_whole_groups() ? (blocks + 7) / 8 * 256 : blocks * kBlock;
      const int n_tokens = 1 + static_cast<int>(random() % kTileTokens);
      const ScaleKind scale_kind = random() % 2 ? ScaleKind::ordinary : ScaleKind::extreme;
      const AlignedBytes panels = random_panels(kind(), (rows + 15) / 16, cols, scale_kind, random);
      const AlignedBytes x = random_activations(kind(), n_tokens, cols, random);
      const std::vector<float> expected =
          run(kernel(Level::scalar), kind(), panels, x, rows, cols, n_tokens, cols);
      for (const Level level : kLevels) {
        if (!table_of(level)) continue;
        expect_same(expected, run(kernel(level), kind(), panels, x, rows, cols, n_tokens, cols),
                    std::to_string(rows) + "x" + std::to_string(cols) + ", level " +
                        std::to_string(int(level)));
      }
    }
  }
}

TEST_P(MatmulKernelOf, SeveralTilesOfTokensGiveTheBitsOfEachAlone) {
  std::mt19937 random(11);
  for (const Level level : kLevels) {
    const Table* table = table_of(level);
    const MatmulKernel matmul_tiles = table ? table->matmul_tiles[GetParam()] : nullptr;
    if (!matmul_tiles) continue;
    for (const int64_t rows : {5, 16, 17, 64, 71, 140}) {
      for (const int64_t blocks : {1, 2, 5, 8, 9, 23}) {
        const int64_t cols = has_whole_groups() ? (blocks + 7) / 8 * 256 : blocks * kBlock;
        const ScaleKind scale_kind = random() % 2 ? ScaleKind::ordinary : ScaleKind::extreme;
        const AlignedBytes panels =
            random_panels(kind(), (rows + 15) / 16, cols, scale_kind, random);
        constexpr int kTiles = 3;
        const int64_t tile_bytes = cols / kBlock * kTileTokens * 64;
        AlignedBytes x(static_cast<size_t>(kTiles * tile_bytes));
        std::vector<float> expected;
        for (int i = 0; i < kTiles; ++i) {
          const AlignedBytes one = random_activations(kind(), kTileTokens, cols, random);
          std::memcpy(x.data.get() + i * tile_bytes, one.data.get(),
                      static_cast<size_t>(tile_bytes));
          const auto out =
              run(kernel(Level::scalar), kind(), panels, one, rows, cols, kTileTokens, cols);
          expected.insert(expected.end(), out.begin(), out.end());
        }
        std::vector<float> out(expected.size(), -7.0f);
        MatmulTile tile = {.out = out.data(),
                           .out_stride = rows + kGap,
                           .x = x.data.get(),
                           .panels = panels.data.get(),
                           .panel_bytes = panel_bytes(kind(), cols),
                           .cols = cols,
                           .n_rows = rows,
                           .n_tokens = kTiles * kTileTokens,
                           .resume = false,
                           .tile_bytes = tile_bytes};
        const std::string what = std::to_string(rows) + "x" + std::to_string(cols);
        matmul_tiles(&tile);
        expect_same(expected, out, what);
        // The second slice of k goes on from the sums of the first.
        if (cols <= 256) continue;
        std::fill(out.begin(), out.end(), -7.0f);
        tile.cols = 256;
        matmul_tiles(&tile);
        tile.x = x.data.get() + 256 / kBlock * kTileTokens * 64;
        tile.panels = panels.data.get() + panel_bytes(kind(), 256);
        tile.cols = cols - 256;
        tile.resume = true;
        matmul_tiles(&tile);
        expect_same(expected, out, what + " in slices");
      }
    }
  }
}

// The error of a sequential float sum of n products is at most n eps sum |w x| (Higham, 3.1).
TEST_P(MatmulKernelOf, FloatKindsAgreeWithinTheirRounding) {
  if (!is_float_kind(kind())) return;
  std::mt19937 random(8);
  for (const int64_t rows : {1, 8, 15, 16, 17, 63, 64, 65, 150}) {
    for (const int64_t cols : {1, 2, 3, 31, 64, 300}) {
      const int n_tokens = 1 + static_cast<int>(random() % kTileTokens);
      const AlignedBytes panels =
          random_panels(kind(), (rows + 15) / 16, cols, ScaleKind::ordinary, random);
      const AlignedBytes x = random_activations(kind(), n_tokens, cols, random);
      const std::vector<float> expected =
          run(kernel(Level::scalar), kind(), panels, x, rows, cols, n_tokens, cols);
      std::vector<float> first;  // of the levels with fma, which must agree to the bit
      for (const Level level : kLevels) {
        if (!table_of(level)) continue;
        const std::vector<float> out =
            run(kernel(level), kind(), panels, x, rows, cols, n_tokens, cols);
        for (size_t i = 0; i < out.size(); ++i) {
          // |w| < 2^5 and |x| < 6 here.
          ASSERT_NEAR(out[i], expected[i], 2 * 6e-8 * static_cast<double>(cols * cols) * 4)
              << rows << "x" << cols;
        }
        if (first.empty()) first = out;
        expect_same(first, out, std::to_string(rows) + "x" + std::to_string(cols));
      }
    }
  }
}

// Slices of k, and tokens alone or together: the same bits at every level.
TEST_P(MatmulKernelOf, SlicesAndBatchesDoNotChangeABit) {
  std::mt19937 random(9);
  const int64_t rows = 69, cols = 1024;
  const AlignedBytes panels = random_panels(kind(), 5, cols, ScaleKind::ordinary, random);
  for (int n_tokens = 1; n_tokens <= kTileTokens; ++n_tokens) {
    const AlignedBytes x = random_activations(kind(), n_tokens, cols, random);
    for (int level = 0; level < kLevelCount; ++level) {
      const Table* table = table_of(static_cast<Level>(level));
      if (!table || (level == 0 && n_tokens % 5 != 0)) continue;
      const MatmulKernel matmul = table->matmul[GetParam()];
      const std::vector<float> whole = run(matmul, kind(), panels, x, rows, cols, n_tokens, cols);
      expect_same(whole, run(matmul, kind(), panels, x, rows, cols, n_tokens, 256),
                  "slices of 256");
      // One token at a time: element t of each (.., n_tokens) of x.
      const size_t unit = is_float_kind(kind()) ? 4 : 64, n = static_cast<size_t>(n_tokens);
      const size_t units = is_float_kind(kind()) ? cols : cols / kBlock;
      for (size_t t = 0; t < n; ++t) {
        AlignedBytes one(units * unit);
        for (size_t u = 0; u < units; ++u) {
          std::memcpy(one.data.get() + u * unit, x.data.get() + (u * n + t) * unit, unit);
        }
        const std::vector<float> alone = run(matmul, kind(), panels, one, rows, cols, 1, cols);
        const auto row = whole.begin() + static_cast<int64_t>(t) * (rows + kGap);
        expect_same({row, row + rows + kGap}, alone,
                    "token " + std::to_string(t) + " of " + std::to_string(n_tokens));
      }
    }
  }
}

const char* const kNames[kPackedCount] = {"f32",    "f16",   "bf16", "q4_0",   "q4_1",
                                          "iq4_nl", "mxfp4", "q4_k", "iq4_xs", "q6_k",
                                          "q8_0",   "q5_1",  "q5_k", "q3_k",   "q2_k"};
INSTANTIATE_TEST_SUITE_P(EveryLayout, MatmulKernelOf, testing::Range(0, kPackedCount),
                         [](const auto& kind) { return std::string(kNames[kind.param]); });

TEST(Quantize, GivesTheSameBytesAtEveryLevel) {
  std::mt19937 random(10);
  for (int round = 0; round < 400; ++round) {
    const int64_t cols = kBlock * (1 + round % 5), stride = 1 + round % 16;
    std::vector<float> x(static_cast<size_t>(cols));
    const float magnitude = std::ldexp(1.0f, static_cast<int>(random() % 250) - 130);
    for (float& value : x) {
      value = magnitude * std::normal_distribution<float>()(random);
      if (round % 4 == 0) {  // any bits: denormals, infinities, NaNs
        const uint32_t bits = random();
        if (random() % 3 == 0) std::memcpy(&value, &bits, 4);
      }
      if (round % 7 == 0) value = std::round(value / magnitude * 8) / 8;  // ties
    }
    const size_t n = static_cast<size_t>(cols / kBlock * stride);
    std::vector<ActivationBlock> expected(n), blocks(n);
    std::memset(expected.data(), 1, n * sizeof(ActivationBlock));
    table_of(Level::scalar)->quantize(expected.data(), stride, x.data(), cols);
    for (const ActivationBlock& block : expected) {
      for (const int8_t q : block.q) ASSERT_GT(q, -128);
    }
    for (const Level level : kLevels) {
      if (!table_of(level)) continue;
      std::memset(blocks.data(), 1, n * sizeof(ActivationBlock));
      table_of(level)->quantize(blocks.data(), stride, x.data(), cols);
      ASSERT_EQ(std::memcmp(blocks.data(), expected.data(), n * sizeof(ActivationBlock)), 0)
          << "round " << round << " level " << int(level);
    }
  }
}

TEST(Quantize, RoundsToTheNearestOf255Levels) {
  const float x[kBlock] = {127, -127, 0.5f, 1.5f, 2.5f, -0.5f, -1.5f, 63.4f, 63.6f};
  ActivationBlock block;
  table().quantize(&block, 1, x, kBlock);
  const int8_t expected[kBlock] = {127, -127, 0, 2, 2, 0, -2, 63, 64};
  EXPECT_EQ(std::memcmp(block.q, expected, kBlock), 0);
  EXPECT_EQ(block.scale, 1.0f);
  EXPECT_EQ(block.sum, 129.0f);
  EXPECT_EQ(block.minus_8, -8 * 129);
  EXPECT_EQ(block.minus_32_hi, 0);
}

TEST(Levels, ScalarIsCompleteAndEveryLevelInherits) {
  for (int level = 0; level < kLevelCount; ++level) {
    const Table* table = table_of(static_cast<Level>(level));
    if (!table) continue;
    EXPECT_NE(table->quantize, nullptr);
    for (const MatmulKernel kernel : table->matmul) EXPECT_NE(kernel, nullptr);
  }
  EXPECT_NE(table_of(Level::scalar), nullptr);
}

// ctest runs this program once for every value of JIANG_ISA.
TEST(Levels, JiangIsaLowersTheLevel) {
  const char* wanted = std::getenv("JIANG_ISA");
  if (wanted && *wanted && !isa_error()) {
    EXPECT_STREQ(level_name(level()), wanted);
  }
  EXPECT_EQ(&table(), table_of(level()));
}

}  // namespace
}  // namespace jiang::kernels
