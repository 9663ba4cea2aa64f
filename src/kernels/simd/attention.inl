// AttentionBlock of kernels/rows.h over vectors. Included by the ISA folders after their simd.h.
//
// K is stored by dimension and V by token, so that both products are the same small matrix product
// with its output in vector lanes, and no sum runs across lanes. Four queries share every load,
// eight where there are 32 registers; which share one changes no sum.

#include "kernels/simd/math.inl"

namespace jiang::kernels {
namespace {

inline F load_kv(const float* p) { return load(p); }
inline F load_kv(const uint16_t* p) { return load_f16(p); }
inline F load_kv(const int8_t* p) { return load_i8(p); }

enum { kSharing = kLanes == 16 ? 8 : 4 };

// c[i][0..2 kLanes) += sum_k a[i][k] b[k][0..2 kLanes) for i < N <= 8; rows of b lie b_stride
// apart. Accumulators are named, not indexed: GCC keeps arrays of vectors on the stack.
template <int N, class T>
inline void multiply_two_vectors(float* const* c, const float* const* a, int64_t n_k, const T* b,
                                 int64_t b_stride) {
  F c00 = load(c[0]), c01 = load(c[0] + kLanes);
  F c10 = zero(), c11 = zero(), c20 = zero(), c21 = zero(), c30 = zero(), c31 = zero();
  F c40 = zero(), c41 = zero(), c50 = zero(), c51 = zero(), c60 = zero(), c61 = zero();
  F c70 = zero(), c71 = zero();
  if (N > 1) c10 = load(c[1]), c11 = load(c[1] + kLanes);
  if (N > 2) c20 = load(c[2]), c21 = load(c[2] + kLanes);
  if (N > 3) c30 = load(c[3]), c31 = load(c[3] + kLanes);
  if (N > 4) c40 = load(c[4]), c41 = load(c[4] + kLanes);
  if (N > 5) c50 = load(c[5]), c51 = load(c[5] + kLanes);
  if (N > 6) c60 = load(c[6]), c61 = load(c[6] + kLanes);
  if (N > 7) c70 = load(c[7]), c71 = load(c[7] + kLanes);
  for (int64_t k = 0; k < n_k; ++k) {
    const F b0 = load_kv(b + k * b_stride);
    const F b1 = load_kv(b + k * b_stride + kLanes);
    F x = set1(a[0][k]);
    c00 = fma(x, b0, c00), c01 = fma(x, b1, c01);
    if (N > 1) x = set1(a[1][k]), c10 = fma(x, b0, c10), c11 = fma(x, b1, c11);
    if (N > 2) x = set1(a[2][k]), c20 = fma(x, b0, c20), c21 = fma(x, b1, c21);
    if (N > 3) x = set1(a[3][k]), c30 = fma(x, b0, c30), c31 = fma(x, b1, c31);
    if (N > 4) x = set1(a[4][k]), c40 = fma(x, b0, c40), c41 = fma(x, b1, c41);
    if (N > 5) x = set1(a[5][k]), c50 = fma(x, b0, c50), c51 = fma(x, b1, c51);
    if (N > 6) x = set1(a[6][k]), c60 = fma(x, b0, c60), c61 = fma(x, b1, c61);
    if (N > 7) x = set1(a[7][k]), c70 = fma(x, b0, c70), c71 = fma(x, b1, c71);
  }
  store(c[0], c00), store(c[0] + kLanes, c01);
  if (N > 1) store(c[1], c10), store(c[1] + kLanes, c11);
  if (N > 2) store(c[2], c20), store(c[2] + kLanes, c21);
  if (N > 3) store(c[3], c30), store(c[3] + kLanes, c31);
  if (N > 4) store(c[4], c40), store(c[4] + kLanes, c41);
  if (N > 5) store(c[5], c50), store(c[5] + kLanes, c51);
  if (N > 6) store(c[6], c60), store(c[6] + kLanes, c61);
  if (N > 7) store(c[7], c70), store(c[7] + kLanes, c71);
}

// The same for `n_cols` columns, whatever their number.
template <int N, class T>
inline void multiply(float* const* c, const float* const* a, int64_t n_k, const T* b,
                     int64_t b_stride, int64_t n_cols) {
  int64_t col = 0;
  for (; col + 2 * kLanes <= n_cols; col += 2 * kLanes) {
    float* shifted[N];
    for (int i = 0; i < N; ++i) shifted[i] = c[i] + col;
    multiply_two_vectors<N>(shifted, a, n_k, b + col, b_stride);
  }
  if (col == n_cols) return;
  // The last columns in a padded copy: never reads or writes beyond the row.
  const int64_t left = n_cols - col;
  float pad_c[N][2 * kLanes] = {};
  float* padded[N];
  for (int i = 0; i < N; ++i) {
    padded[i] = pad_c[i];
    for (int64_t j = 0; j < left; ++j) pad_c[i][j] = c[i][col + j];
  }
  T pad_b[kAttentionBlock * 2 * kLanes];
  for (int64_t k = 0; k < n_k; ++k) {
    for (int64_t j = 0; j < 2 * kLanes; ++j)
      pad_b[k * 2 * kLanes + j] = j < left ? b[k * b_stride + col + j] : T(0);
  }
  multiply_two_vectors<N>(padded, a, n_k, pad_b, (int64_t)(2 * kLanes));
  for (int i = 0; i < N; ++i) {
    for (int64_t j = 0; j < left; ++j) c[i][col + j] = pad_c[i][j];
  }
}

// rows[i] (kAttentionBlock) = the products of each query with every key.
template <int N, class T>
inline void score(float* const* rows, const float* const* q, const AttentionBlock* block) {
  const T* k = (const T*)block->k;
  for (int64_t t = 0; t < kAttentionBlock; t += 2 * kLanes) {
    float* shifted[N];
    for (int i = 0; i < N; ++i) shifted[i] = rows[i] + t;
    if (sizeof(T) > 1) {
      multiply_two_vectors<N>(shifted, q, block->head_dim, k + t, (int64_t)kAttentionBlock);
      continue;
    }
    // int8: the dimensions of each scale by themselves
    const uint16_t* scales = block->k_scales + t;
    for (int64_t d = 0; d < block->head_dim; d += kKvScaleDims, scales += kAttentionBlock) {
      float part[N][2 * kLanes] = {};
      float* parts[N];
      const float* some_q[N];
      for (int i = 0; i < N; ++i) parts[i] = part[i], some_q[i] = q[i] + d;
      const int64_t left = block->head_dim - d;
      multiply_two_vectors<N>(parts, some_q, left < kKvScaleDims ? left : (int64_t)kKvScaleDims,
                              k + d * kAttentionBlock + t, (int64_t)kAttentionBlock);
      for (int i = 0; i < N; ++i) {
        for (int64_t j = 0; j < 2 * kLanes; j += kLanes)
          store(shifted[i] + j, fma(load(part[i] + j), load_f16(scales + j), load(shifted[i] + j)));
      }
    }
  }
}

// out[i] (head_dim) += the first n_keys values, weighted by rows[i].
template <int N, class T>
inline void add_values(float* const* out, const float* const* rows, int64_t n_keys,
                       const AttentionBlock* block) {
  const T* v = (const T*)block->v;
  if (sizeof(T) > 1) {
    multiply<N>(out, rows, n_keys, v, block->v_stride, (int64_t)block->head_dim);
    return;
  }
  const uint16_t* scales = block->v_scales;
  for (int64_t d = 0; d < block->head_dim; d += kKvScaleDims, scales += kAttentionBlock) {
    float weight[N][kAttentionBlock];
    const float* weights[N];
    float* some_out[N];
    for (int i = 0; i < N; ++i) {
      weights[i] = weight[i];
      some_out[i] = out[i] + d;
      // Beyond n_keys scales may hold anything; those products are not read.
      for (int64_t t = 0; t < kAttentionBlock; t += kLanes)
        store(weight[i] + t, mul(load(rows[i] + t), load_f16(scales + t)));
    }
    const int64_t left = block->head_dim - d;
    multiply<N>(some_out, weights, n_keys, v + d, block->v_stride,
                left < kKvScaleDims ? left : (int64_t)kKvScaleDims);
  }
}

template <int N, class T>
inline void attend_queries(AttentionQuery* queries, const AttentionBlock* block) {
  const int64_t head_dim = block->head_dim;
  float scores[N][kAttentionBlock] = {};
  float* rows[N];
  const float* q[N];
  float* out[N];
  int32_t end = 0;  // of what any of them sees
  for (int i = 0; i < N; ++i) {
    rows[i] = scores[i];
    q[i] = queries[i].q;
    out[i] = queries[i].out;
    if (queries[i].end > queries[i].begin && queries[i].end > end) end = queries[i].end;
  }
  if (end == 0) return;
  score<N, T>(rows, q, block);

  for (int i = 0; i < N; ++i) {
    AttentionQuery* query = &queries[i];
    float* row = rows[i];
    if (query->end <= query->begin) {  // sees nothing here: weights of zero change nothing below
      for (int t = 0; t < kAttentionBlock; ++t) row[t] = 0;
      continue;
    }
    const F unseen = set1(-__builtin_inff());
    F block_max = unseen;
    for (int t = 0; t < kAttentionBlock; t += kLanes) {
      F s = mul(load(row + t), set1(block->scale));
      if (block->softcap > 0) s = mul(set1(block->softcap), tanh_of(div(s, set1(block->softcap))));
      s = blend_range(s, unseen, query->begin - t, query->end - t);
      store(row + t, s);
      block_max = max_keep_nan(block_max, s);
    }
    const float highest = reduce_max_keep_nan(block_max);
    const float new_max = highest > query->max || highest != highest ? highest : query->max;
    F sum = zero();
    for (int t = 0; t < kAttentionBlock; t += kLanes) {
      F p = exp_of(sub(load(row + t), set1(new_max)));
      p = blend_range(p, zero(), query->begin - t, query->end - t);
      store(row + t, p);
      sum = add(sum, p);
    }
    float lanes[kLanes];
    store(lanes, exp_of(set1(query->max - new_max)));
    const float correction = lanes[0];
    query->max = new_max;
    query->sum = __builtin_fmaf(query->sum, correction, reduce_add(sum));
    if (correction != 1.0f) {
      int64_t d = 0;
      for (; d + kLanes <= head_dim; d += kLanes)
        store(out[i] + d, mul(load(out[i] + d), set1(correction)));
      for (; d < head_dim; ++d) out[i][d] *= correction;
    }
  }
  add_values<N, T>(out, (const float* const*)rows, (int64_t)end, block);
}

template <class T>
void attend_each(AttentionQuery* queries, int32_t n_queries, const AttentionBlock* block) {
  int32_t i = 0;
  for (; i + kSharing <= n_queries; i += kSharing) attend_queries<kSharing, T>(queries + i, block);
  for (; i + 4 <= n_queries; i += 4) attend_queries<4, T>(queries + i, block);
  switch (n_queries - i) {
    case 3:
      attend_queries<3, T>(queries + i, block);
      break;
    case 2:
      attend_queries<2, T>(queries + i, block);
      break;
    case 1:
      attend_queries<1, T>(queries + i, block);
      break;
  }
}

// Many queries: f16 becomes f32 once for all of them.
inline void attend_widened(AttentionQuery* queries, int32_t n_queries,
                           const AttentionBlock* block) {
  float k[kMaxHeadDim * kAttentionBlock], v[kMaxHeadDim * kAttentionBlock];
  const uint16_t* from = (const uint16_t*)block->k;
  for (int64_t i = 0; i < block->head_dim * kAttentionBlock; i += kLanes)
    store(k + i, load_f16(from + i));
  from = (const uint16_t*)block->v;
  for (int64_t t = 0; t < kAttentionBlock; ++t) {
    for (int64_t d = 0; d < block->head_dim; d += kLanes)
      store(v + t * block->head_dim + d, load_f16(from + t * block->v_stride + d));
  }
  AttentionBlock wide = *block;
  wide.k = k;
  wide.v = v;
  wide.v_stride = block->head_dim;
  attend_each<float>(queries, n_queries, &wide);
}

template <class T>
void attend(AttentionQuery* queries, int32_t n_queries, const AttentionBlock* block) {
  const bool is_f16 = sizeof(T) == 2;
  if (is_f16 && n_queries >= 2 * kSharing && block->head_dim % kLanes == 0)
    return attend_widened(queries, n_queries, block);
  attend_each<T>(queries, n_queries, block);
}

}  // namespace
}  // namespace jiang::kernels
