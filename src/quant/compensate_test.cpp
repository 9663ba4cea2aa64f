// Columns that make up for each other's errors.
#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "quant/column_products.h"
#include "quant/weight_format.h"

namespace jiang {
namespace {

// E x x^T of activations that are mixtures of a few common causes and noise of their own.
std::vector<float> correlated_products(int64_t cols, unsigned seed) {
  constexpr int kCauses = 12, kSamples = 600;
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  std::vector<float> products;
  for (int64_t first = 0; first < cols; first += kProductColumns) {
    const auto n = static_cast<size_t>(std::min<int64_t>(kProductColumns, cols - first));
    std::vector<float> loads(n * kCauses), x(n), block(n * n);
    for (float& load : loads) load = normal(random);
    for (int sample = 0; sample < kSamples; ++sample) {
      float causes[kCauses];
      for (float& cause : causes) cause = normal(random);
      for (size_t i = 0; i < n; ++i) {
        x[i] = 0.5f * normal(random);
        for (size_t k = 0; k < kCauses; ++k) x[i] += 0.4f * loads[i * kCauses + k] * causes[k];
      }
      for (size_t i = 0; i < n; ++i) {
        for (size_t j = 0; j < n; ++j) block[i * n + j] += x[i] * x[j] / kSamples;
      }
    }
    products.insert(products.end(), block.begin(), block.end());
  }
  return products;
}

std::vector<float> row_of(int64_t n, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(0, 0.02f);
  std::vector<float> row(static_cast<size_t>(n));
  for (float& value : row) value = normal(random);
  return row;
}

std::vector<const WeightFormat*> formats_that_compensate() {
  std::vector<const WeightFormat*> formats;
  for (const WeightFormat& format : weight_formats()) {
    if (format.compensate) formats.push_back(&format);
  }
  return formats;
}

std::vector<float> decoded(const WeightFormat& format, const std::vector<unsigned char>& bytes,
                           size_t n) {
  std::vector<float> values(n);
  format.dequantize(values.data(), bytes.data() + 1, static_cast<int64_t>(n));
  return values;
}

TEST(Compensate, LessensTheErrorThatActivationsMeet) {
  ThreadPool pool(2);
  ASSERT_EQ(formats_that_compensate().size(), 11u);
  for (const WeightFormat* format : formats_that_compensate()) {
    const int64_t cols = format->block_size == 256 ? 512 : 352;  // a last block of 96 columns
    const ColumnProducts products(correlated_products(cols, 5), cols, pool);
    double before = 0, after = 0;
    for (unsigned seed = 1; seed <= 4; ++seed) {
      const auto x = row_of(cols, seed);
      // One byte off alignment and one byte beyond, which must stay as it is.
      std::vector<unsigned char> bytes(*format->row_bytes(cols) + 2, 0xee);
      format->quantize(bytes.data() + 1, x.data(), cols, nullptr);
      before += products.error(x.data(), decoded(*format, bytes, x.size()).data());
      auto again = bytes;
      format->compensate(bytes.data() + 1, x.data(), cols, products);
      after += products.error(x.data(), decoded(*format, bytes, x.size()).data());
      EXPECT_EQ(bytes.front(), 0xee);
      EXPECT_EQ(bytes.back(), 0xee);
      format->compensate(again.data() + 1, x.data(), cols, products);
      EXPECT_EQ(again, bytes) << format->name;
    }
    EXPECT_LT(after, 0.6 * before) << format->name;
  }
}

TEST(Compensate, OddRowsStayWhole) {
  ThreadPool pool(1);
  for (const WeightFormat* format : formats_that_compensate()) {
    const ColumnProducts products(correlated_products(256, 7), 256, pool);
    const ColumnProducts never_met(std::vector<float>(256 * 256), 256, pool);
    auto ramp = row_of(256, 3);
    for (size_t i = 0; i < 256; ++i) ramp[i] = static_cast<float>(i) * 200;
    for (const auto& x : {std::vector<float>(256), std::vector<float>(256, 65504.0f), ramp}) {
      for (const ColumnProducts* each : {&products, &never_met}) {
        std::vector<unsigned char> bytes(*format->row_bytes(256) + 2, 0xee);
        format->quantize(bytes.data() + 1, x.data(), 256, nullptr);
        const double before = each->error(x.data(), decoded(*format, bytes, 256).data());
        format->compensate(bytes.data() + 1, x.data(), 256, *each);
        const auto y = decoded(*format, bytes, 256);
        for (const float value : y) ASSERT_TRUE(std::isfinite(value)) << format->name;
        // The search sums floats, this doubles.
        EXPECT_LE(each->error(x.data(), y.data()), before * 1.001 + 1e-6) << format->name;
      }
    }
  }
}

TEST(ColumnProducts, AreFactorised) {
  ThreadPool pool(2);
  const int64_t cols = 288;
  const ColumnProducts products(correlated_products(cols, 2), cols, pool);
  EXPECT_EQ(ColumnProducts::count(cols), 256 * 256 + 32 * 32);
  for (const int64_t first : {int64_t{0}, int64_t{256}}) {
    const ColumnProducts::Block block = products.block(first);
    EXPECT_EQ(block.n, first == 0 ? 256 : 32);
    // H U^-T is then lower in no place: solve H = U M, and M = D U^T has zeros above the diagonal.
    const auto n = static_cast<size_t>(block.n);
    std::vector<double> m(block.products, block.products + n * n);
    for (size_t i = n; i-- > 0;) {
      for (size_t k = i + 1; k < n; ++k) {
        const double u = block.feedback[i * n + k];
        for (size_t j = 0; j < n; ++j) m[i * n + j] -= u * m[k * n + j];
      }
    }
    for (size_t i = 0; i < n; ++i) {
      EXPECT_GT(m[i * n + i], 0);
      for (size_t j = i + 1; j < n; ++j) ASSERT_NEAR(m[i * n + j], 0, 1e-3) << i << " " << j;
    }
  }
}

}  // namespace
}  // namespace jiang
