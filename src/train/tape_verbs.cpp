// The verbs of Ops as a Tape records them, and their forward arithmetic.
#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/check.h"
#include "kernels/training.h"
#include "train/activations.h"
#include "train/tape.h"
#include "train/tape_types.h"

namespace jiang {

TensorView Tape::copy(TensorView x) {
  Node node;
  node.verb = Verb::copy;
  node.in[0] = value_of(x);
  return record(node, x.rows, x.cols, false);
}

TensorView Tape::embedding(std::span<const TokenId> ids, const WeightMatrix& table, float scale) {
  Node node;
  node.verb = Verb::embedding;
  node.indices = ids;
  node.table = &table;
  node.number = scale;
  return record(node, static_cast<int64_t>(ids.size()), table.cols,
                bindings_.tables.contains(&table) || observer_ != nullptr);
}

TensorView Tape::linear(TensorView x, const Linear& linear) {
  Node node;
  node.verb = Verb::linear;
  node.in[0] = value_of(x);
  node.linear = &linear;
  const bool trains = bindings_.weights.contains(&linear) || bindings_.adapters.contains(&linear) ||
                      vector_parameter(linear.bias);
  return record(node, x.rows, linear.out_features(), trains);
}

void Tape::linear_many(TensorView x, std::span<const Linear* const> linears,
                       std::span<TensorView> outs) {
  for (size_t i = 0; i < linears.size(); ++i) outs[i] = linear(x, *linears[i]);
}

TensorView Tape::rms_norm(TensorView x, std::span<const float> weight, float eps) {
  Node node;
  node.verb = Verb::rms_norm;
  node.in[0] = value_of(x);
  node.weight = weight;
  node.number = eps;
  return record(node, x.rows, x.cols, vector_parameter(weight) != nullptr);
}

TensorView Tape::layer_norm(TensorView x, std::span<const float> weight,
                            std::span<const float> bias, float eps) {
  Node node;
  node.verb = Verb::layer_norm;
  node.in[0] = value_of(x);
  node.weight = weight;
  node.bias = bias;
  node.number = eps;
  return record(node, x.rows, x.cols, vector_parameter(weight) || vector_parameter(bias));
}

TensorView Tape::rope(TensorView x, int32_t head_dim, std::span<const int32_t> positions,
                      const RopeTable& table) {
  Node node;
  node.verb = Verb::rope;
  node.in[0] = value_of(x);
  node.head_dim = head_dim;
  node.indices = positions;
  node.rope = &table;
  return record(node, x.rows, x.cols, false);
}

TensorView Tape::attention(TensorView q, TensorView k, TensorView v, const KvLayer* cache,
                           std::span<const SequenceRows> sequences, const AttentionParams& params) {
  JIANG_CHECK(!cache, "training has no cache");
  Node node;
  node.verb = Verb::attention;
  node.in[0] = value_of(q);
  node.in[1] = value_of(k);
  node.in[2] = value_of(v);
  node.sequences = sequences;
  node.attention = params;
  node.extra = new_value(params.n_heads, q.rows, false);
  return record(node, q.rows, q.cols, false);
}

TensorView Tape::activation(TensorView x, Activation kind) {
  Node node;
  node.verb = Verb::activation;
  node.in[0] = value_of(x);
  node.activation = kind;
  return record(node, x.rows, x.cols, false);
}

TensorView Tape::gated(TensorView gate, TensorView up, Activation kind) {
  Node node;
  node.verb = Verb::gated;
  node.in[0] = value_of(gate);
  node.in[1] = value_of(up);
  node.activation = kind;
  return record(node, gate.rows, gate.cols, false);
}

TensorView Tape::add(TensorView a, TensorView b) {
  Node node;
  node.verb = Verb::add;
  node.in[0] = value_of(a);
  node.in[1] = value_of(b);
  return record(node, a.rows, a.cols, false);
}

TensorView Tape::add_row(TensorView x, std::span<const float> row) {
  Node node;
  node.verb = Verb::add_row;
  node.in[0] = value_of(x);
  node.bias = row;
  return record(node, x.rows, x.cols, vector_parameter(row) != nullptr);
}

TensorView Tape::scale(TensorView x, float factor) {
  Node node;
  node.verb = Verb::scale;
  node.in[0] = value_of(x);
  node.number = factor;
  return record(node, x.rows, x.cols, false);
}

TensorView Tape::softcap(TensorView x, float cap) {
  Node node;
  node.verb = Verb::softcap;
  node.in[0] = value_of(x);
  node.number = cap;
  return record(node, x.rows, x.cols, false);
}

TensorView Tape::select_rows(TensorView x, std::span<const int32_t> rows) {
  Node node;
  node.verb = Verb::select_rows;
  node.in[0] = value_of(x);
  node.indices = rows;
  return record(node, static_cast<int64_t>(rows.size()), x.cols, false);
}

Parameter* Tape::vector_parameter(std::span<const float> values) const {
  if (values.empty()) return nullptr;
  const auto found = bindings_.vectors.find(values.data());
  return found == bindings_.vectors.end() ? nullptr : found->second;
}

// The values that a vector of the model has by now.
std::span<const float> Tape::current(std::span<const float> values) const {
  const Parameter* parameter = vector_parameter(values);
  return parameter ? std::span<const float>(parameter->value.view().data, parameter->size())
                   : values;
}

void Tape::run(const Node& node) {
  const auto view = [&](ValueId id) { return values_[static_cast<size_t>(id)].view; };
  const TensorView out = view(node.out);
  const TensorView x = node.in[0] == kNone ? TensorView{} : view(node.in[0]);
  const int64_t n = out.cols;
  switch (node.verb) {
    case Verb::copy:
      return by_rows(out.rows, n, [&](int64_t i) {
        std::memcpy(out.row(i), x.row(i), static_cast<size_t>(n) * sizeof(float));
      });
    case Verb::embedding:
      return embedding_forward(node);
    case Verb::linear:
      return linear_forward(node);
    case Verb::rms_norm: {
      const std::span<const float> weight = current(node.weight);
      const auto chunk = static_cast<int64_t>(weight.size());
      return by_rows(out.rows, n, [&](int64_t i) {
        for (int64_t c = 0; c < n; c += chunk)
          rows_.rms_norm(out.row(i) + c, x.row(i) + c, weight.data(), chunk, node.number);
      });
    }
    case Verb::layer_norm:
      return by_rows(out.rows, n, [&](int64_t i) {
        rows_.layer_norm(out.row(i), x.row(i), current(node.weight).data(),
                         current(node.bias).data(), n, node.number);
      });
    case Verb::rope:
      return rope_to(out, x, node, false);
    case Verb::attention:
      if (compute_ == Compute::bf16) {
        return bf16_attention_.forward(*pool_, out, view(node.extra), x, view(node.in[1]),
                                       view(node.in[2]), node.sequences, node.attention);
      }
      return attention_.forward(*pool_, out, view(node.extra), x, view(node.in[1]),
                                view(node.in[2]), node.sequences, node.attention);
    case Verb::activation:
      return by_rows(out.rows, n,
                     [&](int64_t i) { activate(rows_, out.row(i), x.row(i), n, node.activation); });
    case Verb::gated: {
      const TensorView up = view(node.in[1]);
      return by_rows(out.rows, n, [&](int64_t i) {
        if (node.activation == Activation::silu)
          return rows_.silu_mul(out.row(i), x.row(i), up.row(i), n);
        if (node.activation == Activation::gelu_tanh)
          return rows_.gelu_tanh_mul(out.row(i), x.row(i), up.row(i), n);
        activate(rows_, out.row(i), x.row(i), n, node.activation);
        for (int64_t c = 0; c < n; ++c) out.row(i)[c] *= up.row(i)[c];
      });
    }
    case Verb::add: {
      const TensorView b = view(node.in[1]);
      return by_rows(out.rows, n, [&](int64_t i) {
        std::memcpy(out.row(i), x.row(i), static_cast<size_t>(n) * sizeof(float));
        kernels::training_table().add_scaled(out.row(i), b.row(i), 1, n);
      });
    }
    case Verb::add_row:
      return by_rows(out.rows, n, [&](int64_t i) {
        const float* row = current(node.bias).data();
        for (int64_t c = 0; c < n; ++c) out.row(i)[c] = x.row(i)[c] + row[c];
      });
    case Verb::scale:
      return by_rows(out.rows, n, [&](int64_t i) {
        for (int64_t c = 0; c < n; ++c) out.row(i)[c] = x.row(i)[c] * node.number;
      });
    case Verb::softcap:
      return by_rows(out.rows, n,
                     [&](int64_t i) { rows_.softcap(out.row(i), x.row(i), n, node.number); });
    case Verb::select_rows:
      for (int64_t i = 0; i < out.rows; ++i) {
        std::memcpy(out.row(i), x.row(node.indices[static_cast<size_t>(i)]),
                    static_cast<size_t>(n) * sizeof(float));
      }
      return;
  }
}

void Tape::embedding_forward(const Node& node) {
  const TensorView out = values_[static_cast<size_t>(node.out)].view;
  const auto found = bindings_.tables.find(node.table);
  for (const TokenId id : node.indices)
    JIANG_CHECK(id >= 0 && id < node.table->rows, "a token id beyond the embedding table");
  by_rows(out.rows, out.cols, [&](int64_t i) {
    const TokenId id = node.indices[static_cast<size_t>(i)];
    if (found == bindings_.tables.end()) {
      node.table->dequantize_row(id, out.row(i));
    } else {
      std::memcpy(out.row(i), found->second->value.view().row(id),
                  static_cast<size_t>(out.cols) * sizeof(float));
    }
    if (node.number == 1) return;
    for (int64_t c = 0; c < out.cols; ++c) out.row(i)[c] *= node.number;
  });
}

void Tape::rope_to(TensorView out, TensorView x, const Node& node, bool backward) {
  const RopeTable& table = *node.rope;
  const int64_t pairs = table.rotary_dim / 2;
  const RopeAngles& angles = angles_.get(node.indices, table);
  const auto turn = table.interleaved ? rows_.rope_pairs : rows_.rope_halves;
  const int64_t rest = node.head_dim - table.rotary_dim;
  by_rows(out.rows, out.cols, [&](int64_t i) {
    const float* cos = angles.cos.data() + i * pairs;
    const float* sin = angles.sin.data() + i * pairs;
    float negated[kWidestHead / 2];
    if (backward) {  // the other way round
      for (int64_t p = 0; p < pairs; ++p) negated[p] = -sin[p];
      sin = negated;
    }
    for (int64_t c = 0; c < out.cols; c += node.head_dim) {
      turn(out.row(i) + c, x.row(i) + c, cos, sin, pairs);
      std::memcpy(out.row(i) + c + table.rotary_dim, x.row(i) + c + table.rotary_dim,
                  static_cast<size_t>(rest) * sizeof(float));
    }
  });
}

}  // namespace jiang
