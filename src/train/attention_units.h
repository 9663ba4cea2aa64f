// How attention's work is cut into units that threads take in turn: for the files of attention.
#pragma once

#include <algorithm>
#include <span>
#include <vector>

#include "base/check.h"
#include "base/thread_pool.h"
#include "ops/attention.h"
#include "tensor/tensor.h"

namespace jiang {

inline int64_t ceil_div(int64_t n, int64_t by) { return (n + by - 1) / by; }

// At least so many numbers; kept between calls.
template <class T = float>
T* grown(AlignedBuffer& buffer, size_t n) {
  if (buffer.size() < n * sizeof(T)) {
    buffer = AlignedBuffer();
    buffer = AlignedBuffer(n * sizeof(T));
  }
  return buffer.as<T>();
}

inline int64_t longest(std::span<const SequenceRows> sequences) {
  int64_t most = 0;
  for (const SequenceRows& sequence : sequences) most = std::max<int64_t>(most, sequence.n_rows);
  return most;
}

// Fills `first` with running sums of count(sequence); returns their total.
template <class Count>
size_t running_sums(std::vector<size_t>& first, std::span<const SequenceRows> sequences,
                    Count count) {
  first.clear();
  size_t total = 0;
  for (const SequenceRows& sequence : sequences) {
    first.push_back(total);
    total += static_cast<size_t>(count(sequence));
  }
  return total;
}

inline size_t sequence_of(const std::vector<size_t>& first, size_t unit) {
  return static_cast<size_t>(std::upper_bound(first.begin(), first.end(), unit) - first.begin()) -
         1;
}

inline void check_shapes(TensorView q, TensorView k, TensorView v, const AttentionParams& params) {
  JIANG_CHECK(params.causal, "encoders do not train");
  JIANG_CHECK(q.cols == int64_t{params.n_heads} * params.head_dim &&
                  k.cols == int64_t{params.n_kv_heads} * params.head_dim && v.cols == k.cols,
              "q, k or v has another width");
}

}  // namespace jiang
