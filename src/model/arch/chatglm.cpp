// ChatGLM3 and GLM-4-9B in the form of their own repositories (arXiv 2406.12793): q, k and v in one
// matrix with biases, half of each head rotated in adjacent pairs, gate and up in one matrix.
#include "model/config_reader.h"
#include "model/decoder.h"
#include "model/rope_config.h"

namespace jiang {
namespace {

constexpr std::string_view kNames[] = {"ChatGLMModel", "ChatGLMForConditionalGeneration"};
constexpr std::string_view kWhere = "config.json";

Status configure(const ConfigInput& input, ModelConfig& config) {
  const Json& json = input.json;
  TRY(config.vocab_size, get_count(json, "padded_vocab_size", kMaxVocabulary));
  TRY(config.hidden_size, get_count(json, "hidden_size", kMaxWidth));
  TRY(config.intermediate_size, get_count(json, "ffn_hidden_size", kMaxWidth));
  TRY(config.num_hidden_layers, get_count(json, "num_layers", kMaxLayers));
  TRY(config.num_attention_heads, get_count(json, "num_attention_heads", kMaxHeads));
  TRY(const bool shares, get_bool_or(json, "multi_query_attention", false, kWhere));
  config.num_key_value_heads = config.num_attention_heads;
  if (shares) {
    TRY(config.num_key_value_heads, get_count(json, "multi_query_group_num", kMaxHeads));
  }
  TRY(config.head_dim, get_count(json, "kv_channels", kWidestHead));
  TRY(config.max_position_embeddings, get_count(json, "seq_length", kMaxContext));
  TRY(const double eps, get_number_or(json, "layernorm_epsilon", 1e-5, kWhere));
  config.rms_norm_eps = static_cast<float>(eps);
  TRY(config.qkv_bias, get_bool_or(json, "add_qkv_bias", false, kWhere));

  // Variants that no released model uses would be another block.
  for (const auto& [key, wanted] : {std::pair{"rmsnorm", true},
                                    {"post_layer_norm", true},
                                    {"original_rope", true},
                                    {"apply_residual_connection_post_layernorm", false}}) {
    TRY(const bool value, get_bool_or(json, key, wanted, kWhere));
    if (value != wanted)
      return fail(ErrorKind::unsupported, "{}: \"{}\" is {}, jiang knows {} only", kWhere, key,
                  value, wanted);
  }

  TRY(const double partial, get_number_or(json, "partial_rotary_factor", 0.5, kWhere));
  TRY(const double ratio, get_number_or(json, "rope_ratio", 1.0, kWhere));
  if (!(partial > 0 && partial <= 1) || !(ratio > 0)) {
    return fail(ErrorKind::bad_file,
                "{}: \"rope_ratio\" {} or \"partial_rotary_factor\" {} is out of range", kWhere,
                ratio, partial);
  }
  config.rope = plain_rope(10000.0 * ratio, static_cast<int32_t>(config.head_dim * partial));
  config.rope.interleaved = true;
  return ok();
}

}  // namespace

extern const Architecture kChatGlm = {
    .hf_names = kNames,
    .model_type = "chatglm",
    .configure = configure,
    .names = {.embedding = "transformer.embedding.word_embeddings",
              .layer = "transformer.encoder.layers.",
              .qkv = "self_attention.query_key_value",
              .o = "self_attention.dense",
              .gate_up = "mlp.dense_h_to_4h",
              .down = "mlp.dense_4h_to_h",
              .final_norm = "transformer.encoder.final_layernorm",
              .lm_head = "transformer.output_layer"},
    .build = build_decoder,
};

}  // namespace jiang
