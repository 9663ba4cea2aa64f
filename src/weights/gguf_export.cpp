// A HF config.json in GGUF's keys: the inverse of gguf_config.cpp.
#include <cmath>
#include <numbers>

#include "base/json_value.h"
#include "weights/gguf_names.h"

namespace jiang {
namespace {

// How a family spells the common keys of config.json.
struct Spelling {
  const char* context = "max_position_embeddings";
  const char* hidden = "hidden_size";
  const char* layers = "num_hidden_layers";
  const char* ffn = "intermediate_size";
  const char* heads = "num_attention_heads";
  const char* kv_heads = "num_key_value_heads";
  const char* head_dim = "head_dim";
  const char* rms_norm_eps = "rms_norm_eps";  // nullptr: layer norm
  const char* layer_norm_eps = nullptr;
};

Spelling spelling_of(std::string_view architecture) {
  if (architecture == "gpt2") {
    return {.context = "n_positions",
            .hidden = "n_embd",
            .layers = "n_layer",
            .ffn = "n_inner",
            .heads = "n_head",
            .kv_heads = "",
            .head_dim = "",
            .rms_norm_eps = nullptr,
            .layer_norm_eps = "layer_norm_epsilon"};
  }
  if (architecture == "bert") {
    return {.kv_heads = "",
            .head_dim = "",
            .rms_norm_eps = nullptr,
            .layer_norm_eps = "layer_norm_eps"};
  }
  if (architecture == "chatglm") {
    return {.context = "seq_length",
            .layers = "num_layers",
            .ffn = "ffn_hidden_size",
            .kv_heads = "multi_query_group_num",
            .head_dim = "kv_channels",
            .rms_norm_eps = "layernorm_epsilon"};
  }
  return {};
}

class Exporter {
 public:
  Exporter(const Json& config, std::string_view where) : config_(config), where_(where) {}

  Result<Metadata> run() {
    const GgufArchitecture* row = gguf_architecture_of(config_);
    if (!row)
      return fail(ErrorKind::unsupported,
                  "{}: GGUF has no name that jiang knows for this architecture", where_);
    arch_ = row->name;
    spelling_ = spelling_of(arch_);
    metadata_.values["general.architecture"] = std::string(arch_);
    metadata_.values["general.type"] = std::string("model");
    metadata_.values["general.quantization_version"] = uint64_t{2};
    TRY_STATUS(common());
    if (arch_ == "bert") {
      TRY_STATUS(bert());
    } else if (arch_ != "gpt2") {
      TRY_STATUS(decoder());
    }
    return std::move(metadata_);
  }

 private:
  void set(std::string_view name, MetaValue value) {
    metadata_.values[fmt::format("{}.{}", arch_, name)] = std::move(value);
  }
  Result<uint64_t> count(const char* hf) const {
    TRY(const int64_t value, get_int(config_, hf, where_));
    if (value > 0) return static_cast<uint64_t>(value);
    return fail(ErrorKind::bad_file, "{}: \"{}\" is {}, it must be positive", where_, hf, value);
  }
  Status copy_count(const char* hf, std::string_view gguf) {
    TRY(const uint64_t value, count(hf));
    set(gguf, value);
    return ok();
  }
  Status copy_number(const char* hf, std::string_view gguf) {
    TRY(const double value, get_number(config_, hf, where_));
    set(gguf, value);
    return ok();
  }
  bool has(const char* hf) const { return find_member(config_, hf) != nullptr; }

  Status common() {
    TRY_STATUS(copy_count(spelling_.context, "context_length"));
    TRY(hidden_, count(spelling_.hidden));
    set("embedding_length", hidden_);
    TRY(layers_, count(spelling_.layers));
    set("block_count", layers_);
    if (has(spelling_.ffn) || arch_ != "gpt2") {
      TRY_STATUS(copy_count(spelling_.ffn, "feed_forward_length"));
    } else {
      set("feed_forward_length", 4 * hidden_);  // GPT-2's n_inner: null
    }
    TRY(heads_, count(spelling_.heads));
    set("attention.head_count", heads_);
    if (spelling_.rms_norm_eps)
      return copy_number(spelling_.rms_norm_eps, "attention.layer_norm_rms_epsilon");
    return copy_number(spelling_.layer_norm_eps, "attention.layer_norm_epsilon");
  }

