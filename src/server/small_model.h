// Which models are told to be small: good for a try, not for work, and not for tools.
#pragma once

#include "agent/abilities.h"
#include "runtime/model_manager.h"

namespace jiang {

inline constexpr uint64_t kSmallModelBytes = uint64_t{300} << 20;

inline bool is_small_model(const ModelStatus& status) {
  return status.provider == "local" && status.bytes < kSmallModelBytes;
}

// What an agent should know of the model that it runs on.
inline AgentModel agent_model(const ModelManager& models, LoadedModelEntry& entry) {
  AgentModel model = {.capabilities = entry.backend().capabilities()};
  for (const ModelStatus& status : models.list()) {
    model.is_small = model.is_small || (status.name == entry.name() && is_small_model(status));
  }
  return model;
}

}  // namespace jiang
