// WeightMatrix: a borrowed (rows, cols) matrix of weights in canonical on-disk order.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "quant/weight_format.h"

namespace jiang {

struct WeightMatrix {
  Format format = Format::f32;
  int64_t rows = 0;
  int64_t cols = 0;
  const std::byte* data = nullptr;

  uint64_t row_bytes() const { return *weight_format(format).row_bytes(cols); }
  const std::byte* row(int64_t i) const { return data + static_cast<uint64_t>(i) * row_bytes(); }
  // out (cols)
  void dequantize_row(int64_t i, float* out) const {
    weight_format(format).dequantize(out, row(i), cols);
  }
};

}  // namespace jiang
