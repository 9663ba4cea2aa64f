// Row kernels: what a forward pass does besides matrix products, one row (or one head, or one block
// of keys) at a time. Raw pointers and sizes; no allocation, no threads, no errors.
//
// Every ISA level has its own set (RowTable); an element's value depends on its own row only, so
// results are the same for any split of the work.
#pragma once

#include <stdint.h>

namespace jiang::kernels {

// Keys per attention step: kKvBlockTokens of ops/attention.h.
static constexpr int kAttentionBlock = 32;
// Dimensions of a head that share one scale, in keys and values kept as int8.
static constexpr int kKvScaleDims = 32;
// Widest head that attention takes: its buffers live on the stack.
static constexpr int kMaxHeadDim = 512;

// One query head of one token, as it walks over blocks of keys with a running softmax
// (Milakov and Gimelshein, arXiv 1805.02867). Before the first block: max = -inf, sum = 0, out = 0.
// After the last one the caller divides out by sum.
struct AttentionQuery {
  const float* q;      // (head_dim)
  float* out;          // (head_dim), the weighted sum of values so far
  float max;           // of the scores so far
  float sum;           // of exp(score - max) so far
  int32_t begin, end;  // the tokens of this block that the query sees; may be empty
};

// A block of keys and values of one K/V head. K is stored by dimension, (head_dim,
// kAttentionBlock), V by token, (kAttentionBlock, head_dim) with rows v_stride elements apart: so
// neither product of attention sums across vector lanes. What no query sees may hold anything.
//
// int8: a number is its code times the scale of its token and its kKvScaleDims dimensions; scales
// are f16, (dimension / kKvScaleDims, kAttentionBlock).
struct AttentionBlock {
  const void* k;
  const void* v;
  const uint16_t* k_scales;  // int8 only
  const uint16_t* v_scales;
  int64_t v_stride;
  int32_t head_dim;
  float scale;
  float softcap;  // 0: none
};

struct RowTable {
  // out = x / sqrt(mean(x^2) + eps) * weight
  void (*rms_norm)(float* out, const float* x, const float* weight, int64_t n, float eps);
  // out = (x - mean) / sqrt(variance + eps) * weight + bias
  void (*layer_norm)(float* out, const float* x, const float* weight, const float* bias, int64_t n,
                     float eps);
  // Turns n pairs by their angles: (x[i], x[i + n]), or (x[2i], x[2i + 1]).
  void (*rope_halves)(float* out, const float* x, const float* cos, const float* sin, int64_t n);
  void (*rope_pairs)(float* out, const float* x, const float* cos, const float* sin, int64_t n);
  void (*silu)(float* out, const float* x, int64_t n);
  void (*gelu_tanh)(float* out, const float* x, int64_t n);
  void (*gelu_erf)(float* out, const float* x, int64_t n);
  // out = silu(gate) * up, and so on.
  void (*silu_mul)(float* out, const float* gate, const float* up, int64_t n);
  void (*gelu_tanh_mul)(float* out, const float* gate, const float* up, int64_t n);
  // out = cap * tanh(x / cap)
  void (*softcap)(float* out, const float* x, int64_t n, float cap);
  // Each query over one block; K and V in f32, f16 or int8.
  void (*attend_f32)(AttentionQuery* queries, int32_t n_queries, const AttentionBlock* block);
  void (*attend_f16)(AttentionQuery* queries, int32_t n_queries, const AttentionBlock* block);
  void (*attend_int8)(AttentionQuery* queries, int32_t n_queries, const AttentionBlock* block);
  void (*f32_to_f16)(uint16_t* out, const float* x, int64_t n);
};

extern const RowTable kScalarRows;

}  // namespace jiang::kernels
