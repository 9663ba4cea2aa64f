// The training kernels as plain loops: the reference of every other level.
#include "kernels/training.h"

#include <math.h>

namespace jiang::kernels {
namespace {

constexpr int kRows = 4;
constexpr int kCols = 8;

void gemm_panel(const GemmPanel* p) {
  for (int64_t i = 0; i < p->m; ++i) {
    float acc[kCols];
    for (int64_t j = 0; j < p->n; ++j) acc[j] = p->resume ? p->c[i * p->c_stride + j] : 0.0f;
    const float* a = p->a + i / kRows * p->a_group + i % kRows * p->a_row;
    for (int64_t k = 0; k < p->k; ++k) {
      for (int64_t j = 0; j < p->n; ++j) acc[j] += a[k * p->a_k] * p->b[k * p->b_stride + j];
    }
    for (int64_t j = 0; j < p->n; ++j) p->c[i * p->c_stride + j] = acc[j];
  }
}

void pack_columns(float* out, const float* b, int64_t stride, int64_t n_k, int64_t n) {
  for (int64_t k = 0; k < n_k; ++k) {
    for (int64_t j = 0; j < kCols; ++j) out[k * kCols + j] = j < n ? b[j * stride + k] : 0.0f;
  }
}

void add_scaled(float* out, const float* x, float factor, int64_t n) {
  for (int64_t i = 0; i < n; ++i) out[i] += factor * x[i];
}

void add_product(float* out, const float* x, const float* y, float factor, int64_t n) {
  for (int64_t i = 0; i < n; ++i) out[i] += x[i] * y[i] * factor;
}

float dot(const float* x, const float* y, int64_t n) {
  float sum = 0;
  for (int64_t i = 0; i < n; ++i) sum += x[i] * y[i];
  return sum;
}

float rms_norm_backward(float* dx, const float* plus, const float* dy, const float* x,
                        const float* weight, int64_t n, float eps) {
  float squares = 0, along = 0;
  for (int64_t i = 0; i < n; ++i) {
    squares += x[i] * x[i];
    along += dy[i] * weight[i] * x[i];
  }
  const float r = 1.0f / sqrtf(squares / static_cast<float>(n) + eps);
  const float back = r * r * (along / static_cast<float>(n));
  for (int64_t i = 0; i < n; ++i)
    dx[i] = (plus ? plus[i] : 0.0f) + r * (dy[i] * weight[i] - x[i] * back);
  return r;
}

void silu_mul_backward(float* dgate, float* dup, const float* dout, const float* gate,
                       const float* up, int64_t n) {
  for (int64_t i = 0; i < n; ++i) {
    const float s = 1.0f / (1.0f + expf(-gate[i]));
    const float silu = gate[i] * s;
    const float d = dout[i];
    dgate[i] = d * up[i] * (s + silu * (1.0f - s));
    dup[i] = d * silu;
  }
}

float attention_softmax(float* s, int64_t n, int64_t begin, int64_t end, float scale,
                        float softcap) {
  float most = -INFINITY;
  for (int64_t i = begin; i < end; ++i) {
    s[i] *= scale;
    if (softcap > 0) s[i] = softcap * tanhf(s[i] / softcap);
    if (s[i] > most || s[i] != s[i]) most = s[i];
  }
  float sum = 0;
  for (int64_t i = 0; i < n; ++i) {
    s[i] = i < begin || i >= end ? 0.0f : expf(s[i] - most);
    sum += s[i];
  }
  for (int64_t i = begin; i < end; ++i) s[i] /= sum;
  return most + logf(sum);
}

void attention_probabilities(float* s, int64_t n, int64_t begin, int64_t end, float scale,
                             float softcap, float log_sum, float* slope) {
  for (int64_t i = 0; i < n; ++i) {
    float score = s[i] * scale;
    if (softcap > 0) {
      const float t = tanhf(score / softcap);
      slope[i] = 1.0f - t * t;
      score = softcap * t;
    }
    s[i] = i < begin || i >= end ? 0.0f : expf(score - log_sum);
  }
}

void attention_backward(float* ds, const float* p, const float* dp, float delta, float scale,
                        int64_t n) {
  for (int64_t i = 0; i < n; ++i) ds[i] = p[i] * (dp[i] - delta) * scale;
}

float log_sum_parts(const float* x, int64_t n, float* sum) {
  float most = -INFINITY;
  for (int64_t i = 0; i < n; ++i) {
    if (x[i] > most || x[i] != x[i]) most = x[i];
  }
  *sum = 0;
  for (int64_t i = 0; i < n; ++i) *sum += expf(x[i] - most);
  return most;
}

float negative_log_likelihood(const float* logits, int64_t n, int64_t target) {
  float sum;
  const float most = log_sum_parts(logits, n, &sum);
  return most + logf(sum) - logits[target];
}

float cross_entropy(float* logits, int64_t n, int64_t target, float weight) {
  float sum;
  const float most = log_sum_parts(logits, n, &sum);
  const float loss = most + logf(sum) - logits[target];
  for (int64_t i = 0; i < n; ++i) logits[i] = expf(logits[i] - most) * (weight / sum);
  logits[target] -= weight;
  return loss;
}

void adamw(float* w, const float* grad, float* m, float* v, int64_t n, const AdamwStep* step) {
  const float size = step->learning_rate / step->correction1;
  for (int64_t i = 0; i < n; ++i) {
    const float g = grad[i] * step->grad_scale;
    m[i] = m[i] * step->beta1 + g * (1.0f - step->beta1);
    v[i] = v[i] * step->beta2 + g * g * (1.0f - step->beta2);
    const float denominator = sqrtf(v[i]) / step->correction2_root + step->eps;
    w[i] = w[i] * (1.0f - step->decay) - size * (m[i] / denominator);
  }
}

int64_t fma_rounds(int64_t n) {
  volatile float acc = 0;
  float sum[4] = {};
  const float x = acc + 0.5f;
  for (int64_t i = 0; i < n; ++i) {
    for (float& s : sum) s += x * 1.5f;
    acc = sum[0];
  }
  return n * 4;
}

}  // namespace

extern const TrainingTable kScalarTraining;
const TrainingTable kScalarTraining = {
    .gemm_rows = kRows,
    .gemm_cols = kCols,
    .gemm_panel = gemm_panel,
    .pack_columns = pack_columns,
    .add_scaled = add_scaled,
    .add_product = add_product,
    .dot = dot,
    .rms_norm_backward = rms_norm_backward,
    .silu_mul_backward = silu_mul_backward,
    .attention_softmax = attention_softmax,
    .attention_probabilities = attention_probabilities,
    .attention_backward = attention_backward,
    .cross_entropy = cross_entropy,
    .negative_log_likelihood = negative_log_likelihood,
    .adamw = adamw,
    .fma_rounds = fma_rounds,
};

}  // namespace jiang::kernels
