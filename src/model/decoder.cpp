#include "model/decoder.h"

#include <algorithm>
#include <cmath>

#include "base/check.h"
#include "model/kv_cache.h"
#include "model/step.h"

namespace jiang {
namespace {

// Rows of logits made at a time: a vocabulary is wide, and prompts may want all their rows.
constexpr int32_t kLogitRows = 32;

class Decoder final : public Model {
 public:
  Decoder(const ModelConfig& config, const TensorNames& names,
          std::shared_ptr<const TensorSource> source)
      : config_(config), names_(&names), source_(std::move(source)) {}

  const ModelConfig& config() const override { return config_; }
  uint64_t weight_bytes() const override;
  uint64_t parameter_count() const override { return parameter_count_; }
  uint64_t bytes_per_token() const override;

  Result<std::unique_ptr<StatePool>> make_state_pool(
      const StatePoolOptions& options) const override {
    TRY(std::unique_ptr<StatePool> pool,
        KvCache::create(cache_shape(options.kv_type), options.capacity_tokens));
    return pool;
  }
  uint64_t state_bytes_per_token(KvType type) const override {
    return cache_shape(type).bytes_per_token();
  }
  int64_t state_tokens(int32_t n_positions) const override {
    return KvCache::whole_blocks(n_positions);
  }
  size_t workspace_bytes(int32_t n_rows, int32_t n_wanted) const override;
  bool forward(const Batch& batch, StatePool* pool, Workspace& work, TensorView out) const override;

  std::vector<ModelPart> parts() const override;
  const Linear* output_head() const override { return &weights.lm_head; }
  TensorView hidden_states(const Batch& batch, Workspace& work) const override;

  DecoderWeights weights;

  void set_parameter_count(uint64_t count) { parameter_count_ = count; }

 private:
  KvCacheShape cache_shape(KvType type) const {
    return {config_.num_hidden_layers, config_.num_key_value_heads, config_.head_dim, type};
  }
  bool run(Ops& ops, const Step& step, TensorView out) const;
  // The residual stream after the last layer, or an empty view if the step was abandoned; `start`
  // is the mark before it.
  TensorView run_layers(Ops& ops, const Step& step, size_t start) const;
  TensorView attention(Ops& ops, const DecoderLayer& layer, int index, TensorView x,
                       const Step& step) const;
  TensorView feed_forward(Ops& ops, const DecoderLayer& layer, TensorView x) const;
  void write_outputs(Ops& ops, const Step& step, TensorView x, TensorView out) const;

