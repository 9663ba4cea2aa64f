// Qwen3 (arXiv 2505.09388): Llama with RMS-normed q and k heads, no biases.
#include "model/config_reader.h"
#include "model/decoder.h"

namespace jiang {
namespace {

constexpr std::string_view kNames[] = {"Qwen3ForCausalLM"};

Status configure(const ConfigInput& input, ModelConfig& config) {
  TRY_STATUS(read_llama_config(input, config));
  config.qk_norm = true;
  return read_qwen_windows(input.json, config);
}

}  // namespace

extern const Architecture kQwen3 = {
    .hf_names = kNames,
    .model_type = "qwen3",
    .configure = configure,
    .names = {},
    .build = build_decoder,
};

}  // namespace jiang
