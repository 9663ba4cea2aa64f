// Trained adapters as files: PEFT's (adapter_config.json, adapter_model.safetensors) and GGUF's.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "model/model.h"
#include "train/parameters.h"
#include "train/recipe.h"

namespace jiang {

// An adapter of one linear; parts of a fused matrix (q, k, v of Phi-3) are named "...:q".
struct TrainedAdapter {
  std::string name;  // HF name of the weight: "model.layers.0.self_attn.q_proj.weight"
  const Parameter* a;
  const Parameter* b;
};

// `folder` exists. `base` names the model for PEFT's reader. Errors where GGUF has no name for a
// tensor.
Status write_adapters(const std::string& folder, const std::vector<TrainedAdapter>& adapters,
                      const LoraRecipe& lora, const TensorSource& base);

}  // namespace jiang