  Status decoder() {
    uint64_t kv_heads = heads_;
    TRY(const bool grouped, get_bool_or(config_, "multi_query_attention", true, where_));
    if (grouped && has(spelling_.kv_heads)) {
      TRY(kv_heads, count(spelling_.kv_heads));
    }
    set("attention.head_count_kv", kv_heads);
    uint64_t head_dim = hidden_ / heads_;
    if (has(spelling_.head_dim)) {
      TRY(head_dim, count(spelling_.head_dim));
    }
    set("attention.key_length", head_dim);
    set("attention.value_length", head_dim);
    if (has("vocab_size")) TRY_STATUS(copy_count("vocab_size", "vocab_size"));

    TRY(double partial, get_number_or(config_, "partial_rotary_factor", 1, where_));
    TRY(double theta, get_number_or(config_, "rope_theta", 10000, where_));
    if (arch_ == "chatglm") {
      partial = 0.5;
      TRY(const double ratio, get_number_or(config_, "rope_ratio", 1, where_));
      theta = 10000 * ratio;
    }
    set("rope.dimension_count",
        static_cast<uint64_t>(std::llround(static_cast<double>(head_dim) * partial)));
    set("rope.freq_base", theta);
    TRY_STATUS(rope_scaling());

    TRY_STATUS(sliding_window());
    if (arch_ == "gemma2") return gemma(2, 46, head_dim);
    if (arch_ == "gemma3") return gemma(6, 62, head_dim);
    return ok();
  }

  Status sliding_window() {
    if (arch_ == "qwen2" || arch_ == "qwen3") {
      // Off unless asked for, and then for the layers from max_window_layers on.
      TRY(const bool windowed, get_bool_or(config_, "use_sliding_window", false, where_));
      TRY(const int64_t first, get_int_or(config_, "max_window_layers", 28, where_));
      if (!windowed || !has("sliding_window") || first >= static_cast<int64_t>(layers_))
        return ok();
      return fail(ErrorKind::unsupported,
                  "{}: GGUF cannot say that layers from {} on attend to a window", where_, first);
    }
    if (has("sliding_window")) return copy_count("sliding_window", "attention.sliding_window");
    if (arch_ == "phi3") set("attention.sliding_window", uint64_t{0});  // llama.cpp's sign of Phi-4
    return ok();
  }

  Status rope_scaling() {
    const Json* scaling = find_member(config_, "rope_scaling");
    if (!scaling) return ok();
    TRY(std::string type, get_string_or(*scaling, "type", "default", where_));
    TRY(type, get_string_or(*scaling, "rope_type", type, where_));
    if (type == "default" || type == "llama3") return ok();  // llama3: as rope_freqs.weight
    if (type == "su") type = "longrope";
    if (type != "linear" && type != "yarn" && type != "longrope") {
      return fail(ErrorKind::unsupported, "{}: rope scaling of type \"{}\" has no form in GGUF",
                  where_, type);
    }
    set("rope.scaling.type", type);
    if (type != "longrope") {
      TRY(const double factor, get_number(*scaling, "factor", where_));
      set("rope.scaling.factor", factor);
    }
    const Json& original_in =
        find_member(config_, "original_max_position_embeddings") ? config_ : *scaling;
    TRY(const int64_t original,
        get_int_or(original_in, "original_max_position_embeddings", 0, where_));
    if (original > 0) set("rope.scaling.original_context_length", static_cast<uint64_t>(original));
    if (find_member(*scaling, "attention_factor")) {
      TRY(const double factor, get_number(*scaling, "attention_factor", where_));
      set("rope.scaling.attn_factor", factor);
    } else if (type == "longrope" && original > 0) {
      TRY(const uint64_t context, count(spelling_.context));
      const double ratio = static_cast<double>(context) / static_cast<double>(original);
      set("rope.scaling.attn_factor",
          ratio <= 1 ? 1.0
                     : std::sqrt(1 + std::log(ratio) / std::log(static_cast<double>(original))));
    }
    for (const auto& [hf, gguf] :
         {std::pair{"beta_fast", "yarn_beta_fast"}, {"beta_slow", "yarn_beta_slow"}}) {
      if (!find_member(*scaling, hf)) continue;
      TRY(const double value, get_number(*scaling, hf, where_));
      set(fmt::format("rope.scaling.{}", gguf), value);
    }
    return ok();
  }

  // `usual_pattern` and the scale of the scores are built into llama.cpp; others get a key that
  // jiang reads.
  Status gemma(uint64_t usual_pattern, uint64_t layers_of_27b, uint64_t head_dim) {
    for (const char* name : {"attn_logit_softcapping", "final_logit_softcapping"}) {
      if (has(name)) TRY_STATUS(copy_number(name, name));
    }
    TRY(const uint64_t pattern, sliding_pattern(usual_pattern));
    if (pattern != usual_pattern) set("attention.sliding_window_pattern", pattern);
    const double usual =
        static_cast<double>(layers_ == layers_of_27b ? hidden_ / heads_ : head_dim);
    TRY(const double scalar, get_number_or(config_, "query_pre_attn_scalar", usual, where_));
    if (!(scalar > 0))
      return fail(ErrorKind::bad_file, "{}: \"query_pre_attn_scalar\" must be positive", where_);
    if (scalar != usual) set("attention.scale", 1 / std::sqrt(scalar));
    TRY(const double local_theta, get_number_or(config_, "rope_local_base_freq", 10000, where_));
    if (arch_ == "gemma3" && local_theta != 10000) set("rope.freq_base_swa", local_theta);
    return ok();
  }

