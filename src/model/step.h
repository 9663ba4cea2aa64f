// What the forward passes of all models do around their layers.
#pragma once

#include <span>

#include "base/function_ref.h"
#include "model/kv_cache.h"
#include "model/model.h"

namespace jiang {

// A batch as the layers see it. Spans belong to the Batch and its Workspace.
struct Step {
  std::span<const TokenId> tokens = {};     // (n_rows)
  std::span<const int32_t> positions = {};  // (n_rows)
  std::span<const SequenceRows> sequences = {};
  std::span<const int32_t> wanted = {};
  const KvCache* cache = nullptr;
  OutputKind output = OutputKind::logits;
  const std::function<bool()>* is_abandoned = nullptr;

  bool goes_on() const { return !is_abandoned || !(*is_abandoned)(); }
};

// Checks the batch against the states and works out each row's position. `pool`: nullptr for a pass
// without cache. Positions lie below max_positions where the model has no more of them.
Step begin_step(const Batch& batch, StatePool* pool, Workspace& work, int32_t max_positions,
                bool is_bounded);
// The states have grown by their rows.
void end_step(const Batch& batch, StatePool* pool);

// Arena bytes of a pass over n_rows rows, exactly.
size_t measure_step(int32_t n_rows, int32_t n_wanted, FunctionRef<void(Ops&, const Step&)> pass);

void copy_rows(TensorView from, TensorView to);

}  // namespace jiang
