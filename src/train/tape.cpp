#include "train/tape.h"

#include <algorithm>
#include <cstring>

#include "base/check.h"
#include "kernels/training.h"
#include "train/tape_types.h"

namespace jiang {

Tape::Tape(ThreadPool& pool, const Bindings& bindings, size_t memory_bytes, Compute compute)
    : pool_(&pool),
      bindings_(bindings),
      blocks_(memory_bytes),
      compute_(compute),
      products_(compute),
      rows_(kernels::row_table()) {}
Tape::Tape(CountOnly, const Bindings& bindings, Compute compute)
    : bindings_(bindings),
      blocks_(BlockPool::CountOnly{}),
      compute_(compute),
      products_(compute),
      rows_(kernels::row_table()) {}
Tape::~Tape() = default;

void Tape::begin(TapeMode mode, uint64_t dropout_seed) {
  mode_ = mode;
  dropout_seed_ = dropout_seed;
  nodes_.clear();
  values_.clear();
  by_address_.clear();
  live_.clear();
  segment_ends_.clear();
  buffers_.clear();
  blocks_.clear();
  products_.forget();
}

Tape::ValueId Tape::value_of(TensorView x) const {
  const auto found = by_address_.find(x.data);
  JIANG_CHECK(found != by_address_.end() && x.is_contiguous(),
              "a value that this tape did not return whole");
  return found->second;
}

Tape::ValueId Tape::new_value(int64_t rows, int64_t cols, bool needs_gradient) {
  values_.push_back({.view = {nullptr, rows, cols, cols},
                     .needs_gradient = needs_gradient && mode_ != TapeMode::forward_only});
  return static_cast<ValueId>(values_.size()) - 1;
}

void Tape::allocate(ValueId id) {
  TensorView& view = values_[static_cast<size_t>(id)].view;
  if (view.data) return;
  view.data = blocks_.take(static_cast<size_t>(view.rows * view.cols));
  live_.push_back(id);
}

void Tape::drop(ValueId id) {
  TensorView& view = values_[static_cast<size_t>(id)].view;
  if (!view.data) return;
  blocks_.give_back(view.data, static_cast<size_t>(view.rows * view.cols));
  view.data = nullptr;
}

TensorView Tape::record(Node node, int64_t rows, int64_t cols, bool trains) {
  for (const ValueId in : node.in) {
    if (in != kNone) trains = trains || values_[static_cast<size_t>(in)].needs_gradient;
  }
  node.out = new_value(rows, cols, trains);
  const auto need = [&](ValueId id) { values_[static_cast<size_t>(id)].is_needed = true; };
  if (values_[static_cast<size_t>(node.out)].needs_gradient) {
    switch (node.verb) {
      case Verb::linear:
      case Verb::rms_norm:
      case Verb::layer_norm:
      case Verb::activation:
        need(node.in[0]);
        break;
      case Verb::gated:
        need(node.in[0]), need(node.in[1]);
        break;
      case Verb::softcap:
        need(node.out);
        break;
      case Verb::attention:
        for (const ValueId in : node.in) need(in);
        need(node.out), need(node.extra);
        break;
      default:
        break;
    }
  }
  allocate(node.out);
  if (node.extra != kNone) allocate(node.extra);
  const TensorView out = values_[static_cast<size_t>(node.out)].view;
  by_address_[out.data] = node.out;
  if (!counting()) run(node);
  nodes_.push_back(node);
  return out;
}

TensorView Tape::keep(size_t, TensorView x) {
  const ValueId kept = value_of(x);
  values_[static_cast<size_t>(kept)].is_boundary = true;
  std::vector<ValueId> rest;
  for (const ValueId id : live_) {
    const Value& value = values_[static_cast<size_t>(id)];
    const bool stays = id == kept || (mode_ == TapeMode::remember_all && value.is_needed) ||
                       (mode_ == TapeMode::checkpointing && value.is_boundary);
    if (!stays) {
      drop(id);
    } else if (id == kept) {
      rest.push_back(id);  // the next segment may not need it for its gradients
    }
  }
  live_ = std::move(rest);
  segment_ends_.push_back(nodes_.size());
  return x;
}

TensorView Tape::scratch(int64_t rows, int64_t cols) {
  return {blocks_.take(static_cast<size_t>(rows * cols)), rows, cols, cols};
}

void Tape::give_back(TensorView scratch) {
  blocks_.give_back(scratch.data, static_cast<size_t>(scratch.rows * scratch.cols));
}

// Gradients. A buffer may be the gradient of several values at once (a sum gives its own to both
// of its terms); it is written in place only by its last owner.

int32_t Tape::new_buffer(size_t n_floats) {
  buffers_.push_back({blocks_.take(n_floats), n_floats, 1});
  return static_cast<int32_t>(buffers_.size()) - 1;
}

void Tape::unref(int32_t index) {
  Buffer& buffer = buffers_[static_cast<size_t>(index)];
  if (--buffer.references == 0) blocks_.give_back(buffer.data, buffer.n_floats);
}

void Tape::release_gradient(ValueId id) {
  Value& value = values_[static_cast<size_t>(id)];
  if (value.gradient < 0) return;
  unref(value.gradient);
  value.gradient = -1;
}

Tape::Target Tape::target(ValueId id) {
  Value& value = values_[static_cast<size_t>(id)];
  const auto n = static_cast<size_t>(value.view.rows * value.view.cols);
  TensorView view{nullptr, value.view.rows, value.view.cols, value.view.cols};
  if (value.gradient < 0) {
    value.gradient = new_buffer(n);
    view.data = buffers_[static_cast<size_t>(value.gradient)].data;
    return {view, true};
  }
  if (buffers_[static_cast<size_t>(value.gradient)].references > 1) {
    const int32_t shared = value.gradient;
    value.gradient = new_buffer(n);
    if (!counting()) {
      std::memcpy(buffers_[static_cast<size_t>(value.gradient)].data,
                  buffers_[static_cast<size_t>(shared)].data, n * sizeof(float));
    }
    unref(shared);
  }
  view.data = buffers_[static_cast<size_t>(value.gradient)].data;
  return {view, false};
}

TensorView Tape::add_gradient(TensorView x) {
  const ValueId id = value_of(x);
  if (!values_[static_cast<size_t>(id)].needs_gradient) return {};
  const Target to = target(id);
  if (to.fresh && !counting()) std::fill_n(to.view.data, to.view.rows * to.view.cols, 0.0f);
  return to.view;
}

void Tape::backward() {
  JIANG_CHECK(mode_ != TapeMode::forward_only, "this pass was not remembered");
  size_t end = nodes_.size();
  // What follows the last keep() is still whole.
  if (mode_ == TapeMode::checkpointing) {
    const size_t last = segment_ends_.empty() ? 0 : segment_ends_.back();
    backward_segment(last, end);
    end = last;
    for (size_t s = segment_ends_.size(); s-- > 0;) {
      const size_t first = s == 0 ? 0 : segment_ends_[s - 1];
      for (size_t i = first; i < end; ++i) {
        allocate(nodes_[i].out);
        if (nodes_[i].extra != kNone) allocate(nodes_[i].extra);
        // The segment's last value is there, or was not needed until now.
        if (!counting()) run(nodes_[i]);
      }
      backward_segment(first, end);
      end = first;
    }
  } else {
    backward_segment(0, end);
  }
}

void Tape::backward_segment(size_t first, size_t end) {
  for (size_t i = end; i-- > first;) {
    const Node node = nodes_[i];
    const Value& out = values_[static_cast<size_t>(node.out)];
    if (out.needs_gradient && out.gradient >= 0) run_backward(node);
    release_gradient(node.out);
    drop(node.out);
    if (node.extra != kNone) drop(node.extra);
  }
}

}  // namespace jiang
