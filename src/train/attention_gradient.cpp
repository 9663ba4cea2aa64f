#include "train/attention_gradient.h"

#include <algorithm>

#include "kernels/training.h"
#include "train/attention_units.h"

namespace jiang {
namespace {

using kernels::GemmPanel;
using kernels::TrainingTable;

constexpr int64_t kQueries = 48;    // rows whose scores are in the cache together
constexpr int64_t kKeySlice = 256;  // values that stay in L1 while these rows pass

struct Job {
  const TrainingTable& table;
  const AttentionParams& params;
  TensorView q, k, v;
  int64_t group() const { return params.n_heads / params.n_kv_heads; }
  int64_t d() const { return params.head_dim; }
};

// The keys that rows [first, first + n) of a sequence see, rounded to whole panels in front.
struct KeyRange {
  int64_t begin, end;
  int64_t padded;  // width of the scores: whole panels
};

KeyRange keys_of(const Job& job, int64_t first, int64_t n) {
  const int64_t cols = job.table.gemm_cols;
  const int64_t lowest =
      job.params.window > 0 ? std::max<int64_t>(0, first - job.params.window + 1) : 0;
  const int64_t begin = lowest / cols * cols;
  const int64_t end = first + n;
  return {begin, end, ceil_div(end - begin, cols) * cols};
}

// First key that row `row` sees.
int64_t first_key(const Job& job, int64_t row) {
  return job.params.window > 0 ? std::max<int64_t>(0, row - job.params.window + 1) : 0;
}

// Rows of one head of a sequence, transposed into panels of gemm_cols: (panels, d, gemm_cols).
void transpose_head(const TrainingTable& table, float* out, TensorView x, int64_t first_row,
                    int64_t n_rows, int64_t first_col, int64_t d) {
  const int64_t cols = table.gemm_cols;
  for (int64_t row = 0; row < n_rows; row += cols, out += d * cols) {
    table.pack_columns(out, x.row(first_row + row) + first_col, x.stride, d,
                       std::min(cols, n_rows - row));
  }
}

// scores (n, range.padded) = rows of x (n, d) times panels of keys.
void scores_of(const Job& job, float* scores, const float* x, int64_t x_stride, int64_t n,
               const float* panels, const KeyRange& range) {
  const int64_t cols = job.table.gemm_cols;
  GemmPanel panel{};
  panel.c_stride = range.padded;
  panel.a = x;
  panel.a_row = x_stride;
  panel.a_k = 1;
  panel.a_group = job.table.gemm_rows * x_stride;
  panel.b_stride = cols;
  panel.m = n;
  panel.n = cols;
  panel.k = job.d();
  panel.b_is_padded = true;
  for (int64_t key = 0; key < range.padded; key += cols) {
    panel.c = scores + key;
    panel.b = panels + (range.begin + key) * job.d();
    job.table.gemm_panel(&panel);
  }
}

// c (n, d) = weights (n, keys) times rows of b; or, transposed, c (keys, d) += weights^T b (n, d).
void weighted_rows(const Job& job, float* c, int64_t c_stride, const float* weights,
                   int64_t weight_stride, int64_t n, const float* b, int64_t b_stride,
                   int64_t n_keys) {
  const int64_t cols = job.table.gemm_cols;
  GemmPanel panel{};
  panel.c_stride = c_stride;
  panel.a_row = weight_stride;
  panel.a_k = 1;
  panel.a_group = job.table.gemm_rows * weight_stride;
  panel.b_stride = b_stride;
  panel.m = n;
  for (int64_t key = 0; key < n_keys; key += kKeySlice) {
    panel.a = weights + key;
    panel.k = std::min(kKeySlice, n_keys - key);
    panel.resume = key > 0;
    for (int64_t col = 0; col < job.d(); col += cols) {
      panel.c = c + col;
      panel.b = b + key * b_stride + col;
      panel.n = std::min(cols, job.d() - col);
      job.table.gemm_panel(&panel);
    }
  }
}

void add_weighted_columns(const Job& job, float* c, int64_t c_stride, const float* weights,
                          int64_t weight_stride, int64_t n, const float* b, int64_t b_stride,
                          int64_t n_keys) {
  const int64_t cols = job.table.gemm_cols;
  GemmPanel panel{};
  panel.c_stride = c_stride;
  panel.a = weights;
  panel.a_row = 1;
  panel.a_k = weight_stride;
  panel.a_group = job.table.gemm_rows;
  panel.b_stride = b_stride;
  panel.m = n_keys;
  panel.k = n;
  panel.resume = true;
  for (int64_t col = 0; col < job.d(); col += cols) {
    panel.c = c + col;
    panel.b = b + col;
    panel.n = std::min(cols, job.d() - col);
    job.table.gemm_panel(&panel);
  }
}

// Floats of one matrix of scores.
size_t score_floats(const TrainingTable& table, std::span<const SequenceRows> sequences) {
  return static_cast<size_t>(kQueries * (longest(sequences) + 2 * table.gemm_cols));
}

}  // namespace

void TrainingAttention::forward(ThreadPool& pool, TensorView out, TensorView log_sums, TensorView q,
                                TensorView k, TensorView v, std::span<const SequenceRows> sequences,
                                const AttentionParams& params) {
  check_shapes(q, k, v, params);
  const Job job{kernels::training_table(), params, q, k, v};
  const int64_t d = job.d();
  const auto kv_heads = static_cast<size_t>(params.n_kv_heads);
  const int64_t cols = job.table.gemm_cols;
  const size_t n_floats = running_sums(first_panel_, sequences, [&](const SequenceRows& s) {
    return ceil_div(s.n_rows, cols) * cols * d * params.n_kv_heads;
  });
  float* keys = grown(keys_, n_floats);
  const auto head_floats = [&](const SequenceRows& s) {
    return ceil_div(s.n_rows, cols) * cols * d;
  };
  pool.for_each(sequences.size() * kv_heads, [&](size_t i, int) {
    const SequenceRows& s = sequences[i / kv_heads];
    const auto head = static_cast<int64_t>(i % kv_heads);
    transpose_head(job.table, keys + first_panel_[i / kv_heads] + head * head_floats(s), k,
                   s.first_row, s.n_rows, head * d, d);
  });

  const size_t n_units = running_sums(first_unit_, sequences, [&](const SequenceRows& s) {
    return ceil_div(s.n_rows, kQueries) * params.n_heads;
  });
  const size_t thread_floats = score_floats(job.table, sequences);
  float* all_scores = grown(scores_, thread_floats * static_cast<size_t>(pool.size()));
  pool.for_each(n_units, [&](size_t unit, int thread) {
    const size_t index = sequence_of(first_unit_, unit);
    const SequenceRows& s = sequences[index];
    const auto within = static_cast<int64_t>(unit - first_unit_[index]);
    const int64_t head = within % params.n_heads;
    const int64_t first = within / params.n_heads * kQueries;
    const int64_t n = std::min<int64_t>(kQueries, s.n_rows - first);
    const KeyRange range = keys_of(job, first, n);
    float* scores = all_scores + static_cast<size_t>(thread) * thread_floats;
    const int64_t kv_head = head / job.group();
    const float* panels = keys + first_panel_[index] + kv_head * head_floats(s);
    const int64_t row = s.first_row + first;
    scores_of(job, scores, q.row(row) + head * d, q.stride, n, panels, range);
    for (int64_t i = 0; i < n; ++i) {
      log_sums.row(head)[row + i] = job.table.attention_softmax(
          scores + i * range.padded, range.padded, first_key(job, first + i) - range.begin,
          first + i + 1 - range.begin, params.scale, params.softcap);
    }
    weighted_rows(job, out.row(row) + head * d, out.stride, scores, range.padded, n,
                  v.row(s.first_row + range.begin) + kv_head * d, v.stride,
                  range.end - range.begin);
  });
}

void TrainingAttention::backward(ThreadPool& pool, TensorView dq, TensorView dk, TensorView dv,
                                 TensorView dout, TensorView out, TensorView log_sums, TensorView q,
                                 TensorView k, TensorView v,
                                 std::span<const SequenceRows> sequences,
                                 const AttentionParams& params) {
  check_shapes(q, k, v, params);
  const Job job{kernels::training_table(), params, q, k, v};
  const TrainingTable& table = job.table;
  const int64_t d = job.d();
  const int64_t cols = table.gemm_cols;
  const auto kv_heads = static_cast<size_t>(params.n_kv_heads);
  const size_t n_floats = running_sums(first_panel_, sequences, [&](const SequenceRows& s) {
    return ceil_div(s.n_rows, cols) * cols * d * params.n_kv_heads;
  });
  float* keys = grown(keys_, n_floats);
  float* values = grown(values_, n_floats);
  // delta = sum of dout * out over a head: what every dp of a row is measured against.
  float* deltas = grown(deltas_, static_cast<size_t>(params.n_heads * q.rows));
  const auto head_floats = [&](const SequenceRows& s) {
    return ceil_div(s.n_rows, cols) * cols * d;
  };
  pool.for_each(sequences.size() * kv_heads, [&](size_t i, int) {
    const SequenceRows& s = sequences[i / kv_heads];
    const auto head = static_cast<int64_t>(i % kv_heads);
    const int64_t offset = static_cast<int64_t>(first_panel_[i / kv_heads]) + head * head_floats(s);
    transpose_head(table, keys + offset, k, s.first_row, s.n_rows, head * d, d);
    transpose_head(table, values + offset, v, s.first_row, s.n_rows, head * d, d);
    for (int64_t h = head * job.group(); h < (head + 1) * job.group(); ++h) {
      for (int64_t row = s.first_row; row < s.first_row + s.n_rows; ++row)
        deltas[h * q.rows + row] = table.dot(dout.row(row) + h * d, out.row(row) + h * d, d);
    }
  });

  const size_t matrix_floats = score_floats(table, sequences);
  float* all_scores = grown(scores_, 3 * matrix_floats * static_cast<size_t>(pool.size()));
  // A unit owns the gradients of one K/V head of one sequence, so nobody else adds to them.
  pool.for_each(sequences.size() * kv_heads, [&](size_t unit, int thread) {
    const size_t index = unit / kv_heads;
    const auto kv_head = static_cast<int64_t>(unit % kv_heads);
    const SequenceRows& s = sequences[index];
    float* p = all_scores + static_cast<size_t>(thread) * 3 * matrix_floats;
    float* dp = p + matrix_floats;
    float* slope = dp + matrix_floats;
    const int64_t offset = static_cast<int64_t>(first_panel_[index]) + kv_head * head_floats(s);
    for (int64_t row = s.first_row; row < s.first_row + s.n_rows; ++row) {
      std::fill_n(dk.row(row) + kv_head * d, d, 0.0f);
      std::fill_n(dv.row(row) + kv_head * d, d, 0.0f);
    }
    for (int64_t head = kv_head * job.group(); head < (kv_head + 1) * job.group(); ++head) {
      for (int64_t first = 0; first < s.n_rows; first += kQueries) {
        const int64_t n = std::min<int64_t>(kQueries, s.n_rows - first);
        const KeyRange range = keys_of(job, first, n);
        const int64_t row = s.first_row + first;
        const int64_t key_row = s.first_row + range.begin;
        const int64_t n_keys = range.end - range.begin;
        const float* grad = dout.row(row) + head * d;
        scores_of(job, p, q.row(row) + head * d, q.stride, n, keys + offset, range);
        scores_of(job, dp, grad, dout.stride, n, values + offset, range);
        for (int64_t i = 0; i < n; ++i) {
          float* row_p = p + i * range.padded;
          float* row_dp = dp + i * range.padded;
          table.attention_probabilities(row_p, range.padded,
                                        first_key(job, first + i) - range.begin,
                                        first + i + 1 - range.begin, params.scale, params.softcap,
                                        log_sums.row(head)[row + i], slope);
          table.attention_backward(row_dp, row_p, row_dp, deltas[head * q.rows + row + i],
                                   params.scale, range.padded);
          if (params.softcap > 0) {
            for (int64_t j = 0; j < range.padded; ++j) row_dp[j] *= slope[j];
          }
        }
        add_weighted_columns(job, dv.row(key_row) + kv_head * d, dv.stride, p, range.padded, n,
                             grad, dout.stride, n_keys);
        add_weighted_columns(job, dk.row(key_row) + kv_head * d, dk.stride, dp, range.padded, n,
                             q.row(row) + head * d, q.stride, n_keys);
        weighted_rows(job, dq.row(row) + head * d, dq.stride, dp, range.padded, n,
                      k.row(key_row) + kv_head * d, k.stride, n_keys);
      }
    }
  });
}

}  // namespace jiang
