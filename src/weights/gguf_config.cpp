#include "weights/gguf_config.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/json_value.h"
#include "weights/gguf_names.h"

namespace jiang {
namespace {

// Bounds of what a config may claim: far above any model, low enough that nothing overflows.
constexpr int64_t kMaxLayers = 512;
constexpr int64_t kMaxHeads = 512;
constexpr int64_t kMaxExtent = int64_t{1} << 24;
constexpr int64_t kMaxContext = int64_t{1} << 30;

class Translator {
 public:
  Translator(const Metadata& metadata, std::span<const GgufTensorEntry> tensors,
             std::string_view where)
      : metadata_(metadata), tensors_(tensors), where_(where) {}

  Result<Json> run() {
    TRY(arch_, metadata_.get_string("general.architecture"));
    row_ = find_gguf_architecture(arch_);
    TRY_STATUS(common());
    if (!row_) return std::move(config_);
    const std::string_view name = row_->name;
    if (name == "gpt2") {
      TRY_STATUS(gpt2());
    } else if (name == "bert") {
      TRY_STATUS(bert());
    } else if (name == "chatglm") {
      TRY_STATUS(chatglm());
    } else {
      TRY_STATUS(decoder());
    }
    return std::move(config_);
  }

 private:
  // ---- reading keys

  std::string key(std::string_view name) const { return fmt::format("{}.{}", arch_, name); }
  bool has(std::string_view name) const { return metadata_.has(key(name)); }

  const GgufTensorEntry* tensor(std::string_view name) const {
    const auto found =
        std::find_if(tensors_.begin(), tensors_.end(),
                     [&](const GgufTensorEntry& entry) { return entry.name == name; });
    return found == tensors_.end() ? nullptr : &*found;
  }

  Error out_of_range(std::string_view name, int64_t value, int64_t most) const {
    return fail(ErrorKind::bad_file, "{}: metadata key {} is {}, it must be from 1 to {}", where_,
                key(name), value, most);
  }

  // Some exporters write one number per layer; all equal is the same as one.
  Result<int64_t> uniform_int(std::string_view name) const {
    const auto values = metadata_.get_ints(key(name));
    if (!values || values->empty()) return metadata_.get_int(key(name));
    if (std::any_of(values->begin(), values->end(),
                    [&](int64_t v) { return v != values->front(); })) {
      return fail(ErrorKind::unsupported, "{}: metadata key {} differs from layer to layer", where_,
                  key(name));
    }
    return values->front();
  }

  // Translates an integer from 1 to `most` and remembers nothing if a vocabulary file lacks it.
  Status required(std::string_view name, const char* hf, int64_t most) {
    if (!has(name) && tensors_.empty()) return ok();
    TRY(const int64_t value, uniform_int(name));
    if (value < 1 || value > most) return out_of_range(name, value, most);
    config_[hf] = value;
    return ok();
  }
  Status optional(std::string_view name, const char* hf, int64_t most) {
    return has(name) ? required(name, hf, most) : ok();
  }

  Result<double> positive(std::string_view name) const {
    TRY(const double value, metadata_.get_number(key(name)));
    if (std::isfinite(value) && value > 0) return value;
    return fail(ErrorKind::bad_file, "{}: metadata key {} is {}, it must be a positive number",
                where_, key(name), value);
  }
  Status required_number(std::string_view name, const char* hf) {
    if (!has(name) && tensors_.empty()) return ok();
    TRY(const double value, positive(name));
    config_[hf] = value;
    return ok();
  }
  Status optional_number(std::string_view name, const char* hf) {
    return has(name) ? required_number(name, hf) : ok();
  }

  int64_t value_or(const char* hf, int64_t otherwise) const {
    const Json* found = find_member(config_, hf);
    return found ? found->get<int64_t>() : otherwise;
  }

