// Shape: up to four extents, outermost first, row-major (the last index is contiguous).
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>

#include "base/result.h"

namespace jiang {

class Shape {
 public:
  static constexpr int kMaxRank = 4;

  Shape() = default;
  Shape(std::initializer_list<int64_t> dims);  // trusted extents; JIANG_CHECK on nonsense

  // Extents from a file: at most four, each > 0, the product within int64.
  static Result<Shape> make(std::span<const uint64_t> dims, std::string_view where);

  int rank() const { return rank_; }
  int64_t operator[](int i) const { return dims_[static_cast<size_t>(i)]; }
  int64_t elements() const;
  int64_t cols() const { return rank_ ? dims_[static_cast<size_t>(rank_ - 1)] : 1; }
  int64_t rows() const { return elements() / cols(); }
  bool operator==(const Shape&) const = default;
  std::string to_string() const;  // "(151936, 896)"

 private:
  std::array<int64_t, kMaxRank> dims_{};
  int rank_ = 0;
};

}  // namespace jiang
