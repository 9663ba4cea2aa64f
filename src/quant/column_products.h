// ColumnProducts: which input columns of a matrix move together, and so can make up for each
// other's errors. The error of a row q for the weights w, over the activations x that it meets, is
//
//   E (w x - q x)^2 = (w - q) H (w - q)^T,   H = E x x^T
//
// of which an importance matrix knows the diagonal alone. H is kept in blocks of 256 columns, the
// length of a super-block: a whole one of a wide layer would be larger than its weights.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/thread_pool.h"

namespace jiang {

inline constexpr int kProductColumns = 256;

class ColumnProducts {
 public:
  // Floats that the products of `cols` columns are: blocks one after the other, each (n, n)
  // row-major with n = 256, less in the last.
  static int64_t count(int64_t cols);

  // `products` as above; they must be finite. Adds a hundredth of the mean of a block's diagonal to
  // it, so that columns which hardly vary in the sample do not take on errors at will.
  ColumnProducts(std::span<const float> products, int64_t cols, ThreadPool& pool);

  int64_t cols() const { return cols_; }
  struct Block {
    int n;
    const float* products;  // H (n, n)
    const float* feedback;  // U (n, n), unit upper triangular: H = U D U^T
  };
  Block block(int64_t first_col) const;

  // r H r^T of r = x - y, rows of `cols`: the mean square error that an activation meets.
  double error(const float* x, const float* y) const;

 private:
  int64_t cols_;
  std::vector<float> products_;
  std::vector<float> feedback_;
};

}  // namespace jiang
