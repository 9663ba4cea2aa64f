// Gemma 2 (arXiv 2408.00118): soft-capped scores and logits, norms before and after each part,
// every other layer with a sliding window, embeddings scaled by sqrt(hidden_size).
#include "model/gemma_config.h"

namespace jiang {
namespace {

constexpr std::string_view kNames[] = {"Gemma2ForCausalLM"};

Status configure(const ConfigInput& input, ModelConfig& config) {
  TRY_STATUS(read_gemma_config(input, config));
  TRY_STATUS(read_softcap(input.json, "attn_logit_softcapping", config.attention_softcap));
  TRY_STATUS(read_softcap(input.json, "final_logit_softcapping", config.final_logit_softcap));
  return read_sliding_window(input.json, config, [](int layer) { return layer % 2 == 0; });
}

}  // namespace

extern const Architecture kGemma2 = {
    .hf_names = kNames,
    .model_type = "gemma2",
    .configure = configure,
    .names = kGemmaNames,
    .build = build_decoder,
};

}  // namespace jiang
