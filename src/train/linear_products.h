// The three products of a linear layer: y = x W^T, dx = dy W, dW += dy^T x, in f32 or in bf16. In
// bf16 a factor that is used again within a pass is packed once.
#pragma once

#include "ops/gemm.h"
#include "ops/gemm_bf16.h"
#include "train/compute.h"

namespace jiang {

class LinearProducts {
 public:
  // Names what a matrix holds, until forget(): the same name is the same numbers. 0: no name.
  using Name = int64_t;

  explicit LinearProducts(Compute compute) : compute_(compute) {}

  // At the beginning of a pass: weights have changed, names are used anew.
  void forget();
  void forward(TensorView y, TensorView x, Name x_name, TensorView weight, ThreadPool& pool);
  // dx may be empty.
  void backward(TensorView dx, GemmMode mode, TensorView dweight, TensorView dy, TensorView x,
                Name x_name, TensorView weight, ThreadPool& pool);
  // dx = or += dy W alone, of a weight that does not train and is here for this call only.
  void backward_input(TensorView dx, GemmMode mode, TensorView dy, TensorView weight,
                      ThreadPool& pool);

  // Products of the same shapes, which only count; then the bytes that they will hold.
  void count(int64_t rows, int64_t in, int64_t out);
  size_t counted_bytes() const { return 2 * (x_bytes_ + dy_bytes_ + weight_bytes_); }

  // For products that stay in f32.
  GemmMemory& memory() { return memory_; }

 private:
  struct Named {
    Bf16Factor factor;
    Name name = 0;
    const float* weight = nullptr;
  };
  const Bf16Factor& input(Named& slot, FactorSide side, GemmOperand x, Name name, ThreadPool& pool);
  const Bf16Factor& weight_factor(Named& slot, GemmOperand weight, ThreadPool& pool);

  Compute compute_;
  GemmMemory memory_;
  Named x_rows_, x_columns_;  // of x W^T, and of dy^T x
  Named forward_, backward_;  // the weight as W^T, and as W
  Bf16Factor dy_rows_, dy_columns_;
  Bf16Factor passing_;  // a weight of backward_input
  size_t x_bytes_ = 0, dy_bytes_ = 0, weight_bytes_ = 0;
};

}  // namespace jiang
