// Mistral (arXiv 2310.06825): Llama whose tokens may see a sliding window only.
#include "model/config_reader.h"
#include "model/decoder.h"

namespace jiang {
namespace {

constexpr std::string_view kNames[] = {"MistralForCausalLM"};

Status configure(const ConfigInput& input, ModelConfig& config) {
  TRY_STATUS(read_llama_config(input, config));
  return read_sliding_window(input.json, config, [](int) { return true; });
}

}  // namespace

extern const Architecture kMistral = {
    .hf_names = kNames,
    .model_type = "mistral",
    .configure = configure,
    .names = {},
    .build = build_decoder,
};

}  // namespace jiang
