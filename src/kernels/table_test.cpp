// Every kernel of every level that this CPU has, against the scalar level.
#include "kernels/table.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "kernels/matmul_cases.h"

namespace jiang::kernels {
namespace {

class MatmulKernelOf : public testing::TestWithParam<int> {
 protected:
  Packed kind() const { return static_cast<Packed>(GetParam()); }
  MatmulKernel kernel(Level level) const { return table_of(level)->matmul[GetParam()]; }
  int64_t cols_of(int64_t blocks) const { return kernels::cols_of(kind(), blocks); }
};

const Level kLevels[] = {Level::avx2, Level::avx_vnni, Level::avx512, Level::avx512_vnni,
                         Level::amx};

TEST_P(MatmulKernelOf, IntegerKindsGiveTheSameBitsAtEveryLevel) {
  if (is_float_kind(kind())) return;
  std::mt19937 random(7);
  for (const int64_t rows : {1, 7, 8, 9, 15, 16, 17, 33, 64, 71}) {
    for (const int64_t blocks : {1, 2, 3, 8, 9, 16, 23}) {
      const int64_t cols = cols_of(blocks);
      const int n_tokens = 1 + static_cast<int>(random() % kTileTokens);
      const ScaleKind scale_kind = random() % 2 ? ScaleKind::ordinary : ScaleKind::extreme;
      const AlignedBytes panels = random_panels(kind(), (rows + 15) / 16, cols, scale_kind, random);
      const AlignedBytes x = random_activations(kind(), n_tokens, cols, random);
      const std::vector<float> expected =
          run_matmul(kernel(Level::scalar), kind(), panels, x, rows, cols, n_tokens, cols);
      for (const Level level : kLevels) {
        if (!table_of(level)) continue;
        expect_same(expected,
                    run_matmul(kernel(level), kind(), panels, x, rows, cols, n_tokens, cols),
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
        const int64_t cols = cols_of(blocks);
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
              run_matmul(kernel(Level::scalar), kind(), panels, one, rows, cols, kTileTokens, cols);
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
          run_matmul(kernel(Level::scalar), kind(), panels, x, rows, cols, n_tokens, cols);
      std::vector<float> first;  // of the levels with fma, which must agree to the bit
      for (const Level level : kLevels) {
        if (!table_of(level)) continue;
        const std::vector<float> out =
            run_matmul(kernel(level), kind(), panels, x, rows, cols, n_tokens, cols);
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
      const std::vector<float> whole =
          run_matmul(matmul, kind(), panels, x, rows, cols, n_tokens, cols);
      expect_same(whole, run_matmul(matmul, kind(), panels, x, rows, cols, n_tokens, 256),
                  "slices of 256");
      // One token at a time: element t of each (.., n_tokens) of x.
      const size_t unit = is_float_kind(kind()) ? 4 : 64, n = static_cast<size_t>(n_tokens);
      const size_t units = is_float_kind(kind()) ? cols : cols / kBlock;
      for (size_t t = 0; t < n; ++t) {
        AlignedBytes one(units * unit);
        for (size_t u = 0; u < units; ++u) {
          std::memcpy(one.data.get() + u * unit, x.data.get() + (u * n + t) * unit, unit);
        }
        const std::vector<float> alone =
            run_matmul(matmul, kind(), panels, one, rows, cols, 1, cols);
        const auto row = whole.begin() + static_cast<int64_t>(t) * (rows + kGap);
        expect_same({row, row + rows + kGap}, alone,
                    "token " + std::to_string(t) + " of " + std::to_string(n_tokens));
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(EveryLayout, MatmulKernelOf, testing::Range(0, kPackedCount),
                         [](const auto& kind) { return std::string(kPackedNames[kind.param]); });

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

TEST(Levels, WhatAvx512HasIsNotBuiltOnAvxVnni) {
  const Table *avx2 = table_of(Level::avx2), *avx512 = table_of(Level::avx512);
  if (!avx512) GTEST_SKIP() << "this CPU has no avx512";
  constexpr int q4_0 = static_cast<int>(Packed::q4_0);
  EXPECT_EQ(avx512->matmul[q4_0], avx2->matmul[q4_0]);
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
