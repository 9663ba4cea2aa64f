// Qwen2 and Qwen2.5 (arXiv 2407.10671): Llama with biases on q, k and v.
#include "model/config_reader.h"
#include "model/decoder.h"

namespace jiang {
namespace {

constexpr std::string_view kNames[] = {"Qwen2ForCausalLM"};

Status configure(const ConfigInput& input, ModelConfig& config) {
  TRY_STATUS(read_llama_config(input, config));
  config.qkv_bias = true;
  return read_qwen_windows(input.json, config);
}

}  // namespace

extern const Architecture kQwen2 = {
    .hf_names = kNames,
    .model_type = "qwen2",
    .configure = configure,
    .names = {},
    .build = build_decoder,
};

}  // namespace jiang
