#include "tensor/shape.h"

#include "base/checked.h"

namespace jiang {

Shape::Shape(std::initializer_list<int64_t> dims) {
  JIANG_CHECK(dims.size() <= kMaxRank, "too many dimensions");
  for (const int64_t dim : dims) {
    JIANG_CHECK(dim > 0, "extents are positive");
    dims_[static_cast<size_t>(rank_++)] = dim;
  }
}

Result<Shape> Shape::make(std::span<const uint64_t> dims, std::string_view where) {
  if (dims.size() > kMaxRank) {
    return fail(ErrorKind::bad_file, "{} has {} dimensions, at most {} are allowed", where,
                dims.size(), kMaxRank);
  }
  Shape shape;
  uint64_t product = 1;
  for (const uint64_t dim : dims) {
    const auto next = checked_mul(product, dim);
    if (dim == 0 || !next || *next > INT64_MAX) {
      return fail(ErrorKind::bad_file, "{} has an impossible extent {}", where, dim);
    }
    product = *next;
    shape.dims_[static_cast<size_t>(shape.rank_++)] = static_cast<int64_t>(dim);
  }
  return shape;
}

int64_t Shape::elements() const {
  int64_t product = 1;
  for (int i = 0; i < rank_; ++i) product *= dims_[static_cast<size_t>(i)];
  return product;
}

std::string Shape::to_string() const {
  std::string text = "(";
  for (int i = 0; i < rank_; ++i)
    text += (i ? ", " : "") + std::to_string(dims_[static_cast<size_t>(i)]);
  return text + ")";
}

}  // namespace jiang
