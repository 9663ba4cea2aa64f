#include "ops/paged_attention.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstring>
#include <limits>
#include <type_traits>

#include "base/check.h"
#include "quant/float16.h"

namespace jiang {
namespace {

static_assert(kernels::kAttentionBlock == kKvBlockTokens,
              "a step of attention is a block of the cache");
static_assert(kernels::kMaxHeadDim == kWidestHead && kernels::kKvScaleDims == kKvScaleDims, "");

// Queries that share a block while it is in the cache.
constexpr int32_t kMaxQueries = 64;
// Below this many products waking the other threads costs more than they save.
constexpr int64_t kWorthSharing = 32768;

// Where token 0 of (block, kv_head) lies: K for kv = 0, V for kv = 1.
std::byte* block_address(const KvLayer& cache, int32_t block, int32_t kv_head, int kv) {
  const auto index = (static_cast<size_t>(block) * static_cast<size_t>(cache.n_kv_heads) +
                      static_cast<size_t>(kv_head)) *
                         2 +
                     static_cast<size_t>(kv);
  return cache.data + index * kv_part_bytes(cache.type, cache.head_dim);
}

// int8: where the scales of a block's K or V lie.
template <class Byte>
auto* scales_of(Byte* part, int64_t head_dim) {
  using Scale = std::conditional_t<std::is_const_v<Byte>, const uint16_t, uint16_t>;
  return reinterpret_cast<Scale*>(part + kKvBlockTokens * head_dim);
}

// Dimensions [0, n), n <= kKvScaleDims, of one token: codes[i * stride], and their scale. Of values
// that are not finite, or beyond what an f16 scale reaches, the scale says so.
void store_int8(int8_t* codes, int64_t stride, uint16_t* scale, const float* x, int64_t n,
                const kernels::RowTable& rows) {
  float largest = 0;
  bool is_finite = true;
  for (int64_t i = 0; i < n; ++i) {
    largest = std::max(largest, std::abs(x[i]));
    is_finite &= std::abs(x[i]) <= std::numeric_limits<float>::max();
  }
  const float wanted = is_finite ? largest / 127 : std::numeric_limits<float>::quiet_NaN();
  rows.f32_to_f16(scale, &wanted, 1);
  const float step = f16_to_f32(*scale);  // as attention will read it
  const float per_step = step > 0 && std::isfinite(step) ? 1 / step : 0;
  constexpr float kRound = 12582912;  // 1.5 * 2^23: adding it rounds to a whole number
  for (int64_t i = 0; i < n; ++i) {
    const float code = per_step > 0 ? std::clamp(x[i] * per_step, -127.0f, 127.0f) : 0;
    codes[i * stride] = static_cast<int8_t>(static_cast<int32_t>(code + kRound - kRound));
  }
}

// A tile of work: some rows of one sequence, and some of the query heads that share one K/V head.
struct Tile {
  int32_t first_row = 0;  // within the sequence
  int32_t n_rows = 0;
  int32_t kv_head = 0;
  int32_t first_head = 0;
  int32_t n_heads = 0;
};

// How a sequence's work is cut into tiles. Any cut gives the same numbers.
struct Tiling {
  int32_t rows_per_tile, row_tiles, heads_per_tile, head_tiles, kv_heads;

  Tiling(int32_t n_rows, const AttentionParams& params, int n_threads) {
    const int32_t group = params.n_heads / params.n_kv_heads;
    kv_heads = params.n_kv_heads;
    heads_per_tile = std::min(group, kMaxQueries);
    rows_per_tile = std::max(1, std::min(n_rows, kMaxQueries / heads_per_tile));
    row_tiles = (n_rows + rows_per_tile - 1) / rows_per_tile;
    // One token of one sequence: share the heads out, if there are too few K/V heads to go round.
    if (row_tiles * kv_heads < n_threads) {
      const int32_t shares = (n_threads + row_tiles * kv_heads - 1) / (row_tiles * kv_heads);
      heads_per_tile = std::max(1, (heads_per_tile + shares - 1) / shares);
    }
    head_tiles = (group + heads_per_tile - 1) / heads_per_tile;
  }

