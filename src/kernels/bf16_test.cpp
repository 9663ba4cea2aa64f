// Products of bf16 at every level this machine has, against the scalar one, at every tail.
#include "kernels/bf16.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <memory>
#include <random>
#include <vector>

namespace jiang::kernels {
namespace {

using Values = std::vector<float>;

// 64-byte aligned, as tiles are.
struct Tiles {
  explicit Tiles(size_t n_tiles)
      : data(static_cast<uint16_t*>(std::aligned_alloc(64, n_tiles * kBf16Tile * sizeof(uint16_t))),
             std::free),
        n(n_tiles * kBf16Tile) {
    std::memset(data.get(), 0x7f, n * sizeof(uint16_t));
  }
  bool operator==(const Tiles& other) const {
    return std::memcmp(data.get(), other.data.get(), n * sizeof(uint16_t)) == 0;
  }
  std::unique_ptr<uint16_t, void (*)(void*)> data;
  size_t n;
};

float value_of(uint16_t bits) {
  const uint32_t wide = static_cast<uint32_t>(bits) << 16;
  float value;
  std::memcpy(&value, &wide, sizeof value);
  return value;
}

Values some_values(size_t n, uint32_t seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(0, 1);
  Values values(n);
  for (float& value : values) value = normal(random);
  return values;
}

class Bf16 : public ::testing::TestWithParam<Level> {
 protected:
  void SetUp() override {
    table_ = bf16_table_of(GetParam());
    if (!table_) GTEST_SKIP() << "this CPU has no " << level_name(GetParam());
  }
  const Bf16Table& scalar() const { return *bf16_table_of(Level::scalar); }
  const Bf16Table* table_ = nullptr;
};

INSTANTIATE_TEST_SUITE_P(Levels, Bf16,
                         ::testing::Values(Level::scalar, Level::avx2, Level::avx_vnni,
                                           Level::avx512, Level::avx512_vnni, Level::amx));

constexpr PackBf16Tile Bf16Table::*kPacks[] = {&Bf16Table::left_along, &Bf16Table::left_across,
                                               &Bf16Table::right_along, &Bf16Table::right_across};

TEST_P(Bf16, TilesAreThoseOfTheScalarLevelForEveryTail) {
  const int64_t stride = 37;
  const Values x = some_values(static_cast<size_t>(stride * 37), 1);
  for (const auto pack : kPacks) {
    for (int64_t lines = 1; lines <= kBf16Lines; ++lines) {
      for (int64_t k = 1; k <= kBf16Depth; ++k) {
        Tiles ours(1), expected(1);
        (table_->*pack)(ours.data.get(), x.data(), stride, lines, k);
        (scalar().*pack)(expected.data.get(), x.data(), stride, lines, k);
        ASSERT_TRUE(ours == expected) << lines << " lines, " << k << " k";
      }
    }
  }
}

TEST_P(Bf16, RoundsToTheNearestAndKeepsWhatIsNoNumber) {
  const float inf = std::numeric_limits<float>::infinity();
  const auto bits = [](uint32_t pattern) {
    float value;
    std::memcpy(&value, &pattern, sizeof value);
    return value;
  };
  const struct {
    float from;
    uint32_t to;
  } cases[] = {{1.0f, 0x3f80},
               {bits(0x3f808000), 0x3f80},  // a tie: to the even one
               {bits(0x3f818000), 0x3f82},
               {bits(0x3f808001), 0x3f81},
               {bits(0xbf817fff), 0xbf81},
               {inf, 0x7f80},
               {-inf, 0xff80},
               {bits(0x7f7fffff), 0x7f80},  // beyond the largest
               {bits(0x7f800001), 0x7fc0},  // NaN stays NaN
               {bits(0xffc12345), 0xffc1},
               {bits(0x007fffff), 0x0000},  // below 2^-126
               {bits(0x80000001), 0x8000},
               {0.0f, 0},
               {-0.0f, 0x8000}};
  for (const auto& c : cases) {
    Tiles tile(1);
    table_->left_along(tile.data.get(), &c.from, 1, 1, 1);
    EXPECT_EQ(tile.data.get()[0], c.to) << c.from;
  }
}

// Both factors as a level packs them: random numbers, whole panels.
Tiles pack_panels(PackBf16Tile pack, const Values& x, int64_t stride, int64_t lines, int64_t k) {
  const int64_t panels = (lines + 15) / 16, k_tiles = (k + 31) / 32;
  Tiles tiles(static_cast<size_t>(panels * k_tiles));
  for (int64_t p = 0; p < panels; ++p) {
    for (int64_t t = 0; t < k_tiles; ++t) {
      pack(tiles.data.get() + (p * k_tiles + t) * kBf16Tile, x.data() + p * 16 * stride + t * 32,
           stride, std::min<int64_t>(16, lines - p * 16), std::min<int64_t>(32, k - t * 32));
    }
  }
  return tiles;
}

// Every number of rows and columns around the borders of tiles; gaps between rows stay untouched.
TEST_P(Bf16, ProductsAgreeWithinTheBoundForEveryTail) {
  constexpr int64_t kMost = 50, kGap = 3;
  for (int64_t m = 1; m <= kMost; m += m < 34 ? 1 : 7) {
    for (int64_t n = 1; n <= kMost; n += m % 5 == 0 ? 1 : 6) {
      const int64_t k = 1 + (m * 31 + n * 7) % 130, k_tiles = (k + 31) / 32;
      const Values x = some_values(static_cast<size_t>(m * k), 2);
      const Values y = some_values(static_cast<size_t>(n * k), 3);
      const Tiles a = pack_panels(table_->left_along, x, k, m, k);
      const Tiles b = pack_panels(table_->right_along, y, k, n, k);
      const Values before = some_values(static_cast<size_t>(m * (n + kGap)), 4);
      for (const bool resume : {false, true}) {
        Values ours = before, expected = before, slices = before;
        Bf16Product product{ours.data(),
                            n + kGap,
                            a.data.get(),
                            k_tiles * kBf16Tile,
                            b.data.get(),
                            k_tiles * kBf16Tile,
                            m,
                            n,
                            k_tiles,
                            resume};
        table_->multiply(&product);
        product.c = expected.data();
        scalar().multiply(&product);
        product.c = slices.data();
        for (int64_t t = 0; t < k_tiles; ++t) {
          product.a = a.data.get() + t * kBf16Tile;
          product.b = b.data.get() + t * kBf16Tile;
          product.k_tiles = 1;
          product.resume = resume || t > 0;
          table_->multiply(&product);
        }
        ASSERT_EQ(ours, slices) << m << " x " << n << " x " << k;
        for (int64_t i = 0; i < m; ++i) {
          for (int64_t j = 0; j < n + kGap; ++j) {
            const auto at = static_cast<size_t>(i * (n + kGap) + j);
            if (j >= n) {
              ASSERT_EQ(ours[at], before[at]) << "a number beyond the row";
              continue;
            }
            double size = resume ? std::abs(before[at]) : 0;
            for (int64_t z = 0; z < k; ++z)
              size += std::abs(static_cast<double>(x[static_cast<size_t>(i * k + z)]) *
                               y[static_cast<size_t>(j * k + z)]);
            // 2 k 2^-24 sum |a b|; 1.02 for what rounding to bf16 may have added to the factors.
            ASSERT_NEAR(ours[at], expected[at],
                        2.0 * static_cast<double>(k + 1) * 0x1p-24 * 1.02 * size)
                << m << " x " << n << " x " << k;
            if (GetParam() < Level::amx) {
              ASSERT_EQ(ours[at], expected[at]) << "these levels add in one order";
            }
          }
        }
      }
    }
  }
}

// The order of AMX, spelled out: the even and the odd k of a tile apart, then together, then to C.
TEST_P(Bf16, TilesOfAmxAddInTheOrderThatIsPromised) {
  if (std::string(table_->name) != "amx") GTEST_SKIP() << "not AMX";
  constexpr int64_t kTiles = 3, kK = kTiles * kBf16Depth;
  const Values x = some_values(16 * kK, 5), y = some_values(16 * kK, 6);
  const Tiles a = pack_panels(table_->left_along, x, kK, 16, kK);
  const Tiles b = pack_panels(table_->right_along, y, kK, 16, kK);
  Values c(256);
  const Bf16Product product{c.data(), 16, a.data.get(), 0, b.data.get(), 0, 16, 16, kTiles, false};
  table_->multiply(&product);
  for (int64_t i = 0; i < 16; ++i) {
    for (int64_t j = 0; j < 16; ++j) {
      float sum = 0;
      for (int64_t t = 0; t < kTiles; ++t) {
        float halves[2] = {0, 0};
        for (int64_t k = 0; k < kBf16Depth; ++k) {
          halves[k % 2] += value_of(a.data.get()[t * kBf16Tile + i * 32 + k]) *
                           value_of(b.data.get()[t * kBf16Tile + (k / 2 * 16 + j) * 2 + k % 2]);
        }
        sum += halves[0] + halves[1];
      }
      ASSERT_EQ(c[static_cast<size_t>(i * 16 + j)], sum) << i << ", " << j;
    }
  }
}

}  // namespace
}  // namespace jiang::kernels