  // Every how many layers one attends to everything, as the config says it in one of two ways.
  Result<uint64_t> sliding_pattern(uint64_t otherwise) const {
    const Json* types = find_member(config_, "layer_types");
    if (!types || !types->is_array()) {
      return has("sliding_window_pattern") ? count("sliding_window_pattern")
                                           : Result<uint64_t>(otherwise);
    }
    uint64_t pattern = 0;
    for (size_t i = 0; i < types->size(); ++i) {
      if (!pattern && (*types)[i] == "full_attention") pattern = i + 1;
    }
    if (!pattern) return types->size() < otherwise ? otherwise : types->size() + 1;
    for (size_t i = 0; i < types->size(); ++i) {
      if (((*types)[i] == "full_attention") != ((i + 1) % pattern == 0)) {
        return fail(ErrorKind::unsupported,
                    "{}: \"layer_types\" has no regular pattern, GGUF cannot say it", where_);
      }
    }
    return pattern;
  }

  Status bert() {
    set("attention.causal", false);
    TRY(const std::string pooling, get_string_or(config_, "pooling_type", "mean", where_));
    set("pooling_type", uint64_t{pooling == "none"   ? 0u
                                 : pooling == "cls"  ? 2u
                                 : pooling == "last" ? 3u
                                                     : 1u});
    TRY(const int64_t types, get_int_or(config_, "type_vocab_size", 2, where_));
    metadata_.values["tokenizer.ggml.token_type_count"] = static_cast<uint64_t>(types);
    return ok();
  }

  const Json& config_;
  std::string_view where_;
  std::string_view arch_;
  Spelling spelling_;
  Metadata metadata_;
  uint64_t hidden_ = 0;
  uint64_t layers_ = 0;
  uint64_t heads_ = 0;
};

// Llama 3.1: divisors of the rope frequencies. Waves longer than the original context are stretched
// by `factor`, short ones are kept, those between go smoothly from one to the other.
Result<std::vector<float>> llama3_factors(const Json& config, const Json& scaling,
                                          std::string_view where) {
  TRY(const int64_t hidden, get_int(config, "hidden_size", where));
  TRY(const int64_t heads, get_int(config, "num_attention_heads", where));
  TRY(const int64_t head_dim,
      get_int_or(config, "head_dim", heads > 0 ? hidden / heads : 0, where));
  TRY(const double theta, get_number_or(config, "rope_theta", 10000, where));
  TRY(const double factor, get_number(scaling, "factor", where));
  TRY(const double low, get_number(scaling, "low_freq_factor", where));
  TRY(const double high, get_number(scaling, "high_freq_factor", where));
  TRY(const double original, get_number(scaling, "original_max_position_embeddings", where));
  if (head_dim < 2 || head_dim > 4096 ||
      !(theta > 0 && factor > 0 && low > 0 && high > low && original > 0)) {
    return fail(ErrorKind::bad_file, "{}: \"rope_scaling\" holds impossible values", where);
  }
  std::vector<float> factors;
  for (int64_t i = 0; i < head_dim / 2; ++i) {
    const double frequency =
        std::pow(theta, -2.0 * static_cast<double>(i) / static_cast<double>(head_dim));
    const double waves = original * frequency / (2 * std::numbers::pi);  // in the original context
    double divisor = 1;
    if (waves < low) {
      divisor = factor;
    } else if (waves < high) {
      const double smooth = (waves - low) / (high - low);
      divisor = 1 / ((1 - smooth) / factor + smooth);
    }
    factors.push_back(static_cast<float>(divisor));
  }
  return factors;
}

}  // namespace

Result<Metadata> gguf_metadata_from_config(const Json& hf_config, std::string_view where) {
  return Exporter(hf_config, where).run();
}

Result<std::vector<GgufExtraTensor>> gguf_extra_tensors(const Json& hf_config,
                                                        std::string_view where) {
  std::vector<GgufExtraTensor> tensors;
  const Json* scaling = find_member(hf_config, "rope_scaling");
  if (!scaling) return tensors;
  TRY(std::string type, get_string_or(*scaling, "type", "default", where));
  TRY(type, get_string_or(*scaling, "rope_type", type, where));
  if (type == "llama3") {
    TRY(auto factors, llama3_factors(hf_config, *scaling, where));
    tensors.push_back({"rope_freqs.weight", std::move(factors)});
  }
  if (type != "longrope" && type != "su") return tensors;
  for (const auto& [hf, gguf] : {std::pair{"long_factor", "rope_factors_long.weight"},
                                 {"short_factor", "rope_factors_short.weight"}}) {
    const Json* list = find_member(*scaling, hf);
    if (!list || !list->is_array() || list->empty() || list->size() > 4096) {
      return fail(ErrorKind::bad_file, "{}: \"rope_scaling\" needs a list \"{}\"", where, hf);
    }
    std::vector<float> values;
    for (const Json& value : *list) {
      if (!value.is_number())
        return fail(ErrorKind::bad_file, "{}: \"{}\" must hold numbers", where, hf);
      values.push_back(value.get<float>());
    }
    tensors.push_back({gguf, std::move(values)});
  }
  return tensors;
}

}  // namespace jiang