  Result<std::vector<double>> f32_values(const GgufTensorEntry& tensor) const {
    if (tensor.format != Format::f32 || tensor.shape.rank() != 1 || tensor.shape.cols() > 4096) {
      return fail(ErrorKind::bad_file,
                  "{}: tensor {} must be a vector of at most 4096 floats, found {} of {}", where_,
                  tensor.name, tensor.shape.to_string(), weight_format(tensor.format).name);
    }
    std::vector<double> values;
    for (int64_t i = 0; i < tensor.shape.cols(); ++i) {
      float value;
      std::memcpy(&value, tensor.bytes.data() + static_cast<size_t>(i) * sizeof value,
                  sizeof value);
      if (!std::isfinite(value) || value <= 0) {
        return fail(ErrorKind::bad_file, "{}: tensor {} holds {}, rope factors must be positive",
                    where_, tensor.name, value);
      }
      values.push_back(value);
    }
    return values;
  }

  // ---- parts of a config

  Status common() {
    config_["architectures"] = Json::array();
    if (row_) config_["architectures"].push_back(row_->hf_class);
    config_["model_type"] = row_ ? row_->model_type : arch_.c_str();

    const std::string_view name = row_ ? row_->name : "";
    const bool gpt2 = name == "gpt2";
    const bool glm = name == "chatglm";
    TRY_STATUS(required_of("context_length",
                           gpt2  ? "n_positions"
                           : glm ? "seq_length"
                                 : "max_position_embeddings",
                           kMaxContext));
    TRY_STATUS(required_of("embedding_length", gpt2 ? "n_embd" : "hidden_size", kMaxExtent));
    TRY_STATUS(required_of("block_count",
                           gpt2  ? "n_layer"
                           : glm ? "num_layers"
                                 : "num_hidden_layers",
                           kMaxLayers));
    TRY_STATUS(required_of("feed_forward_length",
                           gpt2  ? "n_inner"
                           : glm ? "ffn_hidden_size"
                                 : "intermediate_size",
                           kMaxExtent));
    TRY_STATUS(
        required_of("attention.head_count", gpt2 ? "n_head" : "num_attention_heads", kMaxHeads));
    TRY_STATUS(vocabulary());
    for (const auto& [gguf, hf] :
         {std::pair{"bos", "bos_token_id"}, {"eos", "eos_token_id"}, {"padding", "pad_token_id"}}) {
      const std::string id = fmt::format("tokenizer.ggml.{}_token_id", gguf);
      if (!metadata_.has(id)) continue;
      TRY(config_[hf], metadata_.get_int(id));
    }
    config_["tie_word_embeddings"] = tensor("output.weight") == nullptr;
    return ok();
  }

  // Only what we know how to run must be complete.
  Status required_of(std::string_view name, const char* hf, int64_t most) {
    return row_ || has(name) ? required(name, hf, most) : ok();
  }

  Status vocabulary() {
    const GgufTensorEntry* embedding = tensor("token_embd.weight");
    if (embedding) {
      config_["vocab_size"] = embedding->shape.rows();
    } else if (has("vocab_size")) {
      return required("vocab_size", "vocab_size", kMaxExtent);
    } else if (metadata_.has("tokenizer.ggml.tokens")) {
      TRY(const auto* tokens, metadata_.get_strings("tokenizer.ggml.tokens"));
      config_["vocab_size"] = tokens->size();
    }
    return ok();
  }

