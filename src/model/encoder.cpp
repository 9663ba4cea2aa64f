#include "model/encoder.h"

#include <algorithm>
#include <cmath>

#include "base/check.h"
#include "model/decoder.h"
#include "model/step.h"

namespace jiang {
namespace {

class Encoder final : public Model {
 public:
  Encoder(const ModelConfig& config, std::shared_ptr<const TensorSource> source)
      : config_(config), source_(std::move(source)) {}

  const ModelConfig& config() const override { return config_; }
  uint64_t parameter_count() const override { return parameter_count_; }
  uint64_t weight_bytes() const override;
  uint64_t bytes_per_token() const override;

  Result<std::unique_ptr<StatePool>> make_state_pool(const StatePoolOptions&) const override {
    return fail(ErrorKind::unsupported,
                "{} is an encoder: it makes embeddings, not text, and carries no state",
                config_.architecture);
  }
  uint64_t state_bytes_per_token(KvType) const override { return 0; }
  int64_t state_tokens(int32_t) const override { return 0; }
  size_t workspace_bytes(int32_t n_rows, int32_t n_wanted) const override;
  bool forward(const Batch& batch, StatePool* pool, Workspace& work, TensorView out) const override;

  WeightMatrix words, positions;
  std::vector<float> types;  // (type_vocab_size, hidden_size); all tokens are of the first type
  Norm embedding_norm;
  std::vector<DecoderLayer> layers;

  void set_parameter_count(uint64_t count) { parameter_count_ = count; }

 private:
  void run(Ops& ops, const Step& step, TensorView out) const;
  TensorView attention(Ops& ops, const DecoderLayer& layer, TensorView x, const Step& step) const;

  ModelConfig config_;
  std::shared_ptr<const TensorSource> source_;
  uint64_t parameter_count_ = 0;
};

void Encoder::run(Ops& ops, const Step& step, TensorView out) const {
  const size_t start = ops.mark();
  TensorView x = ops.embedding(step.tokens, words, 1);
  x = ops.add(x, ops.embedding(step.positions, positions, 1));
  x = ops.add_row(x, std::span(types).first(static_cast<size_t>(config_.hidden_size)));
  x = ops.keep(start, apply_norm(ops, x, embedding_norm, config_));
  for (const DecoderLayer& layer : layers) {
    TensorView h = ops.add(x, attention(ops, layer, x, step));
    x = ops.keep(start, apply_norm(ops, h, layer.post_attention_norm, config_));

    h = ops.linear(ops.activation(ops.linear(x, layer.up), config_.hidden_act), layer.down);
    x = ops.keep(start, apply_norm(ops, ops.add(x, h), layer.post_ffn_norm, config_));
  }
  x = ops.select_rows(x, step.wanted);
  if (out.data) copy_rows(x, out);
  ops.release(start);
}

TensorView Encoder::attention(Ops& ops, const DecoderLayer& layer, TensorView x,
                              const Step& step) const {
  const Linear* const projections[] = {&layer.q, &layer.k, &layer.v};
  TensorView qkv[3];
  ops.linear_many(x, projections, qkv);
  const AttentionParams params{.n_heads = config_.num_attention_heads,
                               .n_kv_heads = config_.num_attention_heads,
                               .head_dim = config_.head_dim,
                               .scale = 1 / std::sqrt(static_cast<float>(config_.head_dim)),
                               .causal = false};
  return ops.linear(ops.attention(qkv[0], qkv[1], qkv[2], nullptr, step.sequences, params),
                    layer.o);
}

bool Encoder::forward(const Batch& batch, StatePool* pool, Workspace& work, TensorView out) const {
  JIANG_CHECK(!pool, "an encoder carries no state");
  JIANG_CHECK(batch.output == OutputKind::hidden_states, "an encoder has no logits");
  JIANG_CHECK(out.rows == static_cast<int64_t>(batch.wanted.size()) &&
                  (out.cols == config_.hidden_size || out.rows == 0),
              "one row of output per wanted row");
  run(work.ops(), begin_step(batch, nullptr, work, config_.max_position_embeddings, true), out);
  return true;  // short: it is not asked whether it is still wanted
}

size_t Encoder::workspace_bytes(int32_t n_rows, int32_t n_wanted) const {
  return measure_step(n_rows, n_wanted,
                      [&](Ops& ops, const Step& step) { run(ops, step, TensorView{}); });
}

uint64_t Encoder::bytes_per_token() const {
  uint64_t bytes = 0;
  for (const DecoderLayer& layer : layers) bytes += layer_bytes(layer);
  return bytes;
}

uint64_t Encoder::weight_bytes() const {
  uint64_t bytes = bytes_per_token() + types.size() * sizeof(float) + norm_bytes(embedding_norm);
  for (const WeightMatrix* table : {&words, &positions})
    bytes += table->row_bytes() * static_cast<uint64_t>(table->rows);
  return bytes;
}

void request_encoder_layer(TensorLoader& loader, const TensorNames& names, const ModelConfig& c,
                           int index, DecoderLayer& layer) {
  const std::string prefix = fmt::format("{}{}.", names.layer, index);
  const auto name = [&](std::string_view part) { return prefix + std::string(part); };
  const int64_t hidden = c.hidden_size;
  for (const auto& [linear, part] : {std::pair{&layer.q, names.q},
                                     {&layer.k, names.k},
                                     {&layer.v, names.v},
                                     {&layer.o, names.o}}) {
    loader.linear(*linear, name(part), hidden, hidden, Presence::required);
  }
  load_norm(loader, layer.post_attention_norm, c, name(names.post_attention_norm));
  loader.linear(layer.up, name(names.up), c.intermediate_size, hidden, Presence::required);
  loader.linear(layer.down, name(names.down), hidden, c.intermediate_size, Presence::required);
  load_norm(loader, layer.post_ffn_norm, c, name(names.post_ffn_norm));
}

}  // namespace

Result<std::shared_ptr<const Model>> build_encoder(const Architecture& architecture,
                                                   const ModelConfig& config, TensorLoader& loader,
                                                   const FinishLoading& finish) {
  const TensorNames& names = architecture.names;
  auto model = std::make_shared<Encoder>(config, loader.shared_source());
  loader.table(model->words, names.embedding, config.vocab_size, config.hidden_size);
  loader.table(model->positions, names.positions, config.max_position_embeddings,
               config.hidden_size);
  loader.matrix(model->types, names.types, config.type_vocab_size, config.hidden_size);
  load_norm(loader, model->embedding_norm, config, names.embedding_norm);
  model->layers.resize(static_cast<size_t>(config.num_hidden_layers));
  for (int i = 0; i < config.num_hidden_layers; ++i) {
    request_encoder_layer(loader, names, config, i, model->layers[static_cast<size_t>(i)]);
  }
  TRY_STATUS(finish(loader));
  model->set_parameter_count(loader.parameter_count());
  return std::shared_ptr<const Model>(std::move(model));
}

}  // namespace jiang
