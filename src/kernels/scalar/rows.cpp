// The row kernels in plain C++: complete, and the reference for every other level.
#include "kernels/rows.h"

#include <math.h>
#include <string.h>

namespace jiang::kernels {
namespace {

// Sums run in eight interleaved lanes: less rounding error than one long chain, and the compiler
// may keep them in registers.
float dot(const float* a, const float* b, int64_t n) {
  float lanes[8] = {};
  int64_t i = 0;
  for (; i + 8 <= n; i += 8) {
    for (int lane = 0; lane < 8; ++lane) lanes[lane] += a[i + lane] * b[i + lane];
  }
  for (; i < n; ++i) lanes[i % 8] += a[i] * b[i];
  return ((lanes[0] + lanes[4]) + (lanes[2] + lanes[6])) +
         ((lanes[1] + lanes[5]) + (lanes[3] + lanes[7]));
}

void rms_norm(float* out, const float* x, const float* weight, int64_t n, float eps) {
  const float scale = 1.0f / sqrtf(dot(x, x, n) / static_cast<float>(n) + eps);
  for (int64_t i = 0; i < n; ++i) out[i] = x[i] * scale * weight[i];
}

void layer_norm(float* out, const float* x, const float* weight, const float* bias, int64_t n,
                float eps) {
  // Two passes in double: the mean may be far larger than the spread.
  double sum = 0;
  for (int64_t i = 0; i < n; ++i) sum += static_cast<double>(x[i]);
  const double mean = sum / static_cast<double>(n);
  double squares = 0;
  for (int64_t i = 0; i < n; ++i) {
    const double d = static_cast<double>(x[i]) - mean;
    squares += d * d;
  }
  const double scale = 1.0 / sqrt(squares / static_cast<double>(n) + static_cast<double>(eps));
  for (int64_t i = 0; i < n; ++i) {
    out[i] = static_cast<float>((static_cast<double>(x[i]) - mean) * scale) * weight[i] + bias[i];
  }
}

void rope_halves(float* out, const float* x, const float* cos, const float* sin, int64_t n) {
  for (int64_t i = 0; i < n; ++i) {
    const float a = x[i];
    const float b = x[i + n];
    out[i] = a * cos[i] - b * sin[i];
    out[i + n] = b * cos[i] + a * sin[i];
  }
}

void rope_pairs(float* out, const float* x, const float* cos, const float* sin, int64_t n) {
  for (int64_t i = 0; i < n; ++i) {
    const float a = x[2 * i];
    const float b = x[2 * i + 1];
    out[2 * i] = a * cos[i] - b * sin[i];
    out[2 * i + 1] = b * cos[i] + a * sin[i];
  }
}

float silu1(float x) { return x / (1.0f + expf(-x)); }

// 0.5 x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3)))
float gelu_tanh1(float x) {
  const float inner = 0.7978845608028654f * (x + 0.044715f * x * x * x);
  return 0.5f * x * (1.0f + tanhf(inner));
}

float gelu_erf1(float x) { return 0.5f * x * (1.0f + erff(x * 0.7071067811865476f)); }

void silu(float* out, const float* x, int64_t n) {
  for (int64_t i = 0; i < n; ++i) out[i] = silu1(x[i]);
}

void gelu_tanh(float* out, const float* x, int64_t n) {
  for (int64_t i = 0; i < n; ++i) out[i] = gelu_tanh1(x[i]);
}

void gelu_erf(float* out, const float* x, int64_t n) {
  for (int64_t i = 0; i < n; ++i) out[i] = gelu_erf1(x[i]);
}

void silu_mul(float* out, const float* gate, const float* up, int64_t n) {
  for (int64_t i = 0; i < n; ++i) out[i] = silu1(gate[i]) * up[i];
}

void gelu_tanh_mul(float* out, const float* gate, const float* up, int64_t n) {
  for (int64_t i = 0; i < n; ++i) out[i] = gelu_tanh1(gate[i]) * up[i];
}

void softcap(float* out, const float* x, int64_t n, float cap) {
  for (int64_t i = 0; i < n; ++i) out[i] = cap * tanhf(x[i] / cap);
}

float half_to_float(uint16_t h) {
  const uint32_t sign = static_cast<uint32_t>(h & 0x8000u) << 16;
  const uint32_t exponent = (h >> 10) & 0x1fu;
  const uint32_t fraction = h & 0x3ffu;
  float value;
  if (exponent == 0) {  // zero and subnormals: fraction * 2^-24
    value = static_cast<float>(fraction) * 5.9604644775390625e-8f;
    uint32_t bits;
    memcpy(&bits, &value, 4);
    bits |= sign;
    memcpy(&value, &bits, 4);
    return value;
  }
  const uint32_t bits = sign | ((exponent == 31 ? 255u : exponent + 112u) << 23) | (fraction << 13);
  memcpy(&value, &bits, 4);
  return value;
}

// Round to nearest, ties to even; overflow becomes infinity, as the hardware does.
uint16_t float_to_half(float value) {
  uint32_t bits;
  memcpy(&bits, &value, 4);
  const uint32_t sign = (bits >> 16) & 0x8000u;
  bits &= 0x7fffffffu;
  if (bits >= 0x7f800000u) {  // Inf, NaN (kept quiet)
    return static_cast<uint16_t>(sign | 0x7c00u |
                                 (bits > 0x7f800000u ? 0x200u | ((bits >> 13) & 0x3ffu) : 0u));
  }
  if (bits >= 0x477ff000u) return static_cast<uint16_t>(sign | 0x7c00u);  // rounds to 65536 or more
  if (bits < 0x38800000u) {  // below 2^-14: subnormal; adding 0.5 lets the FPU round at bit 2^-24
    float magnitude;
    memcpy(&magnitude, &bits, 4);
    magnitude += 0.5f;
    uint32_t sum;
    memcpy(&sum, &magnitude, 4);
    return static_cast<uint16_t>(sign | (sum - 0x3f000000u));
  }
  const uint32_t odd = (bits >> 13) & 1u;
  return static_cast<uint16_t>(sign | ((bits - 0x38000000u + 0xfffu + odd) >> 13));
}

void f32_to_f16(uint16_t* out, const float* x, int64_t n) {
  for (int64_t i = 0; i < n; ++i) out[i] = float_to_half(x[i]);
}

float element(const float* p) { return *p; }
float element(const uint16_t* p) { return half_to_float(*p); }
float element(const int8_t* p) { return *p; }

// What the codes of token t in dimensions [d, d + kKvScaleDims) are to be multiplied by.
template <class T>
float scale_of(const uint16_t* scales, int64_t d, int64_t t) {
  if constexpr (sizeof(T) > 1) return 1;
  return half_to_float(scales[d / kKvScaleDims * kAttentionBlock + t]);
}

// Calls run(begin, end) for every run of dimensions with one scale: all of them, but for int8.
template <class T, class Run>
void for_each_scale(int64_t head_dim, Run run) {
  const int64_t n = sizeof(T) > 1 ? head_dim : kKvScaleDims;
  for (int64_t d = 0; d < head_dim; d += n) run(d, d + n < head_dim ? d + n : head_dim);
}

template <class T>
void attend(AttentionQuery* queries, int32_t n_queries, const AttentionBlock* block) {
  const int64_t head_dim = block->head_dim;
  for (int32_t i = 0; i < n_queries; ++i) {
    AttentionQuery& query = queries[i];
    if (query.begin >= query.end) continue;
    float scores[kAttentionBlock];
    float max = query.max;
    for (int32_t t = query.begin; t < query.end; ++t) {
      const T* key = static_cast<const T*>(block->k) + t;
      float score = 0;
      for_each_scale<T>(head_dim, [&](int64_t begin, int64_t end) {
        float sum = 0;
        for (int64_t d = begin; d < end; ++d)
          sum += query.q[d] * element(key + d * kAttentionBlock);
        score += sum * scale_of<T>(block->k_scales, begin, t);
      });
      score *= block->scale;
      if (block->softcap != 0) score = block->softcap * tanhf(score / block->softcap);
      scores[t] = score;
      // Written so that a NaN score spreads instead of vanishing.
      if (!(score <= max)) max = score;
    }
    if (max != query.max) {
      const float shrink = expf(query.max - max);
      query.sum *= shrink;
      for (int64_t d = 0; d < head_dim; ++d) query.out[d] *= shrink;
      query.max = max;
    }
    for (int32_t t = query.begin; t < query.end; ++t) {
      const float p = expf(scores[t] - max);
      query.sum += p;
      const T* value = static_cast<const T*>(block->v) + t * block->v_stride;
      for_each_scale<T>(head_dim, [&](int64_t begin, int64_t end) {
        const float weight = p * scale_of<T>(block->v_scales, begin, t);
        for (int64_t d = begin; d < end; ++d) query.out[d] += weight * element(value + d);
      });
    }
  }
}

}  // namespace

const RowTable kScalarRows = {
    .rms_norm = rms_norm,
    .layer_norm = layer_norm,
    .rope_halves = rope_halves,
    .rope_pairs = rope_pairs,
    .silu = silu,
    .gelu_tanh = gelu_tanh,
    .gelu_erf = gelu_erf,
    .silu_mul = silu_mul,
    .gelu_tanh_mul = gelu_tanh_mul,
    .softcap = softcap,
    .attend_f32 = attend<float>,
    .attend_f16 = attend<uint16_t>,
    .attend_int8 = attend<int8_t>,
    .f32_to_f16 = f32_to_f16,
};

}  // namespace jiang::kernels
