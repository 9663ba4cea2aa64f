// GPT-2 (Radford et al. 2019): learned positions, layer norms, biases everywhere, no gate.
#include "model/config_reader.h"
#include "model/decoder.h"

namespace jiang {
namespace {

constexpr std::string_view kNames[] = {"GPT2LMHeadModel"};
// The causal mask, which old checkpoints carry along.
constexpr std::string_view kIgnored[] = {".attn.bias", ".attn.masked_bias"};
constexpr std::string_view kWhere = "config.json";

Status configure(const ConfigInput& input, ModelConfig& config) {
  const Json& json = input.json;
  TRY(config.vocab_size, get_count(json, "vocab_size", kMaxVocabulary));
  TRY(config.hidden_size, get_count(json, "n_embd", kMaxWidth));
  TRY(config.intermediate_size,
      get_count_or(json, "n_inner", 4 * int64_t{config.hidden_size}, kMaxWidth));
  TRY(config.num_hidden_layers, get_count(json, "n_layer", kMaxLayers));
  TRY(config.num_attention_heads, get_count(json, "n_head", kMaxHeads));
  TRY(config.max_position_embeddings, get_count(json, "n_positions", kMaxContext));
  if (config.hidden_size % config.num_attention_heads != 0) {
    return fail(ErrorKind::bad_file, "{}: \"n_head\" is {}, which does not divide \"n_embd\" {}",
                kWhere, config.num_attention_heads, config.hidden_size);
  }
  config.num_key_value_heads = config.num_attention_heads;
  config.head_dim = config.hidden_size / config.num_attention_heads;
  TRY(const double eps, get_number_or(json, "layer_norm_epsilon", 1e-5, kWhere));
  config.rms_norm_eps = static_cast<float>(eps);
  TRY(config.hidden_act, read_activation(json, "activation_function", "gelu_new"));
  TRY(config.tie_word_embeddings, get_bool_or(json, "tie_word_embeddings", true, kWhere));
  for (const auto& [key, wanted] :
       {std::pair{"scale_attn_weights", true}, {"scale_attn_by_inverse_layer_idx", false}}) {
    TRY(const bool value, get_bool_or(json, key, wanted, kWhere));
    if (value != wanted)
      return fail(ErrorKind::unsupported, "{}: \"{}\" is {}, jiang knows {} only", kWhere, key,
                  value, wanted);
  }
  config.norm = NormKind::layer;
  config.qkv_bias = true;
  config.gated_ffn = false;
  config.learned_positions = true;
  return ok();
}

}  // namespace

extern const Architecture kGpt2 = {
    .hf_names = kNames,
    .model_type = "gpt2",
    .configure = configure,
    .names = {.embedding = "transformer.wte",
              .positions = "transformer.wpe",
              .layer = "transformer.h.",
              .attention_norm = "ln_1",
              .qkv = "attn.c_attn",
              .o = "attn.c_proj",
              .ffn_norm = "ln_2",
              .up = "mlp.c_fc",
              .down = "mlp.c_proj",
              .final_norm = "transformer.ln_f",
              .optional_prefix = "transformer.",
              .ignored_suffixes = kIgnored},
    .build = build_decoder,
};

}  // namespace jiang
