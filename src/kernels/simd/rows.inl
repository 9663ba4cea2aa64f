// The row kernels of kernels/rows.h over vectors. Included by the ISA folders after their simd.h.
//
// Sums run in kLanes lanes, which are added in a fixed tree at the end; the last, incomplete vector
// goes through a padded copy, so that an element meets the same operations wherever it stands.

#include "kernels/simd/math.inl"

namespace jiang::kernels {
namespace {

// Applies f to vectors of x (and y), writing n results.
template <class Function>
inline void map(float* out, const float* x, int64_t n, Function f) {
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) store(out + i, f(load(x + i)));
  if (i == n) return;
  float pad[kLanes] = {};
  for (int64_t j = i; j < n; ++j) pad[j - i] = x[j];
  store(pad, f(load(pad)));
  for (int64_t j = i; j < n; ++j) out[j] = pad[j - i];
}

template <class Function>
inline void map2(float* out, const float* x, const float* y, int64_t n, Function f) {
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) store(out + i, f(load(x + i), load(y + i)));
  if (i == n) return;
  float pad_x[kLanes] = {}, pad_y[kLanes] = {};
  for (int64_t j = i; j < n; ++j) pad_x[j - i] = x[j], pad_y[j - i] = y[j];
  store(pad_x, f(load(pad_x), load(pad_y)));
  for (int64_t j = i; j < n; ++j) out[j] = pad_x[j - i];
}

// sum over i of f(x[i]), padded with zeros: f(0) must be 0.
template <class Function>
inline float sum_of(const float* x, int64_t n, Function f) {
  F sum = zero();
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) sum = add(sum, f(load(x + i)));
  if (i < n) {
    float pad[kLanes] = {};
    for (int64_t j = i; j < n; ++j) pad[j - i] = x[j];
    sum = add(sum, f(load(pad)));
  }
  return reduce_add(sum);
}

void rms_norm(float* out, const float* x, const float* weight, int64_t n, float eps) {
  const float mean = sum_of(x, n, [](F v) { return mul(v, v); }) / (float)n;
  const F factor = set1(1.0f / __builtin_sqrtf(mean + eps));
  map2(out, x, weight, n, [=](F v, F w) { return mul(mul(v, factor), w); });
}

void layer_norm(float* out, const float* x, const float* weight, const float* bias, int64_t n,
                float eps) {
  const float mean = sum_of(x, n, [](F v) { return v; }) / (float)n;
  const F center = set1(mean);
  map(out, x, n, [=](F v) { return sub(v, center); });
  const float variance = sum_of(out, n, [](F v) { return mul(v, v); }) / (float)n;
  const F factor = set1(1.0f / __builtin_sqrtf(variance + eps));
  map2(out, out, weight, n, [=](F v, F w) { return mul(mul(v, factor), w); });
  map2(out, out, bias, n, [](F v, F b) { return add(v, b); });
}

void rope_halves(float* out, const float* x, const float* cos, const float* sin, int64_t n) {
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    const F a = load(x + i), b = load(x + n + i), c = load(cos + i), s = load(sin + i);
    store(out + i, sub(mul(a, c), mul(b, s)));
    store(out + n + i, add(mul(b, c), mul(a, s)));
  }
  for (; i < n; ++i) {
    const float a = x[i], b = x[n + i];
    out[i] = a * cos[i] - b * sin[i];
    out[n + i] = b * cos[i] + a * sin[i];
  }
}

inline F silu_of(F x) { return div(x, add(set1(1.0f), exp_of(sub(zero(), x)))); }
// 0.5 x (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))) (Hendrycks and Gimpel, arXiv 1606.08415)
inline F gelu_tanh_of(F x) {
  const F cube = mul(mul(x, x), x);
  const F inner = mul(set1(0.7978845608f), fma(set1(0.044715f), cube, x));
  return mul(mul(set1(0.5f), x), add(set1(1.0f), tanh_of(inner)));
}

void silu(float* out, const float* x, int64_t n) { map(out, x, n, silu_of); }
void gelu_tanh(float* out, const float* x, int64_t n) { map(out, x, n, gelu_tanh_of); }
void silu_mul(float* out, const float* gate, const float* up, int64_t n) {
  map2(out, gate, up, n, [](F g, F u) { return mul(silu_of(g), u); });
}
void gelu_tanh_mul(float* out, const float* gate, const float* up, int64_t n) {
  map2(out, gate, up, n, [](F g, F u) { return mul(gelu_tanh_of(g), u); });
}
void softcap(float* out, const float* x, int64_t n, float cap) {
  const F c = set1(cap);
  map(out, x, n, [=](F v) { return mul(c, tanh_of(div(v, c))); });
}

}  // namespace
}  // namespace jiang::kernels
