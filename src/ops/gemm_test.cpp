#include "ops/gemm.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <random>

#include "ops/matmul.h"

namespace jiang {
namespace {

Tensor random_matrix(int64_t rows, int64_t cols, uint32_t seed) {
  Tensor x(rows, cols);
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(0, 1);
  for (int64_t i = 0; i < rows * cols; ++i) x.view().data[i] = normal(random);
  return x;
}

Tensor transpose(TensorView x) {
  Tensor out(x.cols, x.rows);
  for (int64_t i = 0; i < x.rows; ++i) {
    for (int64_t j = 0; j < x.cols; ++j) out.view().row(j)[i] = x.row(i)[j];
  }
  return out;
}

bool same_bits(TensorView a, TensorView b) {
  return std::memcmp(a.data, b.data, static_cast<size_t>(a.rows * a.cols) * sizeof(float)) == 0;
}

// Shapes around the borders of tiles, slices and panels.
constexpr int64_t kShapes[][3] = {{1, 1, 1},      {5, 7, 3},     {96, 256, 256}, {97, 257, 255},
                                  {130, 33, 300}, {13, 300, 17}, {200, 16, 513}, {2, 64, 1}};

TEST(Gemm, EveryOrientationIsTheSameSum) {
  ThreadPool pool(3);
  GemmMemory memory;
  for (const auto& [m, n, k] : kShapes) {
    const Tensor a = random_matrix(m, k, 1), b = random_matrix(k, n, 2);
    const Tensor at = transpose(a.view()), bt = transpose(b.view());
    Tensor c(m, n);
    gemm(c.view(), plain(a.view()), plain(b.view()), GemmMode::overwrite, memory, pool);
    for (int64_t i = 0; i < m; ++i) {
      for (int64_t j = 0; j < n; ++j) {
        double sum = 0;
        for (int64_t x = 0; x < k; ++x)
          sum += static_cast<double>(a.view().row(i)[x]) * b.view().row(x)[j];
        // k roundings of sums of size sqrt(k) at most, as a random walk
        ASSERT_NEAR(c.view().row(i)[j], sum, 1e-6 * static_cast<double>(k) + 1e-6);
      }
    }
    for (const bool ta : {false, true}) {
      for (const bool tb : {false, true}) {
        Tensor other(m, n);
        gemm(other.view(), ta ? transposed(at.view()) : plain(a.view()),
             tb ? transposed(bt.view()) : plain(b.view()), GemmMode::overwrite, memory, pool);
        ASSERT_TRUE(same_bits(c.view(), other.view())) << m << " " << n << " " << k;
      }
    }
  }
}

TEST(Gemm, ThreadsAndSlicesChangeNoBit) {
  ThreadPool one(1), four(4);
  GemmMemory memory;
  const Tensor a = random_matrix(150, 700, 3), b = random_matrix(700, 190, 4);
  Tensor whole(150, 190), threads(150, 190), slices(150, 190);
  gemm(whole.view(), plain(a.view()), plain(b.view()), GemmMode::overwrite, memory, one);
  gemm(threads.view(), plain(a.view()), plain(b.view()), GemmMode::overwrite, memory, four);
  EXPECT_TRUE(same_bits(whole.view(), threads.view()));
  gemm(slices.view(), plain(a.view().columns(0, 333)), plain(b.view().rows_from(0, 333)),
       GemmMode::overwrite, memory, four);
  gemm(slices.view(), plain(a.view().columns(333, 367)), plain(b.view().rows_from(333, 367)),
       GemmMode::accumulate, memory, four);
  EXPECT_TRUE(same_bits(whole.view(), slices.view()));
}

// Training computes the model that the engine runs: the same bits with f32 weights.
TEST(Gemm, IsTheEnginesProductOfF32Weights) {
  ThreadPool pool(2);
  GemmMemory memory;
  const Tensor x = random_matrix(37, 200, 5), w = random_matrix(75, 200, 6);
  const PackedMatrix packed = PackedMatrix::pack(
      {Format::f32, 75, 200, reinterpret_cast<const std::byte*>(w.view().data)}, pool);
  AlignedBuffer buffer(prepared_bytes(ActivationKind::f32, 37, 200));
  Tensor engine(37, 75), ours(37, 75);
  matmul(engine.view(), prepare_activations(ActivationKind::f32, x.view(), buffer.data(), pool),
         packed, {}, pool);
  gemm(ours.view(), plain(x.view()), transposed(w.view()), GemmMode::overwrite, memory, pool);
  EXPECT_TRUE(same_bits(engine.view(), ours.view()));
}

// Frozen weights give their values back exactly, whatever their format.
TEST(PackedMatrix, UnpackedRowsAreTheDequantisedOnes) {
  ThreadPool pool(2);
  constexpr int64_t kRows = 37, kCols = 512;
  const Tensor w = random_matrix(kRows, kCols, 7);
  for (const WeightFormat& format : weight_formats()) {
    if (!format.quantize) continue;
    const uint64_t row_bytes = *format.row_bytes(kCols);
    std::vector<std::byte> bytes(row_bytes * kRows);
    for (int64_t i = 0; i < kRows; ++i) {
      format.quantize(bytes.data() + static_cast<uint64_t>(i) * row_bytes, w.view().row(i), kCols,
                      nullptr);
    }
    const WeightMatrix matrix{format.id, kRows, kCols, bytes.data()};
    const PackedMatrix packed = PackedMatrix::pack(matrix, pool);
    Tensor out(kRows, kCols);
    packed.unpack_rows(out.view().rows_from(0, 16), 0);
    packed.unpack_rows(out.view().rows_from(16, kRows - 16), 16);
    std::vector<float> row(kCols);
    for (int64_t i = 0; i < kRows; ++i) {
      matrix.dequantize_row(i, row.data());
      for (int64_t c = 0; c < kCols; ++c) {
        ASSERT_NEAR(out.view().row(i)[c], row[static_cast<size_t>(c)],
                    1e-6f * std::abs(row[static_cast<size_t>(c)]) + 1e-7f)
            << format.name << " row " << i << " column " << c;
      }
    }
  }
}

}  // namespace
}  // namespace jiang