  ModelConfig config_;
  const TensorNames* names_;                    // of the architecture, a constant of the program
  std::shared_ptr<const TensorSource> source_;  // owns the embedding tables
  uint64_t parameter_count_ = 0;
};

bool Decoder::run(Ops& ops, const Step& step, TensorView out) const {
  const size_t start = ops.mark();
  const TensorView x = run_layers(ops, step, start);
  if (x.data) write_outputs(ops, step, x, out);
  ops.release(start);
  return x.data != nullptr;
}

TensorView Decoder::run_layers(Ops& ops, const Step& step, size_t start) const {
  TensorView x = ops.embedding(step.tokens, weights.embedding, config_.embedding_scale);
  if (config_.learned_positions)
    x = ops.add(x, ops.embedding(step.positions, weights.positions, 1));
  x = ops.keep(start, x);
  for (int i = 0; i < config_.num_hidden_layers; ++i) {
    if (!step.goes_on()) return {};
    const DecoderLayer& layer = weights.layers[static_cast<size_t>(i)];
    TensorView h = apply_norm(ops, x, layer.attention_norm, config_);
    h = attention(ops, layer, i, h, step);
    if (config_.post_norms) h = apply_norm(ops, h, layer.post_attention_norm, config_);
    x = ops.keep(start, ops.add(x, h));

    h = apply_norm(ops, x, layer.ffn_norm, config_);
    h = feed_forward(ops, layer, h);
    if (config_.post_norms) h = apply_norm(ops, h, layer.post_ffn_norm, config_);
    x = ops.keep(start, ops.add(x, h));
  }
  return x;
}

TensorView Decoder::attention(Ops& ops, const DecoderLayer& layer, int index, TensorView x,
                              const Step& step) const {
  const Linear* const projections[] = {&layer.q, &layer.k, &layer.v};
  TensorView qkv[3];
  ops.linear_many(x, projections, qkv);
  auto [q, k, v] = qkv;
  if (config_.qk_norm) {
    q = ops.rms_norm(q, layer.q_norm, config_.rms_norm_eps);
    k = ops.rms_norm(k, layer.k_norm, config_.rms_norm_eps);
  }
  if (!config_.learned_positions) {
    const RopeTable& table = config_.rope_of(index);
    q = ops.rope(q, config_.head_dim, step.positions, table);
    k = ops.rope(k, config_.head_dim, step.positions, table);
  }
  const AttentionParams params{
      .n_heads = config_.num_attention_heads,
      .n_kv_heads = config_.num_key_value_heads,
      .head_dim = config_.head_dim,
      .scale = config_.attention_scale > 0 ? config_.attention_scale
                                           : 1 / std::sqrt(static_cast<float>(config_.head_dim)),
      .softcap = config_.attention_softcap,
      .window = config_.window(index),
  };
  KvLayer cache;
  if (step.cache) cache = step.cache->layer(index);
  return ops.linear(ops.attention(q, k, v, step.cache ? &cache : nullptr, step.sequences, params),
                    layer.o);
}

TensorView Decoder::feed_forward(Ops& ops, const DecoderLayer& layer, TensorView x) const {
  if (!config_.gated_ffn)
    return ops.linear(ops.activation(ops.linear(x, layer.up), config_.hidden_act), layer.down);
  const Linear* const projections[] = {&layer.gate, &layer.up};
  TensorView gate_up[2];
  ops.linear_many(x, projections, gate_up);
  return ops.linear(ops.gated(gate_up[0], gate_up[1], config_.hidden_act), layer.down);
}

void Decoder::write_outputs(Ops& ops, const Step& step, TensorView x, TensorView out) const {
  for (size_t first = 0; first < step.wanted.size(); first += kLogitRows) {
    const size_t mark = ops.mark();
    const auto rows =
        step.wanted.subspan(first, std::min<size_t>(kLogitRows, step.wanted.size() - first));
    TensorView y = apply_norm(ops, ops.select_rows(x, rows), weights.final_norm, config_);
    if (step.output == OutputKind::logits) {
      y = ops.linear(y, weights.lm_head);
      if (config_.final_logit_softcap > 0) y = ops.softcap(y, config_.final_logit_softcap);
    }
    if (out.data) copy_rows(y, out.rows_from(static_cast<int64_t>(first), y.rows));
    ops.release(mark);
  }
}

bool Decoder::forward(const Batch& batch, StatePool* pool, Workspace& work, TensorView out) const {
  const int64_t width =
      batch.output == OutputKind::logits ? config_.vocab_size : config_.hidden_size;
  JIANG_CHECK(
      out.rows == static_cast<int64_t>(batch.wanted.size()) && (out.cols == width || out.rows == 0),
      "one row of output per wanted row");
  const Step step =
      begin_step(batch, pool, work, config_.max_position_embeddings, config_.learned_positions);
  if (!run(work.ops(), step, out)) return false;
  end_step(batch, pool);
  return true;
}

TensorView Decoder::hidden_states(const Batch& batch, Workspace& work) const {
  const Step step =
      begin_step(batch, nullptr, work, config_.max_position_embeddings, config_.learned_positions);
  Ops& ops = work.ops();
  return apply_norm(ops, run_layers(ops, step, ops.mark()), weights.final_norm, config_);
}

std::vector<ModelPart> Decoder::parts() const {
  std::vector<ModelPart> all;
  const auto add_vector = [&](const std::string& name, const std::vector<float>& values) {
    if (!values.empty()) all.push_back({.name = name, .vector = &values});
  };
  const auto add_norm = [&](const std::string& name, const Norm& norm) {
    add_vector(name + ".weight", norm.weight);
    add_vector(name + ".bias", norm.bias);
  };
  // `part`: which part of a fused matrix it is, "" where the file has it alone.
  const auto add_linear = [&](const Linear& linear, std::string_view part = {}) {
    if (linear.is_empty()) return;
    const std::string suffix = part.empty() ? "" : fmt::format(":{}", part);
    all.push_back({.name = linear.name + ".weight" + suffix, .linear = &linear});
    add_vector(linear.name + ".bias" + suffix, linear.bias);
  };
  const bool fuses_qkv = !names_->qkv.empty(), fuses_gate_up = !names_->gate_up.empty();
  all.push_back({.name = std::string(names_->embedding) + ".weight", .table = &weights.embedding});
  if (config_.learned_positions) {
    all.push_back(
        {.name = std::string(names_->positions) + ".weight", .table = &weights.positions});
  }
  for (size_t i = 0; i < weights.layers.size(); ++i) {
    const DecoderLayer& layer = weights.layers[i];
    const std::string prefix = fmt::format("{}{}.", names_->layer, i);
    const auto name = [&](std::string_view part) { return prefix + std::string(part); };
    add_norm(name(names_->attention_norm), layer.attention_norm);
    add_linear(layer.q, fuses_qkv ? "q" : "");
    add_linear(layer.k, fuses_qkv ? "k" : "");
    add_linear(layer.v, fuses_qkv ? "v" : "");
    add_linear(layer.o);
    add_vector(name(names_->q_norm) + ".weight", layer.q_norm);
    add_vector(name(names_->k_norm) + ".weight", layer.k_norm);
    add_norm(name(names_->post_attention_norm), layer.post_attention_norm);
    add_norm(name(names_->ffn_norm), layer.ffn_norm);
    add_linear(layer.gate, fuses_gate_up ? "gate" : "");
    add_linear(layer.up, fuses_gate_up ? "up" : "");
    add_linear(layer.down);
    add_norm(name(names_->post_ffn_norm), layer.post_ffn_norm);
  }
  add_norm(std::string(names_->final_norm), weights.final_norm);
  // A tied head is the embedding's table, packed.
  add_linear(weights.lm_head);
  return all;
}

size_t Decoder::workspace_bytes(int32_t n_rows, int32_t n_wanted) const {
  return measure_step(n_rows, n_wanted,
                      [&](Ops& ops, const Step& step) { run(ops, step, TensorView{}); });
}

uint64_t Decoder::bytes_per_token() const {
  uint64_t bytes = weights.lm_head.weight.bytes() + norm_bytes(weights.final_norm);
  for (const DecoderLayer& layer : weights.layers) bytes += layer_bytes(layer);
  return bytes;
}

uint64_t Decoder::weight_bytes() const {
  uint64_t bytes = bytes_per_token();
  for (const WeightMatrix* table : {&weights.embedding, &weights.positions}) {
    if (table->rows > 0) bytes += table->row_bytes() * static_cast<uint64_t>(table->rows);
  }
  return bytes;
}

void request_layer(TensorLoader& loader, const TensorNames& names, const ModelConfig& c, int index,
                   DecoderLayer& layer) {
  const std::string prefix = fmt::format("{}{}.", names.layer, index);
  const auto name = [&](std::string_view part) { return prefix + std::string(part); };
  const int64_t hidden = c.hidden_size;
  const int64_t q_width = int64_t{c.num_attention_heads} * c.head_dim;
  const int64_t kv_width = int64_t{c.num_key_value_heads} * c.head_dim;
  const int64_t ffn = c.intermediate_size;
  const Presence qkv_bias = c.qkv_bias ? Presence::required : Presence::optional;

  load_norm(loader, layer.attention_norm, c, name(names.attention_norm));
  if (names.qkv.empty()) {
    loader.linear(layer.q, name(names.q), q_width, hidden, qkv_bias);
    loader.linear(layer.k, name(names.k), kv_width, hidden, qkv_bias);
    loader.linear(layer.v, name(names.v), kv_width, hidden, qkv_bias);
  } else {
    const TensorLoader::Part parts[] = {{&layer.q, name(names.qkv), q_width},
                                        {&layer.k, name(names.qkv), kv_width},
                                        {&layer.v, name(names.qkv), kv_width}};
    loader.fused_linear(parts, name(names.qkv), hidden, qkv_bias);
  }
  if (c.qk_norm) {
    const float add =
        c.norm_adds_one && !loader.source().conventions().norm_has_one_added ? 1.0f : 0.0f;
    loader.vector(layer.q_norm, name(names.q_norm) + ".weight", c.head_dim, Presence::required,
                  add);
    loader.vector(layer.k_norm, name(names.k_norm) + ".weight", c.head_dim, Presence::required,
                  add);
  }
  loader.linear(layer.o, name(names.o), hidden, q_width);

  load_norm(loader, layer.ffn_norm, c, name(names.ffn_norm));
  if (c.post_norms) {
    load_norm(loader, layer.post_attention_norm, c, name(names.post_attention_norm));
    load_norm(loader, layer.post_ffn_norm, c, name(names.post_ffn_norm));
  }
  if (!c.gated_ffn) {
    loader.linear(layer.up, name(names.up), ffn, hidden);
  } else if (names.gate_up.empty()) {
    loader.linear(layer.gate, name(names.gate), ffn, hidden);
    loader.linear(layer.up, name(names.up), ffn, hidden);
  } else {
    const TensorLoader::Part parts[] = {{&layer.gate, name(names.gate_up), ffn},
                                        {&layer.up, name(names.gate_up), ffn}};
    loader.fused_linear(parts, name(names.gate_up), hidden);
  }
  loader.linear(layer.down, name(names.down), hidden, ffn);
}

}  // namespace

uint64_t norm_bytes(const Norm& norm) {
  return (norm.weight.size() + norm.bias.size()) * sizeof(float);
}

uint64_t layer_bytes(const DecoderLayer& layer) {
  uint64_t bytes = (layer.q_norm.size() + layer.k_norm.size()) * sizeof(float);
  for (const Linear* linear :
       {&layer.q, &layer.k, &layer.v, &layer.o, &layer.gate, &layer.up, &layer.down}) {
    bytes += linear->weight.bytes() + linear->bias.size() * sizeof(float);
  }
  for (const Norm* norm :
       {&layer.attention_norm, &layer.post_attention_norm, &layer.ffn_norm, &layer.post_ffn_norm}) {
    bytes += norm_bytes(*norm);
  }
  return bytes;
}

void load_norm(TensorLoader& loader, Norm& norm, const ModelConfig& config, std::string_view name) {
  const float add =
      config.norm_adds_one && !loader.source().conventions().norm_has_one_added ? 1.0f : 0.0f;
  loader.vector(norm.weight, std::string(name) + ".weight", config.hidden_size, Presence::required,
                add);
  if (config.norm == NormKind::layer)
    loader.vector(norm.bias, std::string(name) + ".bias", config.hidden_size);
}

TensorView apply_norm(Ops& ops, TensorView x, const Norm& norm, const ModelConfig& config) {
  if (config.norm == NormKind::layer)
    return ops.layer_norm(x, norm.weight, norm.bias, config.rms_norm_eps);
  return ops.rms_norm(x, norm.weight, config.rms_norm_eps);
}

Result<std::shared_ptr<const Model>> build_decoder(const Architecture& architecture,
                                                   const ModelConfig& config, TensorLoader& loader,
                                                   const FinishLoading& finish) {
  const TensorNames& names = architecture.names;
  auto model = std::make_shared<Decoder>(config, names, loader.shared_source());
  DecoderWeights& w = model->weights;
  // Of a tied pair some checkpoints keep the head, most keep the embedding.
  std::string_view embedding = names.embedding;
  if (config.tie_word_embeddings && !loader.has(std::string(names.embedding) + ".weight") &&
      loader.has(std::string(names.lm_head) + ".weight")) {
    embedding = names.lm_head;
  }
  loader.table(w.embedding, embedding, config.vocab_size, config.hidden_size);
  if (config.learned_positions) {
    loader.table(w.positions, names.positions, config.max_position_embeddings, config.hidden_size);
  }
  w.layers.resize(static_cast<size_t>(config.num_hidden_layers));
  for (int i = 0; i < config.num_hidden_layers; ++i) {
    request_layer(loader, names, config, i, w.layers[static_cast<size_t>(i)]);
  }
  load_norm(loader, w.final_norm, config, names.final_norm);
  const bool is_tied = config.tie_word_embeddings;
  loader.linear(w.lm_head, is_tied ? embedding : names.lm_head, config.vocab_size,
                config.hidden_size);
  if (is_tied) loader.skip(std::string(names.lm_head) + ".weight");
  TRY_STATUS(finish(loader));
  model->set_parameter_count(loader.parameter_count());
  return std::shared_ptr<const Model>(std::move(model));
}

}  // namespace jiang
