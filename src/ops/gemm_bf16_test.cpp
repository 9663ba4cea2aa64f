#include "ops/gemm_bf16.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <random>

namespace jiang {
namespace {

Tensor normal_matrix(int64_t rows, int64_t cols, uint32_t seed) {
  Tensor x(rows, cols);
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(0, 1);
  for (int64_t i = 0; i < rows * cols; ++i) x.view().data[i] = normal(random);
  return x;
}

Tensor transpose_of(TensorView x) {
  Tensor out(x.cols, x.rows);
  for (int64_t i = 0; i < x.rows; ++i) {
    for (int64_t j = 0; j < x.cols; ++j) out.view().row(j)[i] = x.row(i)[j];
  }
  return out;
}

bool equal_bits(TensorView a, TensorView b) {
  return std::memcmp(a.data, b.data, static_cast<size_t>(a.rows * a.cols) * sizeof(float)) == 0;
}

// Shapes around the borders of tiles, slices and blocks.
constexpr int64_t kProducts[][3] = {{1, 1, 1},      {5, 7, 3},     {64, 256, 512},  {65, 257, 513},
                                    {130, 33, 300}, {13, 300, 17}, {200, 16, 1030}, {2, 64, 1}};

void product(TensorView c, GemmOperand a, GemmOperand b, GemmMode mode, ThreadPool& pool) {
  Bf16Factor left, right;
  left.pack(FactorSide::left, a, pool);
  right.pack(FactorSide::right, b, pool);
  multiply(c, left, right, mode, pool);
}

// Each factor is off by 2^-8 of itself at most, so the sum by 2^-7 + 2^-16 of sum |a b|; the sum's
// own roundings, k 2^-24, take the rest.
TEST(GemmBf16, EveryOrientationIsTheSameSumNearTheExactOne) {
  ThreadPool pool(3);
  for (const auto& [m, n, k] : kProducts) {
    const Tensor a = normal_matrix(m, k, 1), b = normal_matrix(k, n, 2);
    const Tensor at = transpose_of(a.view()), bt = transpose_of(b.view());
    Tensor c(m, n);
    product(c.view(), plain(a.view()), plain(b.view()), GemmMode::overwrite, pool);
    for (int64_t i = 0; i < m; ++i) {
      for (int64_t j = 0; j < n; ++j) {
        double sum = 0, size = 0;
        for (int64_t x = 0; x < k; ++x) {
          const double part = static_cast<double>(a.view().row(i)[x]) * b.view().row(x)[j];
          sum += part;
          size += std::abs(part);
        }
        ASSERT_NEAR(c.view().row(i)[j], sum, (0x1p-7 + 0x1p-13) * size);
      }
    }
    for (const bool ta : {false, true}) {
      for (const bool tb : {false, true}) {
        Tensor other(m, n);
        product(other.view(), ta ? transposed(at.view()) : plain(a.view()),
                tb ? transposed(bt.view()) : plain(b.view()), GemmMode::overwrite, pool);
        ASSERT_TRUE(equal_bits(c.view(), other.view())) << m << " " << n << " " << k;
      }
    }
  }
}

TEST(GemmBf16, ThreadsChangeNoBitAndAccumulatingContinuesTheSums) {
  ThreadPool one(1), four(4);
  const Tensor a = normal_matrix(150, 704, 3), b = normal_matrix(704, 390, 4);
  Tensor whole(150, 390), threads(150, 390), parts(150, 390);
  product(whole.view(), plain(a.view()), plain(b.view()), GemmMode::overwrite, one);
  product(threads.view(), plain(a.view()), plain(b.view()), GemmMode::overwrite, four);
  EXPECT_TRUE(equal_bits(whole.view(), threads.view()));
  // At a border of tiles of k the sum goes on to the same bits.
  product(parts.view(), plain(a.view().columns(0, 320)), plain(b.view().rows_from(0, 320)),
          GemmMode::overwrite, four);
  product(parts.view(), plain(a.view().columns(320, 384)), plain(b.view().rows_from(320, 384)),
          GemmMode::accumulate, four);
  EXPECT_TRUE(equal_bits(whole.view(), parts.view()));
}

TEST(GemmBf16, PackingBothIsPackingEach) {
  ThreadPool pool(2);
  for (const auto& [rows, cols, unused] : kProducts) {
    const Tensor x = normal_matrix(rows, cols, 5);
    Bf16Factor plain_both, transposed_both, plain_one, transposed_one;
    Bf16Factor::pack_both(plain_both, transposed_both, x.view(), pool);
    plain_one.pack(FactorSide::left, plain(x.view()), pool);
    transposed_one.pack(FactorSide::left, transposed(x.view()), pool);
    (void)unused;
    const size_t bytes = Bf16Factor::bytes_for(rows, cols);
    EXPECT_EQ(std::memcmp(plain_both.panel(0), plain_one.panel(0), bytes), 0);
    EXPECT_EQ(std::memcmp(transposed_both.panel(0), transposed_one.panel(0),
                          Bf16Factor::bytes_for(cols, rows)),
              0);
  }
}

}  // namespace
}  // namespace jiang
