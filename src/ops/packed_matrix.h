// PackedMatrix: a weight matrix re-tiled for dot-product units (kernels/packed.h). One layout
// serves every ISA level. Immutable and self-contained after pack(): the file it came from may go
// away.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/result.h"
#include "base/thread_pool.h"
#include "kernels/packed.h"
#include "quant/weight_matrix.h"
#include "tensor/tensor.h"

namespace jiang {

class PackedMatrix {
 public:
  PackedMatrix() = default;
  // Lossless: every format has a packed layout that holds its weights exactly.
  static PackedMatrix pack(const WeightMatrix& weights, ThreadPool& pool);

  // Rows [first, first + out.rows) as floats, exactly; `first` is a multiple of kPanelRows.
  void unpack_rows(TensorView out, int64_t first) const;

  int64_t rows() const { return rows_; }
  int64_t cols() const { return cols_; }
  Format format() const { return format_; }
  kernels::Packed layout() const { return layout_; }
  size_t bytes() const { return storage_.size(); }
  const std::byte* data() const { return storage_.data(); }

 private:
  Format format_ = Format::f32;
  kernels::Packed layout_ = kernels::Packed::f32;
  int64_t rows_ = 0;
  int64_t cols_ = 0;
  AlignedBuffer storage_;
};

}  // namespace jiang
