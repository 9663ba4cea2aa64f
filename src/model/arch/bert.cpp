// BERT encoders (arXiv 1810.04805) and the embedding models built on them: BGE, MiniLM, GTE.
#include "model/config_reader.h"
#include "model/encoder.h"

namespace jiang {
namespace {

constexpr std::string_view kNames[] = {"BertModel", "BertForMaskedLM"};
constexpr std::string_view kIgnoredSuffixes[] = {"embeddings.position_ids"};
// What sits on top of the encoder: the next-sentence and masked-word heads.
constexpr std::string_view kIgnoredPrefixes[] = {"cls.", "pooler.", "bert.pooler."};
constexpr std::string_view kWhere = "config.json";

Status configure(const ConfigInput& input, ModelConfig& config) {
  const Json& json = input.json;
  TRY(config.vocab_size, get_count(json, "vocab_size", kMaxVocabulary));
  TRY(config.hidden_size, get_count(json, "hidden_size", kMaxWidth));
  TRY(config.intermediate_size, get_count(json, "intermediate_size", kMaxWidth));
  TRY(config.num_hidden_layers, get_count(json, "num_hidden_layers", kMaxLayers));
  TRY(config.num_attention_heads, get_count(json, "num_attention_heads", kMaxHeads));
  TRY(config.max_position_embeddings, get_count(json, "max_position_embeddings", kMaxContext));
  TRY(config.type_vocab_size, get_count_or(json, "type_vocab_size", 2, kMaxVocabulary));
  if (config.hidden_size % config.num_attention_heads != 0) {
    return fail(ErrorKind::bad_file,
                "{}: \"num_attention_heads\" is {}, which does not divide \"hidden_size\" {}",
                kWhere, config.num_attention_heads, config.hidden_size);
  }
  config.num_key_value_heads = config.num_attention_heads;
  config.head_dim = config.hidden_size / config.num_attention_heads;
  TRY(const double eps, get_number_or(json, "layer_norm_eps", 1e-12, kWhere));
  config.rms_norm_eps = static_cast<float>(eps);
  TRY(config.hidden_act, read_activation(json, "hidden_act", "gelu"));
  TRY(const std::string positions,
      get_string_or(json, "position_embedding_type", "absolute", kWhere));
  if (positions != "absolute") {
    return fail(ErrorKind::unsupported,
                "{}: \"position_embedding_type\" is \"{}\", jiang knows absolute", kWhere,
                positions);
  }
  TRY(config.pooling, get_string_or(json, "pooling_type", "mean", kWhere));
  config.norm = NormKind::layer;
  config.qkv_bias = true;
  config.gated_ffn = false;
  config.learned_positions = true;
  config.is_encoder = true;
  return ok();
}

}  // namespace

extern const Architecture kBert = {
    .hf_names = kNames,
    .model_type = "bert",
    .configure = configure,
    .names = {.embedding = "bert.embeddings.word_embeddings",
              .positions = "bert.embeddings.position_embeddings",
              .types = "bert.embeddings.token_type_embeddings",
              .embedding_norm = "bert.embeddings.LayerNorm",
              .layer = "bert.encoder.layer.",
              .q = "attention.self.query",
              .k = "attention.self.key",
              .v = "attention.self.value",
              .o = "attention.output.dense",
              .post_attention_norm = "attention.output.LayerNorm",
              .up = "intermediate.dense",
              .down = "output.dense",
              .post_ffn_norm = "output.LayerNorm",
              .optional_prefix = "bert.",
              .ignored_suffixes = kIgnoredSuffixes,
              .ignored_prefixes = kIgnoredPrefixes},
    .build = build_encoder,
};

}  // namespace jiang
