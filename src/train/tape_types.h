// What a Tape remembers: nodes (verbs with their inputs) and values (what they returned). For the
// tape's own files.
#pragma once

#include "train/tape.h"

namespace jiang {

enum class Verb : uint8_t {
  copy,
  embedding,
  linear,
  rms_norm,
  layer_norm,
  rope,
  attention,
  activation,
  gated,
  add,
  add_row,
  scale,
  softcap,
  select_rows,
};

// Spans and pointers belong to the model and to the step's batch.
struct Tape::Node {
  Verb verb = Verb::copy;
  ValueId in[3] = {kNone, kNone, kNone};
  ValueId out = kNone;
  ValueId extra = kNone;  // attention: the logarithms of the sums
  const Linear* linear = nullptr;
  const WeightMatrix* table = nullptr;
  std::span<const float> weight = {};
  std::span<const float> bias = {};
  std::span<const int32_t> indices = {};  // ids, positions, rows
  float number = 0;                       // eps, factor, cap
  Activation activation = Activation::silu;
  int32_t head_dim = 0;
  const RopeTable* rope = nullptr;
  std::span<const SequenceRows> sequences = {};
  AttentionParams attention = {};
};

struct Tape::Value {
  TensorView view;  // data is nullptr while dropped
  bool needs_gradient = false;
  bool is_needed = false;  // by the gradient of a verb that took or gave it
  bool is_boundary = false;
  int32_t gradient = -1;  // of buffers_
};

template <class F>
void Tape::by_rows(int64_t rows, int64_t cols, const F& work) {
  constexpr int64_t kWorthSplitting = 16384;
  const auto range = [&](size_t begin, size_t end) {
    for (size_t i = begin; i < end; ++i) work(static_cast<int64_t>(i));
  };
  if (rows * cols < kWorthSplitting) return range(0, static_cast<size_t>(rows));
  pool_->parallel_for(static_cast<size_t>(rows), 1, range);
}

}  // namespace jiang
