#include "train/activations.h"

#include <cmath>

#include "kernels/training.h"

namespace jiang {
namespace {

struct ValueAndSlope {
  float value, slope;
};

ValueAndSlope silu(float x) {
  const float s = 1.0f / (1.0f + std::exp(-x));
  return {x * s, s + x * s * (1.0f - s)};
}

ValueAndSlope gelu_tanh(float x) {
  constexpr float kRoot = 0.7978845608f;  // sqrt(2 / pi)
  const float t = std::tanh(kRoot * (x + 0.044715f * x * x * x));
  const float inner = kRoot * (1.0f + 3 * 0.044715f * x * x);
  return {0.5f * x * (1.0f + t), 0.5f * (1.0f + t) + 0.5f * x * (1.0f - t * t) * inner};
}

ValueAndSlope gelu_erf(float x) {
  const float cdf = 0.5f * (1.0f + std::erf(x * 0.70710678f));
  return {x * cdf, cdf + x * 0.3989422804f * std::exp(-0.5f * x * x)};
}

ValueAndSlope relu(float x) { return x > 0 ? ValueAndSlope{x, 1} : ValueAndSlope{x - x, 0}; }

using Curve = ValueAndSlope (*)(float);
Curve curve_of(Activation kind) {
  switch (kind) {
    case Activation::silu:
      return silu;
    case Activation::gelu_tanh:
      return gelu_tanh;
    case Activation::gelu_erf:
      return gelu_erf;
    case Activation::relu:
      return relu;
  }
  return silu;
}

}  // namespace

void activate(const kernels::RowTable& rows, float* out, const float* x, int64_t n,
              Activation kind) {
  switch (kind) {
    case Activation::silu:
      return rows.silu(out, x, n);
    case Activation::gelu_tanh:
      return rows.gelu_tanh(out, x, n);
    case Activation::gelu_erf:
      return rows.gelu_erf(out, x, n);
    case Activation::relu:
      for (int64_t i = 0; i < n; ++i) out[i] = relu(x[i]).value;
      return;
  }
}

void activation_backward(float* dx, const float* dy, const float* x, int64_t n, Activation kind) {
  const Curve curve = curve_of(kind);
  for (int64_t i = 0; i < n; ++i) dx[i] = dy[i] * curve(x[i]).slope;
}

void gated_backward(float* dgate, float* dup, const float* dout, const float* gate, const float* up,
                    int64_t n, Activation kind) {
  if (kind == Activation::silu)
    return kernels::training_table().silu_mul_backward(dgate, dup, dout, gate, up, n);
  const Curve curve = curve_of(kind);
  for (int64_t i = 0; i < n; ++i) {
    const ValueAndSlope at = curve(gate[i]);
    const float d = dout[i];
    dgate[i] = d * up[i] * at.slope;
    dup[i] = d * at.value;
  }
}

}  // namespace jiang
