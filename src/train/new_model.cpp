#include "train/new_model.h"

#include <cmath>
#include <cstring>
#include <deque>

#include "base/json_value.h"
#include "train/dropout.h"

namespace jiang {
namespace {

class NewModel final : public TensorSource {
 public:
  explicit NewModel(Json config) : config_(std::move(config)) {}

  const std::string& path() const override { return path_; }
  const Json& config() const override { return config_; }
  const Json& generation_config() const override { return none_; }
  const Metadata* metadata() const override { return nullptr; }
  const SourceConventions& conventions() const override { return conventions_; }
  std::span<const TensorInfo> tensors() const override { return tensors_; }
  const TensorInfo* find(std::string_view name) const override {
    for (const TensorInfo& tensor : tensors_) {
      if (tensor.name == name) return &tensor;
    }
    return nullptr;
  }
  bool still_whole() const override { return true; }

  std::vector<float>& add(const std::string& name, const Shape& shape) {
    std::vector<float>& values = memory_.emplace_back(static_cast<size_t>(shape.elements()));
    tensors_.push_back({name, name, Format::f32, shape, std::as_bytes(std::span(values))});
    return values;
  }

 private:
  std::string path_ = "new model";
  Json config_;
  Json none_ = Json::object();
  SourceConventions conventions_;
  std::deque<std::vector<float>> memory_;
  std::vector<TensorInfo> tensors_;
};

// Two normal numbers of a counter (Box and Muller).
void fill_normal(std::vector<float>& values, double deviation, uint64_t seed) {
  for (size_t i = 0; i < values.size(); i += 2) {
    const uint64_t a = mix_bits(seed + i), b = mix_bits(seed + i + 1);
    const double u = (static_cast<double>(a >> 11) + 1) * 0x1p-53;
    const double angle = static_cast<double>(b >> 11) * 0x1p-53 * 6.283185307179586;
    const double radius = deviation * std::sqrt(-2 * std::log(u));
    values[i] = static_cast<float>(radius * std::cos(angle));
    if (i + 1 < values.size()) values[i + 1] = static_cast<float>(radius * std::sin(angle));
  }
}

}  // namespace

Result<uint64_t> count_new_model(const Json& config) {
  const auto number = [&](const char* key) -> double {
    return static_cast<double>(*get_int_or(config, key, 0, "config"));
  };
  // In floating point: no overflow, and nobody needs the last digit.
  const double hidden = number("hidden_size"), ffn = number("intermediate_size");
  const double heads = number("num_attention_heads"), kv = number("num_key_value_heads");
  const double head_dim = config.contains("head_dim") ? number("head_dim") : hidden / heads;
  const double layer = hidden * head_dim * (2 * heads + 2 * kv) + 3 * hidden * ffn + 2 * hidden;
  TRY(const bool tied, get_bool(config, "tie_word_embeddings", "config"));
  const double all =
      number("num_hidden_layers") * layer + number("vocab_size") * hidden * (tied ? 1 : 2) + hidden;
  return static_cast<uint64_t>(all);
}

Result<std::shared_ptr<const TensorSource>> make_new_model(const Json& config, uint64_t seed) {
  constexpr std::string_view kWhere = "the new model's config";
  TRY(const int64_t vocab, get_int(config, "vocab_size", kWhere));
  TRY(const int64_t hidden, get_int(config, "hidden_size", kWhere));
  TRY(const int64_t ffn, get_int(config, "intermediate_size", kWhere));
  TRY(const int64_t layers, get_int(config, "num_hidden_layers", kWhere));
  TRY(const int64_t heads, get_int(config, "num_attention_heads", kWhere));
  TRY(const int64_t kv_heads, get_int(config, "num_key_value_heads", kWhere));
  TRY(const int64_t head_dim, get_int_or(config, "head_dim", hidden / heads, kWhere));
  TRY(const bool tied, get_bool(config, "tie_word_embeddings", kWhere));
  TRY(const std::string type, get_string(config, "model_type", kWhere));
  TRY(const double deviation, get_number_or(config, "initializer_range", 0.02, kWhere));
  const double into_residual = deviation / std::sqrt(2.0 * static_cast<double>(layers));

  auto model = std::make_shared<NewModel>(config);
  uint64_t tensor_seed = mix_bits(seed);
  const auto matrix = [&](const std::string& name, int64_t rows, int64_t cols, double scale) {
    tensor_seed = mix_bits(tensor_seed);
    fill_normal(model->add(name + ".weight", Shape{rows, cols}), scale, tensor_seed);
  };
  const auto vector = [&](const std::string& name, int64_t n, float value) {
    std::vector<float>& values = model->add(name, Shape{n});
    values.assign(values.size(), value);
  };
  matrix("model.embed_tokens", vocab, hidden, deviation);
  for (int64_t i = 0; i < layers; ++i) {
    const std::string at = fmt::format("model.layers.{}.", i);
    const std::string attention = at + "self_attn.";
    vector(at + "input_layernorm.weight", hidden, 1);
    matrix(attention + "q_proj", heads * head_dim, hidden, deviation);
    matrix(attention + "k_proj", kv_heads * head_dim, hidden, deviation);
    matrix(attention + "v_proj", kv_heads * head_dim, hidden, deviation);
    if (type == "qwen2") {
      vector(attention + "q_proj.bias", heads * head_dim, 0);
      vector(attention + "k_proj.bias", kv_heads * head_dim, 0);
      vector(attention + "v_proj.bias", kv_heads * head_dim, 0);
    } else if (type == "qwen3") {
      vector(attention + "q_norm.weight", head_dim, 1);
      vector(attention + "k_norm.weight", head_dim, 1);
    }
    matrix(attention + "o_proj", hidden, heads * head_dim, into_residual);
    vector(at + "post_attention_layernorm.weight", hidden, 1);
    matrix(at + "mlp.gate_proj", ffn, hidden, deviation);
    matrix(at + "mlp.up_proj", ffn, hidden, deviation);
    matrix(at + "mlp.down_proj", hidden, ffn, into_residual);
  }
  vector("model.norm.weight", hidden, 1);
  if (!tied) matrix("lm_head", vocab, hidden, deviation);
  return std::shared_ptr<const TensorSource>(std::move(model));
}

}  // namespace jiang
