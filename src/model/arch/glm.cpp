// GLM-4-9B in Hugging Face's own form (glm-4-9b-chat-hf): ChatGLM's block with Llama's names.
#include "model/config_reader.h"
#include "model/decoder.h"

namespace jiang {
namespace {

constexpr std::string_view kNames[] = {"GlmForCausalLM"};

Status configure(const ConfigInput& input, ModelConfig& config) {
  TRY_STATUS(read_llama_config(input, config));
  config.rope.interleaved = true;
  return ok();
}

}  // namespace

extern const Architecture kGlm = {
    .hf_names = kNames,
    .model_type = "glm",
    .configure = configure,
    .names = {.gate_up = "mlp.gate_up_proj"},
    .build = build_decoder,
};

}  // namespace jiang
