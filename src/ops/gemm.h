// gemm: products of float matrices in any orientation, for training: y = x W^T, dx = dy W,
// dW = dy^T x. Blocked for the caches, split over the threads by output tiles.
//
// Each element is one chain of multiply-adds in the order of k, so the result is the same to the
// bit for any number of threads, and with f32 weights the same as matmul.h's.
#pragma once

#include "base/thread_pool.h"
#include "tensor/tensor.h"

namespace jiang {

// A matrix as an operand: itself or its transpose.
struct GemmOperand {
  TensorView stored;
  bool is_transposed = false;

  int64_t rows() const { return is_transposed ? stored.cols : stored.rows; }
  int64_t cols() const { return is_transposed ? stored.rows : stored.cols; }
};
inline GemmOperand plain(TensorView x) { return {x, false}; }
inline GemmOperand transposed(TensorView x) { return {x, true}; }

enum class GemmMode : uint8_t { overwrite, accumulate };

// Packed operands; kept between calls so that a step allocates nothing. One per caller.
class GemmMemory {
 public:
  float* packed(size_t n_floats);
  float* of_thread(int thread, int n_threads, size_t n_floats);
  size_t bytes() const { return packed_.size() + threads_.size(); }

 private:
  AlignedBuffer packed_;
  AlignedBuffer threads_;
};

// c (m, n) = or += a (m, k) b (k, n)
void gemm(TensorView c, GemmOperand a, GemmOperand b, GemmMode mode, GemmMemory& memory,
          ThreadPool& pool);

}  // namespace jiang
