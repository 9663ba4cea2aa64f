// The kernels of training: matrix products of floats in both directions, and the backward passes of
// rows. The same rules as kernels/table.h: raw pointers and sizes, no allocation, no threads, no
// errors; an output is accumulated in one order, whatever the tiling.
#pragma once

#include <stdint.h>

#include "kernels/table.h"

namespace jiang::kernels {

// Rows of C against one panel of B: C (m, n) = or += A (m, k) B (k, n), n <= gemm_cols.
// Each element is a chain acc = fma(a, b, acc) for k = 0, 1, 2 ..., begun from C where `resume`: so
// cutting k into slices changes no bit. (Scalar x86: multiply, then add.)
struct GemmPanel {
  float* c;
  int64_t c_stride;
  // Element (i, k) lies at a[i / gemm_rows * a_group + i % gemm_rows * a_row + k * a_k]: a plain
  // matrix, a transposed one, or panels of gemm_rows rows.
  const float* a;
  int64_t a_group, a_row, a_k;
  const float* b;    // element (k, j) at b[k * b_stride + j]
  int64_t b_stride;  // gemm_cols for a packed panel
  int64_t m, n, k;
  bool b_is_padded;  // gemm_cols columns of b may be read even where n is smaller
  bool resume;
};

// One step of AdamW (Loshchilov and Hutter, arXiv 1711.05101), PyTorch's order of operations.
struct AdamwStep {
  float learning_rate;
  float beta1, beta2, eps;
  float decay;             // learning_rate * weight_decay
  float correction1;       // 1 - beta1^t
  float correction2_root;  // sqrt(1 - beta2^t)
  float grad_scale;        // gradients are multiplied by this first: clipping
};

struct TrainingTable {
  int32_t gemm_rows;  // the tile that sums stay in registers for
  int32_t gemm_cols;
  void (*gemm_panel)(const GemmPanel* panel);
  // out[k * gemm_cols + j] = b[j * stride + k] for j < n, else 0.                 (n_k, gemm_cols)
  void (*pack_columns)(float* out, const float* b, int64_t stride, int64_t n_k, int64_t n);

  // out += factor * x
  void (*add_scaled)(float* out, const float* x, float factor, int64_t n);
  // out += factor * x * y
  void (*add_product)(float* out, const float* x, const float* y, float factor, int64_t n);
  float (*dot)(const float* x, const float* y, int64_t n);

  // dx = plus + the gradient of rms_norm(x, weight) for dy; plus may be dx, or nullptr for 0.
  // Returns 1 / rms(x).
  float (*rms_norm_backward)(float* dx, const float* plus, const float* dy, const float* x,
                             const float* weight, int64_t n, float eps);
  // Of out = silu(gate) * up.
  void (*silu_mul_backward)(float* dgate, float* dup, const float* dout, const float* gate,
                            const float* up, int64_t n);
  // Scores -> probabilities of the keys in [begin, end), 0 elsewhere in [0, n): softmax of
  // scale * s, or of softcap * tanh(scale * s / softcap). Returns the logarithm of the sum.
  float (*attention_softmax)(float* s, int64_t n, int64_t begin, int64_t end, float scale,
                             float softcap);
  // The same probabilities again, from the logarithm that attention_softmax returned. With a
  // softcap `slope` (n) gets d(capped) / d(scale * s).
  void (*attention_probabilities)(float* s, int64_t n, int64_t begin, int64_t end, float scale,
                                  float softcap, float log_sum, float* slope);
  // ds = p * (dp - delta) * scale
  void (*attention_backward)(float* ds, const float* p, const float* dp, float delta, float scale,
                             int64_t n);
  // Returns -log softmax(logits)[target], and leaves its gradient in `logits`, times `weight`.
  float (*cross_entropy)(float* logits, int64_t n, int64_t target, float weight);
  // The same without the gradient.
  float (*negative_log_likelihood)(const float* logits, int64_t n, int64_t target);

  void (*adamw)(float* w, const float* grad, float* m, float* v, int64_t n, const AdamwStep* step);
  // n rounds of independent multiply-adds in registers, as gemm_panel has them: the limit that
  // benchmarks compare with. Returns how many multiply-accumulates these were.
  int64_t (*fma_rounds)(int64_t n);
};

// Of the level that was chosen for everything else, and of a level; nullptr: this CPU lacks it.
const TrainingTable& training_table();
const TrainingTable* training_table_of(Level level);

}  // namespace jiang::kernels
