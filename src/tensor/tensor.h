// Float tensors of a forward pass: always (rows, cols), rows being tokens. Views are two words and
// three numbers, passed by value; a view never owns.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

namespace jiang {

// Zeroed memory aligned to 64 bytes (a cache line, a zmm register).
class AlignedBuffer {
 public:
  AlignedBuffer() = default;
  explicit AlignedBuffer(size_t bytes);
  std::byte* data() const { return data_.get(); }
  size_t size() const { return size_; }
  template <class T>
  T* as() const {
    return reinterpret_cast<T*>(data_.get());
  }

 private:
  struct Free {
    void operator()(std::byte* memory) const;
  };
  std::unique_ptr<std::byte[], Free> data_;
  size_t size_ = 0;
};

// A row-major matrix of floats; `stride` floats lie between the starts of rows, so that the q, k
// and v columns of one fused projection are views of it.
struct TensorView {
  float* data = nullptr;
  int64_t rows = 0;
  int64_t cols = 0;
  int64_t stride = 0;

  float* row(int64_t i) const { return data + i * stride; }
  bool is_contiguous() const { return stride == cols; }
  TensorView columns(int64_t first, int64_t count) const {
    return {data + first, rows, count, stride};
  }
  TensorView rows_from(int64_t first, int64_t count) const {
    return {row(first), count, cols, stride};
  }
};

class Tensor {
 public:
  Tensor() = default;
  Tensor(int64_t rows, int64_t cols)
      : buffer_(static_cast<size_t>(rows * cols) * sizeof(float)), rows_(rows), cols_(cols) {}
  TensorView view() const { return {buffer_.as<float>(), rows_, cols_, cols_}; }

 private:
  AlignedBuffer buffer_;
  int64_t rows_ = 0;
  int64_t cols_ = 0;
};

}  // namespace jiang
