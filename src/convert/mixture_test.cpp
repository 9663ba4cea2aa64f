#include "convert/mixture.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

namespace jiang {
namespace {

// Sizes of the formats for a matrix, costs that fall with them about as a quantiser's do.
std::vector<std::vector<MixtureChoice>> random_matrices(unsigned seed, int n) {
  std::mt19937 random(seed);
  std::uniform_real_distribution<double> factor(0.7, 1.4), importance(0.01, 10);
  std::vector<std::vector<MixtureChoice>> matrices;
  for (int i = 0; i < n; ++i) {
    const uint64_t weights = 1000 * (1 + random() % 8);
    const double scale = importance(random);
    std::vector<MixtureChoice> choices;
    for (const int bits : {2, 3, 4, 5, 6, 8}) {
      choices.push_back({Format::q4_k, weights * static_cast<uint64_t>(bits) / 8,
                         scale * std::pow(4.0, -bits) * factor(random)});
    }
    matrices.push_back(std::move(choices));
  }
  return matrices;
}

uint64_t bytes_of(const std::vector<std::vector<MixtureChoice>>& matrices,
                  const std::vector<size_t>& chosen) {
  uint64_t sum = 0;
  for (size_t i = 0; i < matrices.size(); ++i) sum += matrices[i][chosen[i]].bytes;
  return sum;
}
double cost_of(const std::vector<std::vector<MixtureChoice>>& matrices,
               const std::vector<size_t>& chosen) {
  double sum = 0;
  for (size_t i = 0; i < matrices.size(); ++i) sum += matrices[i][chosen[i]].cost;
  return sum;
}

TEST(Mixture, HoldsTheBudgetAndCostsLessThanOneFormatForAll) {
  for (unsigned seed = 1; seed <= 20; ++seed) {
    const auto matrices = random_matrices(seed, 30);
    for (size_t uniform = 1; uniform < 6; ++uniform) {
      const std::vector<size_t> all_alike(matrices.size(), uniform);
      const uint64_t budget = bytes_of(matrices, all_alike);
      const auto chosen = choose_mixture(matrices, budget);
      ASSERT_TRUE(chosen);
      EXPECT_LE(bytes_of(matrices, *chosen), budget);
      EXPECT_LE(cost_of(matrices, *chosen), cost_of(matrices, all_alike));
    }
  }
}

TEST(Mixture, TooLittleIsSaid) {
  const auto matrices = random_matrices(1, 3);
  const uint64_t least = bytes_of(matrices, {0, 0, 0});
  EXPECT_FALSE(choose_mixture(matrices, least - 1));
  const auto chosen = choose_mixture(matrices, least);
  ASSERT_TRUE(chosen);
  EXPECT_EQ(*chosen, (std::vector<size_t>{0, 0, 0}));
}

TEST(Mixture, FormatsDivideTheRows) {
  for (const int64_t cols : {256, 896, 4864, 64, 2048}) {
    const auto formats = mixture_formats(cols);
    EXPECT_GE(formats.size(), 4u);
    for (const Format format : formats) EXPECT_EQ(cols % weight_format(format).block_size, 0);
  }
}

}  // namespace
}  // namespace jiang
