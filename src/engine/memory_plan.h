// MemoryPlan: the sizes an engine runs with, derived from its options and checked against the
// memory budget before anything is allocated.
#pragma once

#include "engine/engine.h"

namespace jiang {

struct MemoryPlan {
  int32_t context = 0;
  int64_t kv_tokens = 0;
  size_t workspace_bytes = 0;
  uint64_t budget = 0;     // bytes
  uint64_t committed = 0;  // of the budget: weights, state, workspace, logits
};

// "1.5 GB", powers of 1000
std::string memory_text(uint64_t bytes);

Result<MemoryPlan> plan_memory(const Model& model, const EngineOptions& options,
                               uint64_t machine_memory);

}  // namespace jiang
