#include "quant/column_products.h"

#include <algorithm>

#include "base/check.h"

namespace jiang {
namespace {

constexpr double kDamping = 0.01;
constexpr int64_t kBlockFloats = int64_t{kProductColumns} * kProductColumns;

// H = U D U^T with U unit upper triangular, from the last column backwards.
void factorise(float* feedback, const float* products, int n) {
  const auto width = static_cast<size_t>(n);
  std::vector<double> upper(width * width), diagonal(width);
  for (size_t j = width; j-- > 0;) {
    double d = products[j * width + j];
    for (size_t k = j + 1; k < width; ++k) {
      d -= upper[j * width + k] * upper[j * width + k] * diagonal[k];
    }
    diagonal[j] = d;
    upper[j * width + j] = 1;
    for (size_t i = 0; i < j; ++i) {
      double sum = products[i * width + j];
      for (size_t k = j + 1; k < width; ++k) {
        sum -= upper[i * width + k] * upper[j * width + k] * diagonal[k];
      }
      upper[i * width + j] = d > 0 ? sum / d : 0;
    }
  }
  std::transform(upper.begin(), upper.end(), feedback,
                 [](double x) { return static_cast<float>(x); });
}

}  // namespace

int64_t ColumnProducts::count(int64_t cols) {
  const int64_t rest = cols % kProductColumns;
  return cols / kProductColumns * kBlockFloats + rest * rest;
}

ColumnProducts::ColumnProducts(std::span<const float> products, int64_t cols, ThreadPool& pool)
    : cols_(cols), products_(products.begin(), products.end()), feedback_(products.size()) {
  JIANG_CHECK(static_cast<int64_t>(products.size()) == count(cols), "products of other columns");
  const auto blocks = static_cast<size_t>((cols + kProductColumns - 1) / kProductColumns);
  pool.parallel_for(blocks, 1, [&](size_t begin, size_t end) {
    for (size_t b = begin; b < end; ++b) {
      const int64_t first = static_cast<int64_t>(b) * kProductColumns;
      const auto n = static_cast<int>(std::min<int64_t>(kProductColumns, cols - first));
      float* h = products_.data() + static_cast<int64_t>(b) * kBlockFloats;
      double trace = 0;
      for (int i = 0; i < n; ++i) trace += h[i * n + i];
      const auto damping = static_cast<float>(trace > 0 ? kDamping * trace / n : 1);
      for (int i = 0; i < n; ++i) h[i * n + i] += damping;
      factorise(feedback_.data() + static_cast<int64_t>(b) * kBlockFloats, h, n);
    }
  });
}

ColumnProducts::Block ColumnProducts::block(int64_t first_col) const {
  const int64_t at = first_col / kProductColumns * kBlockFloats;
  const auto n = static_cast<int>(std::min<int64_t>(kProductColumns, cols_ - first_col));
  return {n, products_.data() + at, feedback_.data() + at};
}

double ColumnProducts::error(const float* x, const float* y) const {
  double total = 0;
  float rest[kProductColumns];
  for (int64_t first = 0; first < cols_; first += kProductColumns) {
    const Block h = block(first);
    for (int i = 0; i < h.n; ++i) rest[i] = x[first + i] - y[first + i];
    for (int i = 0; i < h.n; ++i) {
      float sum = 0;
      for (int j = 0; j < h.n; ++j) sum += h.products[i * h.n + j] * rest[j];
      total += double{rest[i]} * sum;
    }
  }
  return total;
}

}  // namespace jiang
