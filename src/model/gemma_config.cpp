#include "model/gemma_config.h"

#include <cmath>

namespace jiang {

Status read_gemma_config(const ConfigInput& input, ModelConfig& config) {
  config.tie_word_embeddings = true;
  TRY_STATUS(read_llama_config(input, config));
  // "hidden_act" of old files says "gelu" and means the tanh form; "hidden_activation" tells the
  // truth.
  TRY(config.hidden_act, read_activation(input.json, "hidden_activation", "gelu_pytorch_tanh"));
  config.norm_adds_one = true;
  config.post_norms = true;
  config.embedding_scale = std::sqrt(static_cast<float>(config.hidden_size));
  TRY(const double scalar, get_number_or(input.json, "query_pre_attn_scalar", 256, "config.json"));
  if (!(scalar > 0))
    return fail(ErrorKind::bad_file,
                "config.json: \"query_pre_attn_scalar\" is {}, it must be above 0", scalar);
  config.attention_scale = static_cast<float>(1 / std::sqrt(scalar));
  return ok();
}

Status read_softcap(const Json& json, std::string_view key, float& cap) {
  TRY(const double value, get_number_or(json, key, 0.0, "config.json"));
  if (!(value >= 0))
    return fail(ErrorKind::bad_file, "config.json: \"{}\" is {}, it must not be negative", key,
                value);
  cap = static_cast<float>(value);
  return ok();
}

}  // namespace jiang