  // head_count_kv, key_length and what follows from them.
  Status heads() {
    TRY_STATUS(optional("attention.head_count_kv", "num_key_value_heads", kMaxHeads));
    const int64_t n_heads = value_or("num_attention_heads", 1);
    const int64_t n_kv_heads = value_or("num_key_value_heads", n_heads);
    if (find_member(config_, "num_attention_heads")) config_["num_key_value_heads"] = n_kv_heads;
    if (n_heads % n_kv_heads != 0) {
      return fail(ErrorKind::bad_file,
                  "{}: metadata key {} is {}, which does not divide the {} heads", where_,
                  key("attention.head_count_kv"), n_kv_heads, n_heads);
    }
    const int64_t hidden = value_or("hidden_size", 0);
    if (has("attention.key_length")) {
      TRY_STATUS(required("attention.key_length", "head_dim", 4096));
    } else if (hidden > 0) {
      if (hidden % n_heads != 0) {
        return fail(ErrorKind::bad_file,
                    "{}: metadata key {} is {}, which does not divide the hidden size {}", where_,
                    key("attention.head_count"), n_heads, hidden);
      }
      config_["head_dim"] = hidden / n_heads;
    }
    if (has("attention.value_length")) {
      TRY(const int64_t value_length, uniform_int("attention.value_length"));
      if (value_length != value_or("head_dim", 0)) {
        return fail(ErrorKind::unsupported,
                    "{}: metadata key {} is {}, which is not the length {} of the keys", where_,
                    key("attention.value_length"), value_length, value_or("head_dim", 0));
      }
    }
    return ok();
  }

  Status rope() {
    config_["rope_theta"] = 10000.0;
    TRY_STATUS(optional_number("rope.freq_base", "rope_theta"));
    if (has("rope.dimension_count")) {
      TRY(const int64_t dims, uniform_int("rope.dimension_count"));
      const int64_t head_dim = value_or("head_dim", dims);
      if (dims < 2 || dims % 2 != 0 || dims > head_dim) {
        return fail(ErrorKind::bad_file,
                    "{}: metadata key {} is {}, it must be even and at most the head's {}", where_,
                    key("rope.dimension_count"), dims, head_dim);
      }
      if (dims != head_dim)
        config_["partial_rotary_factor"] =
            static_cast<double>(dims) / static_cast<double>(head_dim);
    }
    return rope_scaling();
  }

  Status rope_scaling() {
    config_["rope_scaling"] = nullptr;
    TRY(std::string type, metadata_.get_string_or(key("rope.scaling.type"), "none"));
    Json scaling = Json::object();
    const GgufTensorEntry* factors_long = tensor("rope_factors_long.weight");
    const GgufTensorEntry* factors_short = tensor("rope_factors_short.weight");
    if (!factors_long != !factors_short) {
      return fail(ErrorKind::bad_file,
                  "{}: of rope_factors_long.weight and rope_factors_short.weight one is missing",
                  where_);
    }
    if (factors_long) {
      type = "longrope";
      TRY(scaling["short_factor"], f32_values(*factors_short));
      TRY(scaling["long_factor"], f32_values(*factors_long));
    } else if (type == "none" && has("rope.scale_linear")) {
      type = "linear";  // as files before 2024 say it
      TRY(scaling["factor"], positive("rope.scale_linear"));
    }
    if (has("rope.scaling.original_context_length")) {
      TRY(const int64_t original, metadata_.get_int(key("rope.scaling.original_context_length")));
      if (original < 1 || original > kMaxContext)
        return out_of_range("rope.scaling.original_context_length", original, kMaxContext);
      if (type == "longrope" || arch_ == "phi3") {
        config_["original_max_position_embeddings"] = original;
      } else {
        scaling["original_max_position_embeddings"] = original;
      }
    }
    if (type == "none") return ok();
    if (type != "linear" && type != "yarn" && type != "longrope") {
      return fail(ErrorKind::unsupported,
                  "{}: metadata key {} is \"{}\"; linear, yarn and longrope are known", where_,
                  key("rope.scaling.type"), type);
    }
    for (const auto& [gguf, hf] : {std::pair{"factor", "factor"},
                                   {"attn_factor", "attention_factor"},
                                   {"yarn_beta_fast", "beta_fast"},
                                   {"yarn_beta_slow", "beta_slow"}}) {
      const std::string name = fmt::format("rope.scaling.{}", gguf);
      if (!has(name)) continue;
      TRY(scaling[hf], positive(name));
    }
    if (type != "longrope" && !find_member(scaling, "factor") && !tensors_.empty()) {
      return fail(ErrorKind::bad_file, "{}: metadata key {} is missing", where_,
                  key("rope.scaling.factor"));
    }
    scaling["rope_type"] = type;
    scaling["type"] = type;
    config_["rope_scaling"] = std::move(scaling);
    return ok();
  }

