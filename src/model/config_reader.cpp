#include "model/config_reader.h"

#include <cmath>

#include "model/rope_config.h"
#include "ops/attention.h"

namespace jiang {
namespace {

constexpr std::string_view kWhere = "config.json";

Result<int32_t> check_count(int64_t value, std::string_view key, int64_t most) {
  if (value < 1 || value > most) {
    return fail(ErrorKind::bad_file, "{}: \"{}\" is {}, it must lie between 1 and {}", kWhere, key,
                value, most);
  }
  return static_cast<int32_t>(value);
}

}  // namespace

Result<int32_t> get_count(const Json& json, std::string_view key, int64_t most) {
  TRY(const int64_t value, get_int(json, key, kWhere));
  return check_count(value, key, most);
}

Result<int32_t> get_count_or(const Json& json, std::string_view key, int64_t otherwise,
                             int64_t most) {
  TRY(const int64_t value, get_int_or(json, key, otherwise, kWhere));
  return check_count(value, key, most);
}

Result<Activation> read_activation(const Json& json, std::string_view key,
                                   std::string_view otherwise) {
  TRY(const std::string name, get_string_or(json, key, std::string(otherwise), kWhere));
  if (name == "silu" || name == "swish") return Activation::silu;
  if (name == "gelu_pytorch_tanh" || name == "gelu_new" || name == "gelu_fast")
    return Activation::gelu_tanh;
  if (name == "gelu") return Activation::gelu_erf;
  if (name == "relu") return Activation::relu;
  return fail(ErrorKind::unsupported,
              "{}: \"{}\" is \"{}\", jiang knows silu, gelu, gelu_pytorch_tanh, gelu_new and relu",
              kWhere, key, name);
}

Status read_llama_config(const ConfigInput& input, ModelConfig& config) {
  const Json& json = input.json;
  TRY(config.vocab_size, get_count(json, "vocab_size", kMaxVocabulary));
  TRY(config.hidden_size, get_count(json, "hidden_size", kMaxWidth));
  TRY(config.intermediate_size, get_count(json, "intermediate_size", kMaxWidth));
  TRY(config.num_hidden_layers, get_count(json, "num_hidden_layers", kMaxLayers));
  TRY(config.num_attention_heads, get_count(json, "num_attention_heads", kMaxHeads));
  TRY(config.num_key_value_heads,
      get_count_or(json, "num_key_value_heads", config.num_attention_heads, kMaxHeads));
  if (!find_member(json, "head_dim") && config.hidden_size % config.num_attention_heads != 0) {
    return fail(ErrorKind::bad_file,
                "{}: \"num_attention_heads\" is {}, which does not divide \"hidden_size\" {}",
                kWhere, config.num_attention_heads, config.hidden_size);
  }
  TRY(config.head_dim,
      get_count_or(json, "head_dim", config.hidden_size / config.num_attention_heads, kWidestHead));
  TRY(config.max_position_embeddings,
      get_count_or(json, "max_position_embeddings", 2048, kMaxContext));
  TRY(const double eps, get_number_or(json, "rms_norm_eps", 1e-6, kWhere));
  config.rms_norm_eps = static_cast<float>(eps);
  TRY(config.hidden_act, read_activation(json, "hidden_act", "silu"));
  TRY(config.tie_word_embeddings,
      get_bool_or(json, "tie_word_embeddings", config.tie_word_embeddings, kWhere));

  TRY(config.qkv_bias, get_bool_or(json, "attention_bias", false, kWhere));
  TRY(const double partial, get_number_or(json, "partial_rotary_factor", 1.0, kWhere));
  if (!(partial > 0 && partial <= 1)) {
    return fail(ErrorKind::bad_file,
                "{}: \"partial_rotary_factor\" is {}, it must lie above 0 and at most at 1", kWhere,
                partial);
  }
  const auto rotary_dim = static_cast<int32_t>(config.head_dim * partial);
  TRY(config.rope, read_rope(input, config, rotary_dim));
  config.rope.interleaved = input.source.conventions().rope_interleaved;
  return ok();
}

Status read_sliding_window(const Json& json, ModelConfig& config,
                           FunctionRef<bool(int layer)> is_sliding) {
  if (!find_member(json, "sliding_window")) return ok();
  TRY(const int32_t window, get_count(json, "sliding_window", kMaxContext));
  const Json* types = find_member(json, "layer_types");
  if (types &&
      (!types->is_array() || types->size() != static_cast<size_t>(config.num_hidden_layers))) {
    return fail(ErrorKind::bad_file,
                "{}: \"layer_types\" must be a list of {} names, one for each layer", kWhere,
                config.num_hidden_layers);
  }
  bool any = false;
  std::vector<int32_t> windows;
  for (int layer = 0; layer < config.num_hidden_layers; ++layer) {
    bool slides = is_sliding(layer);
    if (types) {
      const Json& type = (*types)[static_cast<size_t>(layer)];
      if (type != "sliding_attention" && type != "full_attention") {
        return fail(ErrorKind::unsupported,
                    "{}: \"layer_types\" of layer {} is {}, jiang knows sliding_attention and "
                    "full_attention",
                    kWhere, layer, to_string(type));
      }
      slides = type == "sliding_attention";
    }
    windows.push_back(slides ? window : 0);
    any = any || slides;
  }
  if (any) config.sliding_window = std::move(windows);
  return ok();
}

Status read_qwen_windows(const Json& json, ModelConfig& config) {
  TRY(const bool slides, get_bool_or(json, "use_sliding_window", false, kWhere));
  if (!slides) return ok();
  TRY(const int64_t full_layers, get_int_or(json, "max_window_layers", 28, kWhere));
  return read_sliding_window(json, config, [&](int layer) { return layer >= full_layers; });
}

Status check_config(const ModelConfig& config) {
  if (config.num_attention_heads % config.num_key_value_heads != 0) {
    return fail(
        ErrorKind::bad_file,
        "{}: \"num_key_value_heads\" is {}, which does not divide \"num_attention_heads\" {}",
        kWhere, config.num_key_value_heads, config.num_attention_heads);
  }
  if (!(config.rms_norm_eps > 0 && config.rms_norm_eps < 1)) {
    return fail(ErrorKind::bad_file, "{}: the norms' eps is {}, it must lie between 0 and 1",
                kWhere, config.rms_norm_eps);
  }
  for (const RopeTable* table : {&config.rope, &config.rope_local}) {
    if (table->rotary_dim % 2 != 0 || table->rotary_dim > config.head_dim) {
      return fail(ErrorKind::bad_file,
                  "{}: {} of {} dimensions of a head rotate, it must be an even number", kWhere,
                  table->rotary_dim, config.head_dim);
    }
    for (const float frequency : table->inv_freq) {
      if (!std::isfinite(frequency)) {
        return fail(ErrorKind::bad_file, "{}: the rope settings give a frequency that is no number",
                    kWhere);
      }
    }
    if (!std::isfinite(table->attention_factor)) {
      return fail(ErrorKind::bad_file,
                  "{}: the rope settings give an attention factor that is no number", kWhere);
    }
  }
  for (const float number : {config.attention_scale, config.attention_softcap,
                             config.final_logit_softcap, config.embedding_scale}) {
    if (!std::isfinite(number) || number < 0) {
      return fail(ErrorKind::bad_file,
                  "{}: a scale or soft-cap is {}, it must be a number of at least 0", kWhere,
                  number);
    }
  }
  return ok();
}

}  // namespace jiang
