// The end of a training pass: hidden states -> logits -> losses, and back. Logits exist for a few
// rows at a time: a vocabulary is wide.
#pragma once

#include <span>
#include <vector>

#include "base/token.h"
#include "model/model.h"
#include "train/tape.h"

namespace jiang {

// Row `row` of the hidden states should predict `id`. `weight` is what its loss counts for in the
// gradient (it may be negative: preferences).
struct Target {
  int32_t row = 0;
  TokenId id = 0;
  float weight = 1;
};

// -log p of every target, in their order. Nothing is remembered.
void measure_losses(Tape& tape, TensorView hidden, const Model& model,
                    std::span<const Target> targets, std::span<float> losses);
// The same, and the gradient of sum(weight * loss): into the head's weights and tape.add_gradient
// (hidden).
void backward_losses(Tape& tape, TensorView hidden, const Model& model,
                     std::span<const Target> targets, std::span<float> losses);

}  // namespace jiang
