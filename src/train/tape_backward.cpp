// The gradients of a Tape's verbs, each written by hand.
#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/check.h"
#include "kernels/training.h"
#include "train/activations.h"
#include "train/tape.h"
#include "train/tape_types.h"

namespace jiang {
namespace {

using kernels::training_table;

}  // namespace

// work(first column, columns): sums over rows, split by columns so that their order is one.
template <class F>
void Tape::by_columns(int64_t rows, int64_t cols, const F& work) {
  constexpr int64_t kWorthSplitting = 16384;
  constexpr size_t kGrain = 64;
  if (rows * cols < kWorthSplitting) return work(0, cols);
  pool_->parallel_for(static_cast<size_t>(cols), kGrain, [&](size_t begin, size_t end) {
    work(static_cast<int64_t>(begin), static_cast<int64_t>(end - begin));
  });
}

void Tape::add_columns(Parameter& to, TensorView dy) {
  float* gradient = to.gradient.view().data;
  by_columns(dy.rows, dy.cols, [&](int64_t first, int64_t n) {
    for (int64_t i = 0; i < dy.rows; ++i)
      training_table().add_scaled(gradient + first, dy.row(i) + first, 1, n);
  });
}

// The gradient of `to` becomes, or grows by, dy. A first one that is another value's whole gradient
// is shared instead of copied.
void Tape::share_gradient(ValueId to, ValueId from) {
  Value& value = values_[static_cast<size_t>(to)];
  const Value& source = values_[static_cast<size_t>(from)];
  if (!value.needs_gradient) return;
  if (value.gradient < 0) {
    value.gradient = source.gradient;
    ++buffers_[static_cast<size_t>(source.gradient)].references;
    return;
  }
  const float* dy = buffers_[static_cast<size_t>(source.gradient)].data;
  const Target mine = target(to);
  if (counting()) return;
  const int64_t n = mine.view.cols;
  by_rows(mine.view.rows, n,
          [&](int64_t i) { training_table().add_scaled(mine.view.row(i), dy + i * n, 1, n); });
}

void Tape::run_backward(const Node& node) {
  const auto view = [&](ValueId id) { return values_[static_cast<size_t>(id)].view; };
  const auto needs = [&](ValueId id) { return values_[static_cast<size_t>(id)].needs_gradient; };
  const Value& out = values_[static_cast<size_t>(node.out)];
  const TensorView dy{buffers_[static_cast<size_t>(out.gradient)].data, out.view.rows,
                      out.view.cols, out.view.cols};
  const int64_t n = dy.cols;

  // dx[i] = or += f(i, c), an element at a time.
  const auto elementwise = [&](auto f) {
    if (!needs(node.in[0])) return;
    const Target to = target(node.in[0]);
    if (counting()) return;
    by_rows(dy.rows, n, [&](int64_t i) {
      for (int64_t c = 0; c < n; ++c) {
        const float value = f(i, c);
        to.view.row(i)[c] = to.fresh ? value : to.view.row(i)[c] + value;
      }
    });
  };

  switch (node.verb) {
    case Verb::copy:
      return share_gradient(node.in[0], node.out);
    case Verb::embedding:
      return embedding_backward(node, dy);
    case Verb::linear:
      return linear_node_backward(node, dy);
    case Verb::rms_norm:
      return norm_backward(node, dy);
    case Verb::layer_norm:
      return layer_norm_backward(node, dy);
    case Verb::rope: {
      if (!needs(node.in[0])) return;
      const Target to = target(node.in[0]);
      JIANG_CHECK(to.fresh, "what is turned is used once");
      if (!counting()) rope_to(to.view, dy, node, true);
      return;
    }
    case Verb::attention:
      return attention_backward(node, dy);
    case Verb::activation: {
      if (!needs(node.in[0])) return;
      const Target to = target(node.in[0]);
      JIANG_CHECK(to.fresh, "what is activated is used once");
      if (counting()) return;
      const TensorView x = view(node.in[0]);
      return by_rows(dy.rows, n, [&](int64_t i) {
        activation_backward(to.view.row(i), dy.row(i), x.row(i), n, node.activation);
      });
    }
    case Verb::gated: {
      const Target gate = target(node.in[0]), up = target(node.in[1]);
      JIANG_CHECK(gate.fresh && up.fresh, "gates are used once");
      if (counting()) return;
      const TensorView g = view(node.in[0]), u = view(node.in[1]);
      return by_rows(dy.rows, n, [&](int64_t i) {
        gated_backward(gate.view.row(i), up.view.row(i), dy.row(i), g.row(i), u.row(i), n,
                       node.activation);
      });
    }
    case Verb::add:
      share_gradient(node.in[0], node.out);
      share_gradient(node.in[1], node.out);
      return;
    case Verb::add_row:
      if (Parameter* row = vector_parameter(node.bias); row && !counting()) add_columns(*row, dy);
      return share_gradient(node.in[0], node.out);
    case Verb::scale:
      return elementwise([&](int64_t i, int64_t c) { return dy.row(i)[c] * node.number; });
    case Verb::softcap: {
      const TensorView y = view(node.out);
      return elementwise([&](int64_t i, int64_t c) {
        const float t = y.row(i)[c] / node.number;
        return dy.row(i)[c] * (1.0f - t * t);
      });
    }
    case Verb::select_rows: {
      if (!needs(node.in[0])) return;
      const Target to = target(node.in[0]);
      if (counting()) return;
      if (to.fresh) std::fill_n(to.view.data, to.view.rows * to.view.cols, 0.0f);
      for (int64_t i = 0; i < dy.rows; ++i) {
        training_table().add_scaled(to.view.row(node.indices[static_cast<size_t>(i)]), dy.row(i), 1,
                                    n);
      }
      return;
    }
  }
}

void Tape::embedding_backward(const Node& node, TensorView dy) {
  if (observer_ && !counting()) observer_->observe_lookup(*node.table, node.number, dy);
  const auto found = bindings_.tables.find(node.table);
  if (found == bindings_.tables.end() || counting()) return;
  const TensorView gradient = found->second->gradient.view();
  by_columns(dy.rows, dy.cols, [&](int64_t first, int64_t n) {
    for (int64_t i = 0; i < dy.rows; ++i) {
      training_table().add_scaled(gradient.row(node.indices[static_cast<size_t>(i)]) + first,
                                  dy.row(i) + first, node.number, n);
    }
  });
}

void Tape::norm_backward(const Node& node, TensorView dy) {
  const Value& in = values_[static_cast<size_t>(node.in[0])];
  const TensorView x = in.view;
  const std::span<const float> weight = current(node.weight);
  const auto chunk = static_cast<int64_t>(weight.size());
  const int64_t chunks = dy.cols / chunk;
  // Without a gradient to write, one is computed for its roots and forgotten.
  const bool writes = in.needs_gradient;
  TensorView to;
  const float* plus = nullptr;
  if (writes) {
    const Target mine = target(node.in[0]);
    to = mine.view;
    plus = mine.fresh ? nullptr : mine.view.data;
  } else {
    to = scratch(dy.rows, dy.cols);
  }
  const TensorView roots = scratch(dy.rows, chunks);  // 1 / rms of each chunk
  if (!counting()) {
    by_rows(dy.rows, dy.cols, [&](int64_t i) {
      for (int64_t c = 0; c < chunks; ++c) {
        const int64_t at = c * chunk;
        roots.row(i)[c] = training_table().rms_norm_backward(
            to.row(i) + at, plus ? to.row(i) + at : nullptr, dy.row(i) + at, x.row(i) + at,
            weight.data(), chunk, node.number);
      }
    });
    if (Parameter* parameter = vector_parameter(node.weight)) {
      float* gradient = parameter->gradient.view().data;
      by_columns(dy.rows * chunks, chunk, [&](int64_t first, int64_t n) {
        for (int64_t i = 0; i < dy.rows; ++i) {
          for (int64_t c = 0; c < chunks; ++c) {
            const int64_t at = c * chunk + first;
            training_table().add_product(gradient + first, dy.row(i) + at, x.row(i) + at,
                                         roots.row(i)[c], n);
          }
        }
      });
    }
  }
  give_back(roots);
  if (!writes) give_back(to);
}

// y = (x - mean) r w + b with r = (variance + eps)^(-1/2); with g = dy w and xh = (x - mean) r:
// dx = r (g - mean(g) - xh mean(g xh)).
void Tape::layer_norm_backward(const Node& node, TensorView dy) {
  const Value& in = values_[static_cast<size_t>(node.in[0])];
  const TensorView x = in.view;
  const int64_t n = dy.cols;
  const std::span<const float> weight = current(node.weight);
  Target to{};
  if (in.needs_gradient) to = target(node.in[0]);
  const TensorView normed = scratch(dy.rows, n);
  if (!counting()) {
    by_rows(dy.rows, n, [&](int64_t i) {
      const float* from = x.row(i);
      double mean = 0, variance = 0;
      for (int64_t c = 0; c < n; ++c) mean += from[c];
      mean /= static_cast<double>(n);
      for (int64_t c = 0; c < n; ++c) variance += (from[c] - mean) * (from[c] - mean);
      const double root = 1 / std::sqrt(variance / static_cast<double>(n) + node.number);
      double sum = 0, along = 0;
      for (int64_t c = 0; c < n; ++c) {
        const double xh = (from[c] - mean) * root;
        normed.row(i)[c] = static_cast<float>(xh);
        const double g = static_cast<double>(dy.row(i)[c]) * weight[static_cast<size_t>(c)];
        sum += g;
        along += g * xh;
      }
      if (!to.view.data) return;
      sum /= static_cast<double>(n);
      along /= static_cast<double>(n);
      for (int64_t c = 0; c < n; ++c) {
        const double g = static_cast<double>(dy.row(i)[c]) * weight[static_cast<size_t>(c)];
        const auto dx = static_cast<float>(root * (g - sum - normed.row(i)[c] * along));
        to.view.row(i)[c] = to.fresh ? dx : to.view.row(i)[c] + dx;
      }
    });
    if (Parameter* parameter = vector_parameter(node.weight)) {
      float* gradient = parameter->gradient.view().data;
      by_columns(dy.rows, n, [&](int64_t first, int64_t count) {
        for (int64_t i = 0; i < dy.rows; ++i) {
          training_table().add_product(gradient + first, dy.row(i) + first, normed.row(i) + first,
                                       1, count);
        }
      });
    }
    if (Parameter* parameter = vector_parameter(node.bias)) add_columns(*parameter, dy);
  }
  give_back(normed);
}

void Tape::attention_backward(const Node& node, TensorView dy) {
  const auto view = [&](ValueId id) { return values_[static_cast<size_t>(id)].view; };
  Target to[3];
  TensorView mine[3];
  for (int i = 0; i < 3; ++i) {
    const Value& in = values_[static_cast<size_t>(node.in[i])];
    if (in.needs_gradient) {
      to[i] = target(node.in[i]);
      JIANG_CHECK(to[i].fresh, "queries, keys and values are used once");
      mine[i] = to[i].view;
    } else {
      mine[i] = scratch(in.view.rows, in.view.cols);
    }
  }
  const auto run = [&](auto& attention) {
    attention.backward(*pool_, mine[0], mine[1], mine[2], dy, view(node.out), view(node.extra),
                       view(node.in[0]), view(node.in[1]), view(node.in[2]), node.sequences,
                       node.attention);
  };
  if (!counting()) compute_ == Compute::bf16 ? run(bf16_attention_) : run(attention_);
  for (int i = 0; i < 3; ++i) {
    if (!to[i].view.data) give_back(mine[i]);
  }
}

}  // namespace jiang