  int64_t count() const { return int64_t{row_tiles} * head_tiles * kv_heads; }

  Tile tile(int64_t index, int32_t n_rows, const AttentionParams& params) const {
    const int32_t group = params.n_heads / params.n_kv_heads;
    const auto row_tile = static_cast<int32_t>(index % row_tiles);
    const auto head_tile = static_cast<int32_t>(index / row_tiles % head_tiles);
    Tile tile;
    // The last rows see most keys: they come first, so that no thread is left with them.
    tile.first_row = (row_tiles - 1 - row_tile) * rows_per_tile;
    tile.n_rows = std::min(rows_per_tile, n_rows - tile.first_row);
    tile.kv_head = static_cast<int32_t>(index / row_tiles / head_tiles);
    tile.first_head = tile.kv_head * group + head_tile * heads_per_tile;
    tile.n_heads = std::min(heads_per_tile, group - head_tile * heads_per_tile);
    return tile;
  }
};

// The keys [first, last) that the token at `position` sees, of `n_keys`.
struct Span {
  int32_t first, last;
};
Span visible(int32_t position, int32_t n_keys, const AttentionParams& params) {
  const int32_t last = params.causal ? position + 1 : n_keys;
  const int32_t first = params.window > 0 ? std::max(0, position - params.window + 1) : 0;
  return {first, last};
}

struct Inputs {
  TensorView out, q, k, v;
  const KvLayer* cache;
  const AttentionParams& params;
};

// One token's key into its column of (head_dim, kKvBlockTokens).
template <class T>
void scatter(T* column, const T* key, int64_t head_dim) {
  for (int64_t d = 0; d < head_dim; ++d) column[d * kKvBlockTokens] = key[d];
}

// out (head_dim, kKvBlockTokens): keys of the batch's own rows, as a block of the cache holds them.
void gather_keys(float* out, TensorView k, int64_t first_row, int32_t n_tokens, int32_t kv_head,
                 int32_t head_dim) {
  for (int32_t t = 0; t < kKvBlockTokens; ++t) {
    const float* key = t < n_tokens ? k.row(first_row + t) + int64_t{kv_head} * head_dim : nullptr;
    for (int32_t d = 0; d < head_dim; ++d) out[d * kKvBlockTokens + t] = key ? key[d] : 0.0f;
  }
}

void attend_tile(const kernels::RowTable& rows, const Inputs& in, const SequenceRows& sequence,
                 const Tile& tile) {
  const AttentionParams& params = in.params;
  kernels::AttentionQuery queries[kMaxQueries];
  int32_t n_queries = 0;
  for (int32_t r = 0; r < tile.n_rows; ++r) {
    const int64_t row = sequence.first_row + tile.first_row + r;
    for (int32_t h = tile.first_head; h < tile.first_head + tile.n_heads; ++h) {
      kernels::AttentionQuery& query = queries[n_queries++];
      query.q = in.q.row(row) + int64_t{h} * params.head_dim;
      query.out = in.out.row(row) + int64_t{h} * params.head_dim;
      query.max = -std::numeric_limits<float>::infinity();
      query.sum = 0;
      std::memset(query.out, 0, static_cast<size_t>(params.head_dim) * sizeof(float));
    }
  }

  // Positions count from the first row where there is no cache.
  const int32_t start = in.cache ? sequence.start_position : 0;
  const int32_t n_keys = start + sequence.n_rows;
  const int32_t first_position = start + tile.first_row;
  const int32_t last_position = first_position + tile.n_rows - 1;
  const int32_t first_key = visible(first_position, n_keys, params).first;
  const int32_t last_key = visible(last_position, n_keys, params).last;
  kernels::AttentionBlock block{.k = nullptr,
                                .v = nullptr,
                                .k_scales = nullptr,
                                .v_scales = nullptr,
                                .v_stride = in.cache ? params.head_dim : in.v.stride,
                                .head_dim = params.head_dim,
                                .scale = params.scale,
                                .softcap = params.softcap};
  const KvType type = in.cache ? in.cache->type : KvType::f32;
  const auto attend = type == KvType::f32   ? rows.attend_f32
                      : type == KvType::f16 ? rows.attend_f16
                                            : rows.attend_int8;
  alignas(64) float keys_by_dimension[kWidestHead * kKvBlockTokens];  // used without a cache only
  for (int32_t b = first_key / kKvBlockTokens; b * kKvBlockTokens < last_key; ++b) {
    const int32_t base = b * kKvBlockTokens;
    if (in.cache) {
      const int32_t id = sequence.blocks[static_cast<size_t>(b)];
      const std::byte* keys = block_address(*in.cache, id, tile.kv_head, 0);
      const std::byte* values = block_address(*in.cache, id, tile.kv_head, 1);
      block.k = keys;
      block.v = values;
      if (type == KvType::int8) {
        block.k_scales = scales_of(keys, params.head_dim);
        block.v_scales = scales_of(values, params.head_dim);
      }
    } else {
      gather_keys(keys_by_dimension, in.k, sequence.first_row + base,
                  std::min(kKvBlockTokens, n_keys - base), tile.kv_head, params.head_dim);
      block.k = keys_by_dimension;
      block.v = in.v.row(sequence.first_row + base) + int64_t{tile.kv_head} * params.head_dim;
    }
    for (int32_t r = 0; r < tile.n_rows; ++r) {
      const Span keys = visible(first_position + r, n_keys, params);
      for (int32_t h = 0; h < tile.n_heads; ++h) {
        kernels::AttentionQuery& query = queries[r * tile.n_heads + h];
        query.begin = std::clamp(keys.first - base, 0, kKvBlockTokens);
        query.end = std::clamp(keys.last - base, 0, kKvBlockTokens);
      }
    }
    attend(queries, n_queries, &block);
  }
  for (int32_t i = 0; i < n_queries; ++i) {
    const float norm = 1.0f / queries[i].sum;
    for (int32_t d = 0; d < params.head_dim; ++d) queries[i].out[d] *= norm;
  }
}

}  // namespace

void PagedAttention::store(ThreadPool& pool, const kernels::RowTable& rows, TensorView k,
                           TensorView v, const KvLayer& cache,
                           std::span<const SequenceRows> sequences) {
  const int64_t head_dim = cache.head_dim;
  const auto store_row = [&](const SequenceRows& sequence, int32_t i) {
    const int32_t position = sequence.start_position + i;
    const int32_t block = sequence.blocks[static_cast<size_t>(position / kKvBlockTokens)];
    const int32_t token = position % kKvBlockTokens;
    for (int32_t head = 0; head < cache.n_kv_heads; ++head) {
      const float* key = k.row(sequence.first_row + i) + head * head_dim;
      const float* value = v.row(sequence.first_row + i) + head * head_dim;
      std::byte* keys = block_address(cache, block, head, 0);
      std::byte* values = block_address(cache, block, head, 1);
      if (cache.type == KvType::f32) {
        std::memcpy(reinterpret_cast<float*>(values) + token * head_dim, value,
                    static_cast<size_t>(head_dim) * sizeof(float));
        scatter(reinterpret_cast<float*>(keys) + token, key, head_dim);
      } else if (cache.type == KvType::int8) {
        auto* key_codes = reinterpret_cast<int8_t*>(keys) + token;
        auto* value_codes = reinterpret_cast<int8_t*>(values) + token * head_dim;
        for (int64_t d = 0; d < head_dim; d += kKvScaleDims) {
          const int64_t n = std::min<int64_t>(kKvScaleDims, head_dim - d);
          const int64_t scale = d / kKvScaleDims * kKvBlockTokens + token;
          store_int8(key_codes + d * kKvBlockTokens, kKvBlockTokens,
                     scales_of(keys, head_dim) + scale, key + d, n, rows);
          store_int8(value_codes + d, 1, scales_of(values, head_dim) + scale, value + d, n, rows);
        }
      } else {
        rows.f32_to_f16(reinterpret_cast<uint16_t*>(values) + token * head_dim, value, head_dim);
        uint16_t rounded[kWidestHead];
        rows.f32_to_f16(rounded, key, head_dim);
        scatter(reinterpret_cast<uint16_t*>(keys) + token, rounded, head_dim);
      }
    }
  };
  for (const SequenceRows& sequence : sequences) {
    const auto range = [&](size_t begin, size_t end) {
      for (size_t i = begin; i < end; ++i) store_row(sequence, static_cast<int32_t>(i));
    };
    const auto n_rows = static_cast<size_t>(sequence.n_rows);
    if (n_rows < 16) {
      range(0, n_rows);
    } else {
      pool.parallel_for(n_rows, 1, range);
    }
  }
}

void PagedAttention::attend(ThreadPool& pool, const kernels::RowTable& rows, TensorView out,
                            TensorView q, TensorView k, TensorView v, const KvLayer* cache,
                            std::span<const SequenceRows> sequences,
                            const AttentionParams& params) {
  JIANG_CHECK(params.head_dim > 0 && params.head_dim <= kWidestHead, "a head beyond the widest");
  JIANG_CHECK(params.n_kv_heads > 0 && params.n_heads % params.n_kv_heads == 0,
              "heads come in whole groups");
  JIANG_CHECK(q.cols == int64_t{params.n_heads} * params.head_dim, "q has another width");
  JIANG_CHECK(k.cols == int64_t{params.n_kv_heads} * params.head_dim && v.cols == k.cols,
              "k or v has another width");
  JIANG_CHECK(cache || k.stride == v.stride, "k and v rows are equally far apart");

  first_unit_.clear();
  int64_t n_units = 0;
  int64_t n_scores = 0;
  for (const SequenceRows& sequence : sequences) {
    JIANG_CHECK(!cache || static_cast<int64_t>(sequence.blocks.size()) * kKvBlockTokens >=
                              int64_t{sequence.start_position} + sequence.n_rows,
                "blocks were reserved for every position");
    first_unit_.push_back(n_units);
    n_scores +=
        int64_t{sequence.n_rows} * (sequence.start_position + sequence.n_rows) * params.n_heads;
    if (sequence.n_rows > 0) n_units += Tiling(sequence.n_rows, params, pool.size()).count();
  }

  const Inputs inputs{out, q, k, v, cache, params};
  const auto run_unit = [&](int64_t unit) {
    const auto after = std::upper_bound(first_unit_.begin(), first_unit_.end(), unit);
    const auto index = static_cast<size_t>(after - first_unit_.begin()) - 1;
    const SequenceRows& sequence = sequences[index];
    const Tiling tiling(sequence.n_rows, params, pool.size());
    attend_tile(rows, inputs, sequence,
                tiling.tile(unit - first_unit_[index], sequence.n_rows, params));
  };
  if (n_scores * params.head_dim < kWorthSharing) {
    for (int64_t unit = 0; unit < n_units; ++unit) run_unit(unit);
    return;
  }
  // Units differ in size, so threads take the next one as they come free.
  std::atomic<int64_t> next{0};
  pool.run([&](int) {
    for (int64_t unit = next.fetch_add(1, std::memory_order_relaxed); unit < n_units;
         unit = next.fetch_add(1, std::memory_order_relaxed)) {
      run_unit(unit);
    }
  });
}

}  // namespace jiang
