// The GLM-4-0414 models: GLM-4-9B's block, and what attention and feed-forward add is normed. Half
// of each head is rotated, in adjacent pairs.
#include "model/config_reader.h"
#include "model/decoder.h"

namespace jiang {
namespace {

constexpr std::string_view kNames[] = {"Glm4ForCausalLM"};

Status configure(const ConfigInput& input, ModelConfig& config) {
  TRY_STATUS(read_llama_config(input, config));
  config.rope.interleaved = true;
  config.post_norms = true;
  return ok();
}

}  // namespace

extern const Architecture kGlm4 = {
    .hf_names = kNames,
    .model_type = "glm4",
    .configure = configure,
    .names = {.post_attention_norm = "post_self_attn_layernorm",
              .gate_up = "mlp.gate_up_proj",
              .post_ffn_norm = "post_mlp_layernorm"},
    .build = build_decoder,
};

}  // namespace jiang
