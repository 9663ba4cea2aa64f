#include "train/loss.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/check.h"
#include "kernels/training.h"

namespace jiang {
namespace {

// Floats of logits at a time: 16 MiB.
constexpr int64_t kLogits = 1 << 22;

enum class Direction : uint8_t { forward, both };

// One row of logits: its loss, and with `both` its gradient in place of the logits.
float row_loss(float* logits, int64_t n, const Target& target, float cap, Direction direction) {
  const auto& table = kernels::training_table();
  if (cap > 0) {
    for (int64_t i = 0; i < n; ++i) logits[i] = cap * std::tanh(logits[i] / cap);
  }
  if (direction == Direction::forward) return table.negative_log_likelihood(logits, n, target.id);
  if (cap <= 0) return table.cross_entropy(logits, n, target.id, target.weight);
  std::vector<float> capped(logits, logits + n);
  const float loss = table.cross_entropy(logits, n, target.id, target.weight);
  for (int64_t i = 0; i < n; ++i) {
    const float t = capped[static_cast<size_t>(i)] / cap;
    logits[i] *= 1.0f - t * t;
  }
  return loss;
}

void run(Tape& tape, TensorView hidden, const Model& model, std::span<const Target> targets,
         std::span<float> losses, Direction direction) {
  const Linear& head = *model.output_head();
  const int64_t vocab = head.out_features();
  const float cap = model.config().final_logit_softcap;
  const int64_t n_targets = static_cast<int64_t>(targets.size());
  JIANG_CHECK(losses.size() == targets.size(), "one loss per target");
  if (n_targets == 0) return;
  const int64_t most = std::min(n_targets, std::max<int64_t>(kLogits / vocab, 128));
  TensorView gradient;
  if (direction == Direction::both) gradient = tape.add_gradient(hidden);
  const TensorView logits = tape.scratch(most, vocab);
  const TensorView rows = tape.scratch(most, hidden.cols);
  const TensorView back = tape.scratch(most, hidden.cols);
  const auto bytes = static_cast<size_t>(hidden.cols) * sizeof(float);
  for (int64_t first = 0; first < n_targets; first += most) {
    const int64_t n = std::min(most, n_targets - first);
    const auto part = targets.subspan(static_cast<size_t>(first), static_cast<size_t>(n));
    const TensorView x = rows.rows_from(0, n), y = logits.rows_from(0, n);
    for (int64_t i = 0; i < n && !tape.counting(); ++i) {
      JIANG_CHECK(part[static_cast<size_t>(i)].id >= 0 && part[static_cast<size_t>(i)].id < vocab,
                  "a target beyond the vocabulary");
      std::memcpy(x.row(i), hidden.row(part[static_cast<size_t>(i)].row), bytes);
    }
    tape.apply_linear(y, x, head);
    if (!tape.counting()) {
      tape.pool().parallel_for(static_cast<size_t>(n), 1, [&](size_t begin, size_t end) {
        for (size_t i = begin; i < end; ++i) {
          losses[static_cast<size_t>(first) + i] =
              row_loss(y.row(static_cast<int64_t>(i)), vocab, part[i], cap, direction);
        }
      });
    }
    if (direction == Direction::forward) continue;
    const TensorView dx = gradient.data ? back.rows_from(0, n) : TensorView{};
    tape.linear_backward(dx, GemmMode::overwrite, y, x, head);
    for (int64_t i = 0; i < n && dx.data && !tape.counting(); ++i) {
      kernels::training_table().add_scaled(gradient.row(part[static_cast<size_t>(i)].row),
                                           dx.row(i), 1, hidden.cols);
    }
  }
  tape.give_back(logits);
  tape.give_back(rows);
  tape.give_back(back);
}

}  // namespace

void measure_losses(Tape& tape, TensorView hidden, const Model& model,
                    std::span<const Target> targets, std::span<float> losses) {
  run(tape, hidden, model, targets, losses, Direction::forward);
}

void backward_losses(Tape& tape, TensorView hidden, const Model& model,
                     std::span<const Target> targets, std::span<float> losses) {
  run(tape, hidden, model, targets, losses, Direction::both);
}

}  // namespace jiang
