// Gemma 3, text only (arXiv 2503.19786): Gemma 2 with normed q and k heads in place of soft-caps;
// five layers with a sliding window and a rope of their own, then one that sees everything.
#include "model/gemma_config.h"
#include "model/rope_config.h"

namespace jiang {
namespace {

constexpr std::string_view kNames[] = {"Gemma3ForCausalLM"};

Status configure(const ConfigInput& input, ModelConfig& config) {
  TRY_STATUS(read_gemma_config(input, config));
  config.qk_norm = true;
  TRY_STATUS(read_softcap(input.json, "attn_logit_softcapping", config.attention_softcap));
  TRY_STATUS(read_softcap(input.json, "final_logit_softcapping", config.final_logit_softcap));
  TRY(const int32_t pattern, get_count_or(input.json, "sliding_window_pattern", 6, kMaxLayers));
  TRY_STATUS(read_sliding_window(input.json, config,
                                 [&](int layer) { return (layer + 1) % pattern != 0; }));
  TRY(const double theta,
      get_number_or(input.json, "rope_local_base_freq", 10000.0, "config.json"));
  if (!(theta > 1))
    return fail(ErrorKind::bad_file,
                "config.json: \"rope_local_base_freq\" is {}, it must lie above 1", theta);
  config.rope_local = plain_rope(theta, config.head_dim);
  return ok();
}

}  // namespace

extern const Architecture kGemma3 = {
    .hf_names = kNames,
    .model_type = "gemma3_text",
    .configure = configure,
    .names = kGemmaNames,
    .build = build_decoder,
};

}  // namespace jiang
