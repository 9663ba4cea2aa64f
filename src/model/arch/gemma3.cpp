// Gemma 3, text only (arXiv 2503.19786): Gemma 2 with normed q and k heads in place of soft-caps;
// five layers with a sliding window and a rope of their own, then one that sees everything.
#include "model/gemma_config.h"
#include "model/rope_config.h"

namespace jiang {
namespace {

constexpr std::string_view kNames[] = {"Gemma3ForCausalLM"};

// What HF's Gemma3TextConfig takes for granted: the text_config of the models with eyes leaves it
// out.
Json with_defaults(const Json& given) {
  Json json = {{"vocab_size", 262208},
               {"num_attention_heads", 8},
               {"num_key_value_heads", 4},
               {"head_dim", 256},
               {"max_position_embeddings", 131072},
               {"rope_theta", 1e6},
               {"rope_local_base_freq", 1e4},
               {"query_pre_attn_scalar", 256},
               {"sliding_window", 4096},
               {"sliding_window_pattern", 6}};
  json.update(given);
  return json;
}

Status configure(const ConfigInput& given, ModelConfig& config) {
  const Json json = with_defaults(given.json);
  const ConfigInput input{json, given.source, given.context_length};
  TRY_STATUS(read_gemma_config(input, config));
  config.qk_norm = true;
  TRY_STATUS(read_softcap(json, "attn_logit_softcapping", config.attention_softcap));
  TRY_STATUS(read_softcap(json, "final_logit_softcapping", config.final_logit_softcap));
  TRY(const int32_t pattern, get_count(json, "sliding_window_pattern", kMaxLayers));
  TRY_STATUS(
      read_sliding_window(json, config, [&](int layer) { return (layer + 1) % pattern != 0; }));
  TRY(const double theta, get_number(json, "rope_local_base_freq", "config.json"));
  if (!(theta > 1)) {
    return fail(ErrorKind::bad_file,
                "config.json: \"rope_local_base_freq\" is {}, it must lie above 1", theta);
  }
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
