// Softmax attention over paged K/V blocks, or over the batch's own rows.
//
// Keys are walked in blocks of kKvBlockTokens counted from position 0, so that a row's result
// depends on its position and on nothing else: not on the chunk, batch or thread it ran in.
#pragma once

#include <vector>

#include "base/thread_pool.h"
#include "kernels/rows.h"
#include "ops/attention.h"
#include "tensor/tensor.h"

namespace jiang {

class PagedAttention {
 public:
  // Writes k and v (tokens, n_kv_heads * head_dim) into their sequences' blocks.
  void store(ThreadPool& pool, const kernels::RowTable& rows, TensorView k, TensorView v,
             const KvLayer& cache, std::span<const SequenceRows> sequences);
  // cache == nullptr: keys and values are rows of k and v.
  void attend(ThreadPool& pool, const kernels::RowTable& rows, TensorView out, TensorView q,
              TensorView k, TensorView v, const KvLayer* cache,
              std::span<const SequenceRows> sequences, const AttentionParams& params);

 private:
  std::vector<int64_t> first_unit_;  // of each sequence; kept to save an allocation per call
};

}  // namespace jiang
