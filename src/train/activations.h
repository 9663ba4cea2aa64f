// The activations of ops.h with their slopes. silu and its gate have vector kernels
// (kernels/training.h); the rest are plain loops.
#pragma once

#include <cstdint>

#include "kernels/rows.h"
#include "ops/ops.h"

namespace jiang {

void activate(const kernels::RowTable& rows, float* out, const float* x, int64_t n,
              Activation kind);
// dx = dy * activation'(x)
void activation_backward(float* dx, const float* dy, const float* x, int64_t n, Activation kind);
// Of out = activation(gate) * up.
void gated_backward(float* dgate, float* dup, const float* dout, const float* gate, const float* up,
                    int64_t n, Activation kind);

}  // namespace jiang
