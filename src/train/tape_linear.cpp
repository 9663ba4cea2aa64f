// Linear layers of a Tape: trainable floats, frozen packed weights, and adapters beside either.
#include <algorithm>
#include <cstring>

#include "base/check.h"
#include "kernels/training.h"
#include "ops/matmul.h"
#include "train/dropout.h"
#include "train/tape.h"
#include "train/tape_types.h"

namespace jiang {
namespace {

// Rows of a frozen matrix that are floats at a time.
constexpr int64_t kUnpackRows = 256;

// One seed per linear and batch.
uint64_t seed_of(uint64_t batch_seed, const Linear& linear) {
  uint64_t hash = 0xcbf29ce484222325ull ^ batch_seed;
  for (const char c : linear.name) hash = (hash ^ static_cast<uint8_t>(c)) * 0x100000001b3ull;
  return hash;
}

}  // namespace

void Tape::apply_linear(TensorView y, TensorView x, ValueId x_id, const Linear& linear) {
  const auto trained = bindings_.weights.find(&linear);
  if (counting()) {
    if (trained != bindings_.weights.end()) products_.count(x.rows, x.cols, y.cols);
    if (trained == bindings_.weights.end() && x.rows > 0) {
      const size_t bytes = prepared_bytes(activation_kind(linear.weight), x.rows, x.cols);
      give_back(scratch(1, static_cast<int64_t>(bytes / sizeof(float))));
    }
    return;
  }
  if (trained != bindings_.weights.end()) {
    products_.forward(y, x, x_id + 1, trained->second->value.view(), *pool_);
  } else {
    const ActivationKind kind = activation_kind(linear.weight);
    const size_t bytes = prepared_bytes(kind, x.rows, x.cols);
    const TensorView memory = scratch(1, static_cast<int64_t>(bytes / sizeof(float)));
    const PreparedActivations prepared =
        prepare_activations(kind, x, reinterpret_cast<std::byte*>(memory.data), *pool_);
    matmul(y, prepared, linear.weight, {}, *pool_);
    give_back(memory);
  }
  if (linear.bias.empty()) return;
  const std::span<const float> bias = current(linear.bias);
  pool_->parallel_for(static_cast<size_t>(y.rows), 16, [&](size_t begin, size_t end) {
    for (size_t i = begin; i < end; ++i) {
      kernels::training_table().add_scaled(y.row(static_cast<int64_t>(i)), bias.data(), 1, y.cols);
    }
  });
}

void Tape::linear_forward(const Node& node) {
  const TensorView x = values_[static_cast<size_t>(node.in[0])].view;
  const TensorView y = values_[static_cast<size_t>(node.out)].view;
  apply_linear(y, x, node.in[0], *node.linear);
  const auto adapter = bindings_.adapters.find(node.linear);
  if (adapter != bindings_.adapters.end())
    adapter_forward(y, x, adapter->second, seed_of(dropout_seed_, *node.linear));
}

void Tape::linear_backward(TensorView dx, GemmMode mode, TensorView dy, TensorView x, ValueId x_id,
                           const Linear& linear) {
  if (observer_ && !counting()) observer_->observe(linear, x, dy);
  const auto trained = bindings_.weights.find(&linear);
  if (trained != bindings_.weights.end()) {
    if (counting()) return;
    products_.backward(dx, mode, trained->second->gradient.view(), dy, x, x_id + 1,
                       trained->second->value.view(), *pool_);
  } else if (dx.data) {
    const int64_t rows = linear.out_features();
    const TensorView part = scratch(std::min(kUnpackRows, rows), dx.cols);
    if (counting()) products_.count(dy.rows, dx.cols, part.rows);
    for (int64_t first = 0; first < rows && !counting(); first += kUnpackRows) {
      const TensorView weights = part.rows_from(0, std::min(kUnpackRows, rows - first));
      pool_->parallel_for(static_cast<size_t>(weights.rows), kernels::kPanelRows,
                          [&](size_t begin, size_t end) {
                            const auto at = static_cast<int64_t>(begin);
                            linear.weight.unpack_rows(
                                weights.rows_from(at, static_cast<int64_t>(end) - at), first + at);
                          });
      products_.backward_input(dx, first == 0 ? mode : GemmMode::accumulate,
                               dy.columns(first, weights.rows), weights, *pool_);
    }
    give_back(part);
  }
  if (counting()) return;
  if (Parameter* bias = vector_parameter(linear.bias)) add_columns(*bias, dy);
}

// y += scale * (dropped x) A^T B^T. A few columns wide: in f32 whatever the rest is in.
void Tape::adapter_forward(TensorView y, TensorView x, const Adapter& adapter, uint64_t node_seed) {
  const bool drops = adapter.dropout > 0 && mode_ != TapeMode::forward_only;
  TensorView in = x;
  if (drops) {
    in = scratch(x.rows, x.cols);
    if (!counting()) drop_out(in, x, adapter.dropout, node_seed, *pool_);
  }
  const TensorView h = scratch(x.rows, adapter.a->rows);
  if (!counting()) {
    gemm(h, plain(in), transposed(adapter.a->value.view()), GemmMode::overwrite, products_.memory(),
         *pool_);
    for (int64_t i = 0; i < h.rows * h.cols; ++i) h.data[i] *= adapter.scale;
    gemm(y, plain(h), transposed(adapter.b->value.view()), GemmMode::accumulate, products_.memory(),
         *pool_);
  }
  give_back(h);
  if (drops) give_back(in);
}

// With h = scale x A^T: dB += dy^T h, dh = scale dy B, dA += dh^T x, dx += dh A.
void Tape::adapter_backward(TensorView dx, TensorView dy, TensorView x, const Adapter& adapter,
                            uint64_t node_seed) {
  const bool drops = adapter.dropout > 0;
  TensorView in = x;
  if (drops) {
    in = scratch(x.rows, x.cols);
    if (!counting()) drop_out(in, x, adapter.dropout, node_seed, *pool_);
  }
  const TensorView h = scratch(x.rows, adapter.a->rows);
  const auto scale_h = [&] {
    for (int64_t i = 0; i < h.rows * h.cols; ++i) h.data[i] *= adapter.scale;
  };
  if (!counting()) {
    gemm(h, plain(in), transposed(adapter.a->value.view()), GemmMode::overwrite, products_.memory(),
         *pool_);
    scale_h();
    gemm(adapter.b->gradient.view(), transposed(dy), plain(h), GemmMode::accumulate,
         products_.memory(), *pool_);
    gemm(h, plain(dy), plain(adapter.b->value.view()), GemmMode::overwrite, products_.memory(),
         *pool_);
    scale_h();
    gemm(adapter.a->gradient.view(), transposed(h), plain(in), GemmMode::accumulate,
         products_.memory(), *pool_);
    if (dx.data && !drops) {
      gemm(dx, plain(h), plain(adapter.a->value.view()), GemmMode::accumulate, products_.memory(),
           *pool_);
    } else if (dx.data) {
      gemm(in, plain(h), plain(adapter.a->value.view()), GemmMode::overwrite, products_.memory(),
           *pool_);
      add_dropped(dx, in, adapter.dropout, node_seed, *pool_);
    }
  }
  give_back(h);
  if (drops) give_back(in);
}

// Here, where the seed of a linear is known.
void Tape::linear_node_backward(const Node& node, TensorView dy) {
  const Value& in = values_[static_cast<size_t>(node.in[0])];
  const TensorView x = in.view;
  TensorView dx;
  GemmMode mode = GemmMode::overwrite;
  if (in.needs_gradient) {
    const Target to = target(node.in[0]);
    dx = to.view;
    mode = to.mode();
  }
  linear_backward(dx, mode, dy, x, node.in[0], *node.linear);
  const auto adapter = bindings_.adapters.find(node.linear);
  if (adapter != bindings_.adapters.end())
    adapter_backward(dx, dy, x, adapter->second, seed_of(dropout_seed_, *node.linear));
}

}  // namespace jiang