  // ---- families

  Status decoder() {
    TRY_STATUS(heads());
    TRY_STATUS(required_number("attention.layer_norm_rms_epsilon", "rms_norm_eps"));
    TRY_STATUS(rope());
    TRY_STATUS(optional("expert_count", "num_local_experts", kMaxLayers));
    TRY(const int64_t window, metadata_.get_int_or(key("attention.sliding_window"), 0));
    if (window != 0)
      TRY_STATUS(required("attention.sliding_window", "sliding_window", kMaxContext));
    config_["hidden_act"] = "silu";
    config_["attention_bias"] = tensor("blk.0.attn_q.bias") != nullptr;

    const std::string_view name = row_->name;
    if (name == "llama") {
      config_["mlp_bias"] = tensor("blk.0.ffn_down.bias") != nullptr;
      // llama.cpp writes Mistral as "llama"; only a window tells them apart.
      if (find_member(config_, "sliding_window")) set_class("MistralForCausalLM", "mistral");
      if (find_member(config_, "num_local_experts")) set_class("MixtralForCausalLM", "mixtral");
    } else if (name == "qwen2" || name == "qwen3") {
      config_["use_sliding_window"] = false;
    } else if (name == "gemma2") {
      TRY_STATUS(gemma(2, 46));
    } else if (name == "gemma3") {
      TRY_STATUS(gemma(6, 62));
    }
    return ok();
  }

  void set_class(const char* hf_class, const char* model_type) {
    config_["architectures"] = Json::array({hf_class});
    config_["model_type"] = model_type;
  }

  // Every `pattern`-th layer attends to everything, the others to a window. GGUF has no key for the
  // scale of the scores: the 27B models, known by their `layers_of_27b`, take hidden_size /
  // n_heads.
  Status gemma(int64_t pattern, int64_t layers_of_27b) {
    config_["hidden_act"] = "gelu_pytorch_tanh";
    config_["hidden_activation"] = "gelu_pytorch_tanh";
    for (const auto& [gguf, hf] : {std::pair{"attn_logit_softcapping", "attn_logit_softcapping"},
                                   {"final_logit_softcapping", "final_logit_softcapping"}}) {
      config_[hf] = nullptr;
      TRY_STATUS(optional_number(gguf, hf));
    }
    const int64_t n_layers = value_or("num_hidden_layers", 0);
    const int64_t head_dim = value_or("head_dim", 1);
    double scalar = static_cast<double>(head_dim);
    if (n_layers == layers_of_27b) {
      scalar = static_cast<double>(value_or("hidden_size", 1)) /
               static_cast<double>(value_or("num_attention_heads", 1));
    }
    if (has("attention.scale")) {
      TRY(const double scale, positive("attention.scale"));
      scalar = 1 / (scale * scale);
    }
    config_["query_pre_attn_scalar"] = scalar;

    if (has("attention.sliding_window_pattern")) {
      TRY(pattern, metadata_.get_int(key("attention.sliding_window_pattern")));
      if (pattern < 1 || pattern > kMaxLayers)
        return out_of_range("attention.sliding_window_pattern", pattern, kMaxLayers);
    }
    config_["sliding_window_pattern"] = pattern;
    Json layer_types = Json::array();
    for (int64_t i = 0; i < n_layers; ++i) {
      layer_types.push_back((i + 1) % pattern == 0 ? "full_attention" : "sliding_attention");
    }
    config_["layer_types"] = std::move(layer_types);
    if (arch_ == "gemma3") {
      config_["rope_local_base_freq"] = 10000.0;
      TRY_STATUS(optional_number("rope.freq_base_swa", "rope_local_base_freq"));
    }
    return ok();
  }

