// Products of float matrices whose factors are rounded to bf16 and whose sums are f32: training's
// faster gemm (kernels/bf16.h, docs/decisions/0114). A factor is packed first, and may then be
// multiplied more than once.
//
// Each element is summed by one thread in the order of k: the same bits for any number of threads.
// One caller at a time.
#pragma once

#include "base/thread_pool.h"
#include "ops/gemm.h"
#include "tensor/tensor.h"

namespace jiang {

enum class FactorSide : uint8_t { left, right };

class Bf16Factor {
 public:
  // Rounds and packs `x`: (m, k) on the left, (k, n) on the right. Memory is kept for the next.
  void pack(FactorSide side, GemmOperand x, ThreadPool& pool);
  // x and its transpose, both as left factors, reading x once.
  static void pack_both(Bf16Factor& plain, Bf16Factor& transposed, TensorView x, ThreadPool& pool);

  // What pack() will take for m or n lines of k.
  static size_t bytes_for(int64_t lines, int64_t k);

  int64_t lines() const { return lines_; }
  int64_t k() const { return k_; }
  const uint16_t* panel(int64_t line) const;  // line: a multiple of 16
  int64_t panel_stride() const;

 private:
  void reshape(int64_t lines, int64_t k);
  uint16_t* tile(int64_t panel, int64_t k_tile);

  AlignedBuffer memory_;
  int64_t lines_ = 0;
  int64_t k_ = 0;
};

// c = or += a b
void multiply(TensorView c, const Bf16Factor& a, const Bf16Factor& b, GemmMode mode,
              ThreadPool& pool);

}  // namespace jiang
