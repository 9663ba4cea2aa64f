// Architecture: one family of models: how its config.json reads, what its tensors are called, and
// which block it is made of. One constant per file of arch/, one line in arch/table.cpp.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <string_view>

#include "base/json.h"
#include "base/result.h"
#include "model/config.h"
#include "model/model.h"
#include "model/tensor_names.h"
#include "weights/tensor_source.h"

namespace jiang {

// What configure() reads.
struct ConfigInput {
  const Json& json;            // HF spelling
  const TensorSource& source;  // GGUF keeps factors of rope frequencies as tensors
  int32_t context_length = 0;  // LoadOptions::context_length
};

class TensorLoader;
// Checks what was asked of the loader and packs it; the last thing that a build does with it.
using FinishLoading = std::function<Status(TensorLoader&)>;

struct Architecture {
  std::span<const std::string_view> hf_names;  // of "architectures" in config.json
  std::string_view model_type;                 // where there is no class name
  Status (*configure)(const ConfigInput& input, ModelConfig& config);
  TensorNames names;
  // Asks the loader for every tensor, then finishes.
  Result<std::shared_ptr<const Model>> (*build)(const Architecture& architecture,
                                                const ModelConfig& config, TensorLoader& loader,
                                                const FinishLoading& finish);
};

std::span<const Architecture* const> architectures();
// By class name, or else by model_type. Unknown: an error that names the closest known one.
Result<const Architecture*> find_architecture(const Json& config);

}  // namespace jiang