  Status chatglm() {
    TRY_STATUS(heads());
    config_["kv_channels"] = value_or("head_dim", 0);
    config_["multi_query_attention"] = true;
    config_["multi_query_group_num"] = value_or("num_key_value_heads", 1);
    TRY_STATUS(required_number("attention.layer_norm_rms_epsilon", "layernorm_epsilon"));
    TRY_STATUS(rope());
    config_["rope_ratio"] = config_["rope_theta"].get<double>() / 10000.0;
    config_["padded_vocab_size"] = value_or("vocab_size", 0);
    config_["rmsnorm"] = true;
    config_["post_layer_norm"] = true;
    config_["original_rope"] = true;
    config_["add_bias_linear"] = tensor("blk.0.attn_output.bias") != nullptr;
    config_["add_qkv_bias"] = tensor("blk.0.attn_qkv.bias") != nullptr;
    return ok();
  }

  Status gpt2() {
    config_["n_ctx"] = value_or("n_positions", 0);
    config_["activation_function"] = "gelu_new";
    return required_number("attention.layer_norm_epsilon", "layer_norm_epsilon");
  }

  Status bert() {
    TRY_STATUS(heads());
    TRY_STATUS(required_number("attention.layer_norm_epsilon", "layer_norm_eps"));
    config_["hidden_act"] = "gelu";
    config_["position_embedding_type"] = "absolute";
    if (const GgufTensorEntry* types = tensor("token_types.weight"))
      config_["type_vocab_size"] = types->shape.rows();
    TRY(const int64_t pooling, metadata_.get_int_or(key("pooling_type"), 1));
    static constexpr const char* kPoolings[] = {"none", "mean", "cls", "last"};
    if (pooling < 0 || pooling > 3) {
      return fail(ErrorKind::unsupported,
                  "{}: metadata key {} is {}; 0 (none), 1 (mean), 2 (cls) and 3 (last) are known",
                  where_, key("pooling_type"), pooling);
    }
    config_["pooling_type"] = kPoolings[pooling];
    return ok();
  }

  const Metadata& metadata_;
  std::span<const GgufTensorEntry> tensors_;
  std::string_view where_;
  std::string arch_;
  const GgufArchitecture* row_ = nullptr;
  Json config_ = Json::object();
};

}  // namespace

Result<Json> config_from_gguf(const Metadata& metadata, std::span<const GgufTensorEntry> tensors,
                              std::string_view where) {
  return Translator(metadata, tensors, where).run();
}

Result<Json> generation_config_from_gguf(const Metadata& metadata) {
  Json config = Json::object();
  for (const auto& [gguf, hf] : {std::pair{"bos", "bos_token_id"}, {"padding", "pad_token_id"}}) {
    const std::string id = fmt::format("tokenizer.ggml.{}_token_id", gguf);
    if (!metadata.has(id)) continue;
    TRY(config[hf], metadata.get_int(id));
  }
  // Whatever ends a turn ends the answer.
  Json ends = Json::array();
  for (const char* gguf : {"eos", "eot", "eom"}) {
    const std::string id = fmt::format("tokenizer.ggml.{}_token_id", gguf);
    if (!metadata.has(id)) continue;
    TRY(const int64_t value, metadata.get_int(id));
    if (std::find(ends.begin(), ends.end(), Json(value)) == ends.end()) ends.push_back(value);
  }
  if (!ends.empty()) config["eos_token_id"] = std::move(ends);
  for (const auto& [gguf, hf] : {std::pair{"temp", "temperature"},
                                 {"top_p", "top_p"},
                                 {"min_p", "min_p"},
                                 {"penalty_repeat", "repetition_penalty"}}) {
    const std::string name = fmt::format("general.sampling.{}", gguf);
    if (!metadata.has(name)) continue;
    TRY(config[hf], metadata.get_number(name));
  }
  if (metadata.has("general.sampling.top_k")) {
    TRY(config["top_k"], metadata.get_int("general.sampling.top_k"));
  }
  return config;
}

}  // namespace jiang
