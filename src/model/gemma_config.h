// What the Gemma families share.
#pragma once

#include "model/config_reader.h"
#include "model/decoder.h"

namespace jiang {

// Norms by 1 + weight and after each part, scaled embeddings, scores scaled by
// query_pre_attn_scalar.
Status read_gemma_config(const ConfigInput& input, ModelConfig& config);
// A soft-cap that may be missing or null: then `cap` stays 0.
Status read_softcap(const Json& json, std::string_view key, float& cap);

inline constexpr TensorNames kGemmaNames = {
    .post_attention_norm = "post_attention_layernorm",
    .ffn_norm = "pre_feedforward_layernorm",
    .post_ffn_norm = "post_feedforward_layernorm",
};

}  // namespace jiang
