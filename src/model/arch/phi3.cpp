// Phi-3 and Phi-3.5 mini and medium, Phi-4 (arXiv 2404.14219): Llama with q, k and v in one matrix,
// gate and up in another, and long rope.
#include "model/config_reader.h"
#include "model/decoder.h"

namespace jiang {
namespace {

constexpr std::string_view kNames[] = {"Phi3ForCausalLM"};

Status configure(const ConfigInput& input, ModelConfig& config) {
  TRY_STATUS(read_llama_config(input, config));
  return read_sliding_window(input.json, config, [](int) { return true; });
}

}  // namespace

extern const Architecture kPhi3 = {
    .hf_names = kNames,
    .model_type = "phi3",
    .configure = configure,
    .names = {.qkv = "self_attn.qkv_proj", .gate_up = "mlp.gate_up_proj"},
    .build = build_decoder,
};

}  // namespace jiang
