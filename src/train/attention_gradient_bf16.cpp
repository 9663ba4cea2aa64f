#include "train/attention_gradient_bf16.h"

#include <algorithm>

#include "kernels/bf16.h"
#include "kernels/training.h"
#include "train/attention_units.h"

namespace jiang {
namespace {

using kernels::Bf16Table;
using kernels::kBf16Depth;
using kernels::kBf16Lines;
using kernels::kBf16Tile;
using kernels::PackBf16Tile;

constexpr int64_t kQueryRows = 64;  // whose scores are in the cache together: two tiles of k
constexpr int64_t kKeyRows = 128;   // of a block of the backward pass; a multiple of kQueryRows

int64_t tiles_of_k(int64_t k) { return ceil_div(k, kBf16Depth); }
int64_t panels_of(int64_t lines) { return ceil_div(lines, kBf16Lines); }
int64_t tiles_of(int64_t lines, int64_t k) { return panels_of(lines) * tiles_of_k(k); }

// A packed factor: panel p, tile of k t at data + p * panel + t * kBf16Tile.
struct Factor {
  uint16_t* data;
  int64_t panel;
};

// `lines` by `k` numbers of x; "along": a line is a row of x, else a column.
enum class Walk : uint8_t { along, across };
Factor pack_factor(PackBf16Tile pack, Walk walk, uint16_t* to, const float* x, int64_t stride,
                   int64_t lines, int64_t k) {
  const Factor factor{to, tiles_of_k(k) * kBf16Tile};
  const int64_t line_step = walk == Walk::along ? stride : 1;
  const int64_t k_step = walk == Walk::along ? 1 : stride;
  for (int64_t line = 0; line < lines; line += kBf16Lines) {
    for (int64_t at = 0; at < k; at += kBf16Depth) {
      pack(to + line / kBf16Lines * factor.panel + at / kBf16Depth * kBf16Tile,
           x + line * line_step + at * k_step, stride, std::min(kBf16Lines, lines - line),
           std::min(kBf16Depth, k - at));
    }
  }
  return factor;
}

// c (m, n) = or += a b over k_tiles of k.
void times(const Bf16Table& table, float* c, int64_t c_stride, Factor a, Factor b, int64_t m,
           int64_t n, int64_t k_tiles, bool adds) {
  const kernels::Bf16Product product{c,       c_stride, a.data, a.panel, b.data,
                                     b.panel, m,        n,      k_tiles, adds};
  table.multiply(&product);
}

struct Bf16Job {
  const Bf16Table& table;
  const kernels::TrainingTable& rows;
  const AttentionParams& params;
  int64_t group() const { return params.n_heads / params.n_kv_heads; }
  int64_t d() const { return params.head_dim; }
  int64_t first_key(int64_t row) const {
    return params.window > 0 ? std::max<int64_t>(0, row - params.window + 1) : 0;
  }
};

// The keys that rows [first, first + n) of a sequence see, from a whole tile on.
struct Keys {
  int64_t begin, end;
  int64_t n() const { return end - begin; }
  int64_t padded() const { return ceil_div(n(), kBf16Depth) * kBf16Depth; }
};
Keys keys_seen(const Bf16Job& job, int64_t first, int64_t n) {
  return {job.first_key(first) / kBf16Depth * kBf16Depth, first + n};
}

// Keys or values of one head with tokens as lines: those from token `begin` on.
Factor from_line(const uint16_t* head, int64_t d, int64_t begin) {
  const int64_t panel = tiles_of_k(d) * kBf16Tile;
  return {const_cast<uint16_t*>(head) + begin / kBf16Lines * panel, panel};
}
// With tokens as k.
Factor from_k(const uint16_t* head, int64_t n_tokens, int64_t begin) {
  return {const_cast<uint16_t*>(head) + begin / kBf16Depth * kBf16Tile,
          tiles_of_k(n_tokens) * kBf16Tile};
}

// Numbers of one head of a sequence, packed either way.
size_t head_numbers(const SequenceRows& s, int64_t d) {
  return static_cast<size_t>(std::max(tiles_of(s.n_rows, d), tiles_of(d, s.n_rows)) * kBf16Tile);
}

size_t matrix_floats(std::span<const SequenceRows> sequences) {
  return static_cast<size_t>(kQueryRows * (longest(sequences) + 2 * kBf16Depth));
}

}  // namespace

void Bf16Attention::forward(ThreadPool& pool, TensorView out, TensorView log_sums, TensorView q,
                            TensorView k, TensorView v, std::span<const SequenceRows> sequences,
                            const AttentionParams& params) {
  check_shapes(q, k, v, params);
  const Bf16Job job{kernels::bf16_table(), kernels::training_table(), params};
  const Bf16Table& table = job.table;
  const int64_t d = job.d();
  const auto kv_heads = static_cast<size_t>(params.n_kv_heads);
  const size_t n_numbers = running_sums(
      first_tile_, sequences, [&](const SequenceRows& s) { return head_numbers(s, d) * kv_heads; });
  auto* keys = grown<uint16_t>(keys_, n_numbers);
  auto* values = grown<uint16_t>(values_, n_numbers);
  pool.for_each(sequences.size() * kv_heads, [&](size_t i, int) {
    const SequenceRows& s = sequences[i / kv_heads];
    const size_t head = i % kv_heads;
    const size_t at = first_tile_[i / kv_heads] + head * head_numbers(s, d);
    const int64_t col = static_cast<int64_t>(head) * d;
    pack_factor(table.right_along, Walk::along, keys + at, k.row(s.first_row) + col, k.stride,
                s.n_rows, d);
    pack_factor(table.right_across, Walk::across, values + at, v.row(s.first_row) + col, v.stride,
                d, s.n_rows);
  });

  const size_t n_units = running_sums(first_unit_, sequences, [&](const SequenceRows& s) {
    return ceil_div(s.n_rows, kQueryRows) * params.n_heads;
  });
  const size_t score_floats = matrix_floats(sequences);
  const auto query_numbers = static_cast<size_t>(tiles_of(kQueryRows, d) * kBf16Tile);
  const size_t tile_numbers = query_numbers + score_floats;
  const auto n_threads = static_cast<size_t>(pool.size());
  float* all_scores = grown(scores_, score_floats * n_threads);
  auto* all_tiles = grown<uint16_t>(score_tiles_, tile_numbers * n_threads);
  pool.for_each(n_units, [&](size_t unit, int thread) {
    const size_t index = sequence_of(first_unit_, unit);
    const SequenceRows& s = sequences[index];
    const auto within = static_cast<int64_t>(unit - first_unit_[index]);
    const int64_t head = within % params.n_heads;
    const int64_t first = within / params.n_heads * kQueryRows;
    const int64_t n = std::min<int64_t>(kQueryRows, s.n_rows - first);
    const Keys seen = keys_seen(job, first, n);
    const int64_t width = seen.padded();
    float* scores = all_scores + static_cast<size_t>(thread) * score_floats;
    uint16_t* tiles = all_tiles + static_cast<size_t>(thread) * tile_numbers;
    const size_t at =
        first_tile_[index] + static_cast<size_t>(head / job.group()) * head_numbers(s, d);
    const int64_t row = s.first_row + first;
    const Factor queries =
        pack_factor(table.left_along, Walk::along, tiles, q.row(row) + head * d, q.stride, n, d);
    times(table, scores, width, queries, from_line(keys + at, d, seen.begin), n, seen.n(),
          tiles_of_k(d), false);
    for (int64_t i = 0; i < n; ++i) {
      log_sums.row(head)[row + i] = job.rows.attention_softmax(
          scores + i * width, width, job.first_key(first + i) - seen.begin,
          first + i + 1 - seen.begin, params.scale, params.softcap);
    }
    const Factor weights = pack_factor(table.left_along, Walk::along, tiles + query_numbers, scores,
                                       width, n, seen.n());
    times(table, out.row(row) + head * d, out.stride, weights,
          from_k(values + at, s.n_rows, seen.begin), n, d, tiles_of_k(seen.n()), false);
  });
}

// A block of queries against a block of keys: both matrices of scores and their tiles stay in L2,
// the gradients of the keys nearly in L1.
void Bf16Attention::backward(ThreadPool& pool, TensorView dq, TensorView dk, TensorView dv,
                             TensorView dout, TensorView out, TensorView log_sums, TensorView q,
                             TensorView k, TensorView v, std::span<const SequenceRows> sequences,
                             const AttentionParams& params) {
  check_shapes(q, k, v, params);
  const Bf16Job job{kernels::bf16_table(), kernels::training_table(), params};
  const Bf16Table& table = job.table;
  const int64_t d = job.d();
  const auto kv_heads = static_cast<size_t>(params.n_kv_heads);
  const auto heads = static_cast<size_t>(params.n_heads);
  const size_t n_numbers = running_sums(first_tile_, sequences,
                                        [&](const SequenceRows& s) { return head_numbers(s, d); });
  auto* keys = grown<uint16_t>(keys_, n_numbers * kv_heads);
  auto* keys_across = grown<uint16_t>(keys_across_, n_numbers * kv_heads);
  auto* values = grown<uint16_t>(values_, n_numbers * kv_heads);
  auto* queries = grown<uint16_t>(queries_, 4 * n_numbers * heads);
  // delta = sum of dout * out over a head: what every dp of a row is measured against.
  float* deltas = grown(deltas_, static_cast<size_t>(params.n_heads * q.rows));
  // Where a head of a sequence begins in each of these.
  const auto place = [&](size_t index, size_t n_heads, int64_t head) {
    return first_tile_[index] * n_heads +
           static_cast<size_t>(head) * head_numbers(sequences[index], d);
  };
  pool.for_each(sequences.size() * heads, [&](size_t i, int) {
    const size_t index = i / heads;
    const SequenceRows& s = sequences[index];
    const auto head = static_cast<int64_t>(i % heads);
    const size_t numbers = head_numbers(s, d);
    uint16_t* to = queries + 4 * place(index, heads, head);
    const float* query = q.row(s.first_row) + head * d;
    const float* grad = dout.row(s.first_row) + head * d;
    pack_factor(table.left_along, Walk::along, to, query, q.stride, s.n_rows, d);
    pack_factor(table.left_along, Walk::along, to + numbers, grad, dout.stride, s.n_rows, d);
    pack_factor(table.right_across, Walk::across, to + 2 * numbers, query, q.stride, d, s.n_rows);
    pack_factor(table.right_across, Walk::across, to + 3 * numbers, grad, dout.stride, d, s.n_rows);
    for (int64_t row = s.first_row; row < s.first_row + s.n_rows; ++row)
      deltas[head * q.rows + row] =
          job.rows.dot(dout.row(row) + head * d, out.row(row) + head * d, d);
    if (head % job.group() != 0) return;
    const int64_t kv_head = head / job.group();
    const size_t at = place(index, kv_heads, kv_head);
    const float* key = k.row(s.first_row) + kv_head * d;
    pack_factor(table.right_along, Walk::along, keys + at, key, k.stride, s.n_rows, d);
    pack_factor(table.right_across, Walk::across, keys_across + at, key, k.stride, d, s.n_rows);
    pack_factor(table.right_along, Walk::along, values + at, v.row(s.first_row) + kv_head * d,
                v.stride, s.n_rows, d);
  });

  constexpr int64_t kScores = kQueryRows * kKeyRows;
  constexpr auto kThreadFloats = static_cast<size_t>(2 * kScores + kKeyRows);
  const auto n_threads = static_cast<size_t>(pool.size());
  float* all_scores = grown(scores_, kThreadFloats * n_threads);
  auto* all_tiles = grown<uint16_t>(score_tiles_, 3 * kScores * n_threads);
  // A unit owns the gradients of one K/V head of one sequence, so nobody else adds to them.
  pool.for_each(sequences.size() * kv_heads, [&](size_t unit, int thread) {
    const size_t index = unit / kv_heads;
    const auto kv_head = static_cast<int64_t>(unit % kv_heads);
    const SequenceRows& s = sequences[index];
    float* p = all_scores + static_cast<size_t>(thread) * kThreadFloats;
    float* dp = p + kScores;
    float* slope = dp + kScores;  // of one row
    uint16_t* tiles = all_tiles + static_cast<size_t>(thread) * 3 * kScores;
    const size_t at = place(index, kv_heads, kv_head);
    const size_t numbers = head_numbers(s, d);
    const auto block = [&](int64_t head, int64_t first, int64_t key) {
      const int64_t n = std::min<int64_t>(kQueryRows, s.n_rows - first);
      const int64_t n_keys = std::min(key + kKeyRows, first + n) - key;  // that any of them sees
      const int64_t width = ceil_div(n_keys, kBf16Depth) * kBf16Depth;
      const int64_t row = s.first_row + first, key_row = s.first_row + key;
      const uint16_t* packed = queries + 4 * place(index, heads, head);
      times(table, p, width, from_line(packed, d, first), from_line(keys + at, d, key), n, n_keys,
            tiles_of_k(d), false);
      times(table, dp, width, from_line(packed + numbers, d, first), from_line(values + at, d, key),
            n, n_keys, tiles_of_k(d), false);
      for (int64_t i = 0; i < n; ++i) {
        float* row_p = p + i * width;
        float* row_dp = dp + i * width;
        job.rows.attention_probabilities(
            row_p, width, std::clamp<int64_t>(job.first_key(first + i) - key, 0, n_keys),
            std::clamp<int64_t>(first + i + 1 - key, 0, n_keys), params.scale, params.softcap,
            log_sums.row(head)[row + i], slope);
        job.rows.attention_backward(row_dp, row_p, row_dp, deltas[head * q.rows + row + i],
                                    params.scale, width);
        if (params.softcap > 0) {
          for (int64_t j = 0; j < width; ++j) row_dp[j] *= slope[j];
        }
      }
      // dv += p^T dout, dk += ds^T q, dq = or += ds k
      const int64_t query_tiles = tiles_of_k(n);
      times(table, dv.row(key_row) + kv_head * d, dv.stride,
            pack_factor(table.left_across, Walk::across, tiles, p, width, n_keys, n),
            from_k(packed + 3 * numbers, s.n_rows, first), n_keys, d, query_tiles, true);
      times(table, dk.row(key_row) + kv_head * d, dk.stride,
            pack_factor(table.left_across, Walk::across, tiles + kScores, dp, width, n_keys, n),
            from_k(packed + 2 * numbers, s.n_rows, first), n_keys, d, query_tiles, true);
      const bool adds = key > job.first_key(first) / kKeyRows * kKeyRows;
      times(table, dq.row(row) + head * d, dq.stride,
            pack_factor(table.left_along, Walk::along, tiles + 2 * kScores, dp, width, n, n_keys),
            from_k(keys_across + at, s.n_rows, key), n, d, tiles_of_k(n_keys), adds);
    };
    for (int64_t key = 0; key < s.n_rows; key += kKeyRows) {
      for (int64_t i = key; i < std::min<int64_t>(key + kKeyRows, s.n_rows); ++i) {
        std::fill_n(dk.row(s.first_row + i) + kv_head * d, d, 0.0f);
        std::fill_n(dv.row(s.first_row + i) + kv_head * d, d, 0.0f);
      }
      for (int64_t head = kv_head * job.group(); head < (kv_head + 1) * job.group(); ++head) {
        for (int64_t first = key / kQueryRows * kQueryRows; first < s.n_rows; first += kQueryRows) {
          if (job.first_key(first) >= key + kKeyRows) break;  // out of every later window
          block(head, first, key);
        }
      }
    }
  });
}

}  // namespace jiang
