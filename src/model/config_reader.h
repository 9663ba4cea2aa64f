// Reading ModelConfig from Hugging Face's config.json. Every number is bounded here, with its key
// in the error, before anything is allocated from it.
#pragma once

#include <optional>
#include <string_view>

#include "base/function_ref.h"
#include "base/json_value.h"
#include "model/architecture.h"

namespace jiang {

// A count in [1, most].
Result<int32_t> get_count(const Json& json, std::string_view key, int64_t most);
Result<int32_t> get_count_or(const Json& json, std::string_view key, int64_t otherwise,
                             int64_t most);

// The bounds of each kind of count: generous for real models, small enough that products of two
// stay far inside int64.
inline constexpr int64_t kMaxVocabulary = int64_t{1} << 24;
inline constexpr int64_t kMaxWidth = int64_t{1} << 20;
inline constexpr int64_t kMaxLayers = 512;
inline constexpr int64_t kMaxHeads = 4096;
inline constexpr int64_t kMaxContext = int64_t{1} << 27;

// The keys that Llama and most families after it share: sizes, eps, activation, head_dim, tied
// embeddings, and the rope table with its scaling.
Status read_llama_config(const ConfigInput& input, ModelConfig& config);

Result<Activation> read_activation(const Json& json, std::string_view key,
                                   std::string_view otherwise);

// sliding_window of every layer for which is_sliding holds; nothing when the key is null or
// missing. "layer_types" of newer files decides where it is present.
Status read_sliding_window(const Json& json, ModelConfig& config,
                           FunctionRef<bool(int layer)> is_sliding);

// Qwen: the window counts only with "use_sliding_window", and from layer max_window_layers on.
Status read_qwen_windows(const Json& json, ModelConfig& config);

// What must hold whatever the family: whole head groups, an even rotary part, eps above 0.
Status check_config(const ModelConfig& config);

}  // namespace jiang
