// Attention with its gradient: softmax(scale q k^T + mask) v over the rows of each sequence of a
// packed batch. The probabilities are not kept: backward makes them again from the logarithms of
// their sums (as in FlashAttention, arXiv 2205.14135).
//
// Bit-identical for any number of threads.
#pragma once

#include <span>
#include <vector>

#include "base/thread_pool.h"
#include "ops/attention.h"
#include "tensor/tensor.h"

namespace jiang {

class TrainingAttention {
 public:
  // q, out (tokens, n_heads * head_dim); k, v (tokens, n_kv_heads * head_dim). log_sums (n_heads,
  // tokens) is written for backward.
  void forward(ThreadPool& pool, TensorView out, TensorView log_sums, TensorView q, TensorView k,
               TensorView v, std::span<const SequenceRows> sequences,
               const AttentionParams& params);
  // Overwrites dq, dk and dv.
  void backward(ThreadPool& pool, TensorView dq, TensorView dk, TensorView dv, TensorView dout,
                TensorView out, TensorView log_sums, TensorView q, TensorView k, TensorView v,
                std::span<const SequenceRows> sequences, const AttentionParams& params);

 private:
  AlignedBuffer keys_, values_;      // transposed, in panels
  AlignedBuffer scores_;             // of each thread
  AlignedBuffer deltas_;             // (n_heads, tokens)
  std::vector<size_t> first_panel_;  // of each sequence
  std::vector<size_t> first_unit_;
};

}  // namespace jiang
