// The row kernels of kernels/training.h over vectors. Included by the ISA folders after their
// simd.h. Incomplete vectors go through padded copies, as in rows.inl.
#include "kernels/simd/math.inl"
#include "kernels/training.h"

namespace jiang::kernels {
namespace {

inline F load_part(const float* x, int64_t n) {
  float pad[kLanes] = {};
  for (int64_t i = 0; i < n; ++i) pad[i] = x[i];
  return load(pad);
}
inline void store_part(float* x, F value, int64_t n) {
  float pad[kLanes];
  store(pad, value);
  for (int64_t i = 0; i < n; ++i) x[i] = pad[i];
}
// f(load, store, at) for each vector of [0, n), the last one padded.
template <class Function>
inline void each_vector(int64_t n, Function f) {
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes)
    f([&](const float* x) { return load(x + i); }, [&](float* x, F value) { store(x + i, value); },
      i);
  if (i == n) return;
  f([&](const float* x) { return load_part(x + i, n - i); },
    [&](float* x, F value) { store_part(x + i, value, n - i); }, i);
}

void add_scaled(float* out, const float* x, float factor, int64_t n) {
  const F a = set1(factor);
  each_vector(n, [&](auto at, auto put, int64_t) { put(out, fma(a, at(x), at(out))); });
}

void add_product(float* out, const float* x, const float* y, float factor, int64_t n) {
  const F a = set1(factor);
  each_vector(n, [&](auto at, auto put, int64_t) { put(out, fma(mul(at(x), at(y)), a, at(out))); });
}

float dot(const float* x, const float* y, int64_t n) {
  F sum = zero();
  each_vector(n, [&](auto at, auto, int64_t) { sum = fma(at(x), at(y), sum); });
  return reduce_add(sum);
}

// y_i = x_i r w_i with r = (mean(x^2) + eps)^(-1/2); dr/dx_j = -r^3 x_j / n, so
// dx_j = r (w_j dy_j - x_j r^2 mean(w dy x)).
float rms_norm_backward(float* dx, const float* plus, const float* dy, const float* x,
                        const float* weight, int64_t n, float eps) {
  F squares = zero(), along = zero();
  each_vector(n, [&](auto at, auto, int64_t) {
    const F value = at(x);
    squares = fma(value, value, squares);
    along = fma(mul(at(dy), at(weight)), value, along);
  });
  const float r = 1.0f / __builtin_sqrtf(reduce_add(squares) / (float)n + eps);
  const F factor = set1(r);
  const F back = set1(r * r * (reduce_add(along) / (float)n));
  if (plus) {
    each_vector(n, [&](auto at, auto put, int64_t) {
      put(dx, fma(factor, fnma(at(x), back, mul(at(dy), at(weight))), at(plus)));
    });
  } else {
    each_vector(n, [&](auto at, auto put, int64_t) {
      put(dx, mul(factor, fnma(at(x), back, mul(at(dy), at(weight)))));
    });
  }
  return r;
}

void silu_mul_backward(float* dgate, float* dup, const float* dout, const float* gate,
                       const float* up, int64_t n) {
  const F one = set1(1.0f);
  each_vector(n, [&](auto at, auto put, int64_t) {
    const F g = at(gate), d = at(dout), u = at(up);
    const F s = div(one, add(one, exp_of(sub(zero(), g))));
    const F silu = mul(g, s);
    // d silu / dg = s + silu (1 - s)
    put(dgate, mul(mul(d, u), fma(silu, sub(one, s), s)));
    put(dup, mul(d, silu));
  });
}

inline F capped(F s, float softcap) {
  return softcap > 0 ? mul(set1(softcap), tanh_of(div(s, set1(softcap)))) : s;
}

float attention_softmax(float* s, int64_t n, int64_t begin, int64_t end, float scale,
                        float softcap) {
  const F unseen = set1(-__builtin_inff());
  const F factor = set1(scale);
  const auto inside = [&](F value, F otherwise, int64_t i) {
    return blend_range(value, otherwise, (int32_t)(begin - i), (int32_t)(end - i));
  };
  F highest = unseen;
  each_vector(n, [&](auto at, auto put, int64_t i) {
    const F score = inside(capped(mul(at(s), factor), softcap), unseen, i);
    put(s, score);
    if (i + kLanes <= n) highest = max_keep_nan(highest, score);
  });
  const int64_t whole = n / kLanes * kLanes;
  float most = reduce_max_keep_nan(highest);
  for (int64_t i = whole; i < n; ++i) {
    if (s[i] > most || s[i] != s[i]) most = s[i];
  }
  F sum = zero();
  float rest = 0;
  const F peak = set1(most);
  each_vector(n, [&](auto at, auto put, int64_t i) {
    const F p = inside(exp_of(sub(at(s), peak)), zero(), i);
    put(s, p);
    if (i + kLanes <= n) sum = add(sum, p);
  });
  for (int64_t i = whole; i < n; ++i) rest += s[i];
  const float total = reduce_add(sum) + rest;
  const F norm = set1(1.0f / total);
  each_vector(n, [&](auto at, auto put, int64_t) { put(s, mul(at(s), norm)); });
  return most + __builtin_logf(total);
}

void attention_probabilities(float* s, int64_t n, int64_t begin, int64_t end, float scale,
                             float softcap, float log_sum, float* slope) {
  const F factor = set1(scale), shift = set1(log_sum);
  each_vector(n, [&](auto at, auto put, int64_t i) {
    F score = mul(at(s), factor);
    if (softcap > 0) {
      const F t = tanh_of(div(score, set1(softcap)));
      put(slope, fnma(t, t, set1(1.0f)));
      score = mul(set1(softcap), t);
    }
    put(s,
        blend_range(exp_of(sub(score, shift)), zero(), (int32_t)(begin - i), (int32_t)(end - i)));
  });
}

void attention_backward(float* ds, const float* p, const float* dp, float delta, float scale,
                        int64_t n) {
  const F shift = set1(delta), factor = set1(scale);
  each_vector(
      n, [&](auto at, auto put, int64_t) { put(ds, mul(mul(at(p), sub(at(dp), shift)), factor)); });
}

// Returns the maximum, and the sum of exp(x - maximum).
inline float log_sum_parts(const float* x, int64_t n, float* sum_out) {
  const int64_t whole = n / kLanes * kLanes;
  F highest = set1(-__builtin_inff());
  for (int64_t i = 0; i < whole; i += kLanes) highest = max_keep_nan(highest, load(x + i));
  float most = reduce_max_keep_nan(highest);
  for (int64_t i = whole; i < n; ++i) {
    if (x[i] > most || x[i] != x[i]) most = x[i];
  }
  F sum = zero();
  const F peak = set1(most);
  for (int64_t i = 0; i < whole; i += kLanes) sum = add(sum, exp_of(sub(load(x + i), peak)));
  float rest = 0;
  if (whole < n) {
    float pad[kLanes];
    store(pad, exp_of(sub(load_part(x + whole, n - whole), peak)));
    for (int64_t i = 0; i < n - whole; ++i) rest += pad[i];
  }
  *sum_out = reduce_add(sum) + rest;
  return most;
}

float cross_entropy(float* logits, int64_t n, int64_t target, float weight) {
  float sum;
  const float most = log_sum_parts(logits, n, &sum);
  const float loss = most + __builtin_logf(sum) - logits[target];
  const F peak = set1(most), factor = set1(weight / sum);
  each_vector(n, [&](auto at, auto put, int64_t) {
    put(logits, mul(exp_of(sub(at(logits), peak)), factor));
  });
  logits[target] -= weight;
  return loss;
}

float negative_log_likelihood(const float* logits, int64_t n, int64_t target) {
  float sum;
  const float most = log_sum_parts(logits, n, &sum);
  return most + __builtin_logf(sum) - logits[target];
}

void adamw(float* w, const float* grad, float* m, float* v, int64_t n, const AdamwStep* step) {
  const F scale = set1(step->grad_scale), keep = set1(1.0f - step->decay);
  const F beta1 = set1(step->beta1), beta2 = set1(step->beta2);
  const F rest1 = set1(1.0f - step->beta1), rest2 = set1(1.0f - step->beta2);
  const F size = set1(step->learning_rate / step->correction1);
  const F root = set1(step->correction2_root), eps = set1(step->eps);
  each_vector(n, [&](auto at, auto put, int64_t) {
    const F g = mul(at(grad), scale);
    const F mean = fma(at(m), beta1, mul(g, rest1));
    const F square = fma(at(v), beta2, mul(mul(g, g), rest2));
    put(m, mean);
    put(v, square);
    const F denominator = add(div(sqrt_of(square), root), eps);
    put(w, sub(mul(at(w), keep), mul(size, div(mean, denominator))));
  });
}

}  // namespace
}  // namespace jiang::kernels
