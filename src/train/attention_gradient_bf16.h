// Attention with its gradient, as attention_gradient.h, its products in bf16 with sums in f32
// (kernels/bf16.h); the softmax stays in f32. Bit-identical for any number of threads.
#pragma once

#include <span>
#include <vector>

#include "base/thread_pool.h"
#include "ops/attention.h"
#include "tensor/tensor.h"

namespace jiang {

class Bf16Attention {
 public:
  // As TrainingAttention's.
  void forward(ThreadPool& pool, TensorView out, TensorView log_sums, TensorView q, TensorView k,
               TensorView v, std::span<const SequenceRows> sequences,
               const AttentionParams& params);
  void backward(ThreadPool& pool, TensorView dq, TensorView dk, TensorView dv, TensorView dout,
                TensorView out, TensorView log_sums, TensorView q, TensorView k, TensorView v,
                std::span<const SequenceRows> sequences, const AttentionParams& params);

 private:
  // Packed, of all heads of all sequences.
  AlignedBuffer keys_, values_;
  AlignedBuffer keys_across_, queries_;  // backward: keys along k; four forms of queries
  AlignedBuffer scores_, score_tiles_;   // of each thread
  AlignedBuffer deltas_;                 // (n_heads, tokens)
  std::vector<size_t> first_tile_;       // of each sequence
  std::vector<size_t> first_unit_;
};

}  // namespace jiang
