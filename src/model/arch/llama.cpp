// Llama 1, 2, 3, 3.1 and 3.2 (arXiv 2302.13971, 2407.21783), and the many models built like them.
#include "model/config_reader.h"
#include "model/decoder.h"

namespace jiang {
namespace {

constexpr std::string_view kNames[] = {"LlamaForCausalLM"};

}  // namespace

extern const Architecture kLlama = {
    .hf_names = kNames,
    .model_type = "llama",
    .configure = read_llama_config,
    .names = {},
    .build = build_decoder,
};

}  // namespace jiang
