// Qwen2 and Qwen2.5 (arXiv 2407.10671): Llama with biases on q, k and v.
#include "model/config_reader.h"
#include "model/decoder.h"

namespace jiang {
namespace {

constexpr std::string_view kNames[] = {"Qwen2ForCausalLM"};

Status configure(const ConfigInput& input, ModelConfig& config) {
  TRY_STATUS(read_llama_config(input, config));
  config.qkv_bias = true;
  TRY(const bool slides, get_bool_or(input.json, "use_sliding_window", false, "config.json"));
  if (!slides) return ok();  // sliding_window is there all the same, and means nothing
  TRY(const int64_t full_layers, get_int_or(input.json, "max_window_layers", 0, "config.json"));
  return read_sliding_window(input.json, config, [&](int layer) { return layer >= full_layers; });
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
