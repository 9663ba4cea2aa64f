// PackedMatrix: a weight matrix re-tiled for dot-product units (kernels/packed.h). One layout
// serves every ISA level. Immutable and self-contained after pack(): the file it came from may go
// away.
#pragma once

#include <cstdint>
#include <memory>
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
  // Over bytes that pack() made of weights like these, 64-byte aligned; `owner` keeps them.
  static PackedMatrix over(Format format, int64_t rows, int64_t cols, const std::byte* packed,
                           std::shared_ptr<const void> owner);
  static size_t bytes_of(Format format, int64_t rows, int64_t cols);

  // Rows [first, first + out.rows) as floats, exactly; `first` is a multiple of kPanelRows.
  void unpack_rows(TensorView out, int64_t first) const;

  int64_t rows() const { return rows_; }
  int64_t cols() const { return cols_; }
  Format format() const { return format_; }
  kernels::Packed layout() const { return layout_; }
  size_t bytes() const { return bytes_of(format_, rows_, cols_); }
  const std::byte* data() const { return owner_ ? mapped_ : storage_.data(); }

 private:
  Format format_ = Format::f32;
  kernels::Packed layout_ = kernels::Packed::f32;
  int64_t rows_ = 0;
  int64_t cols_ = 0;
  AlignedBuffer storage_;
  const std::byte* mapped_ = nullptr;  // in place of storage_, if there is an owner_
  std::shared_ptr<const void> owner_;  // shared by the matrices of one mapped file
};

}  // namespace jiang
