#include "ops/matmul.h"

#include <algorithm>
#include <atomic>

#include "base/check.h"
#include "kernels/table.h"

namespace jiang {
namespace {

using kernels::ActivationBlock;
using kernels::kBlock;
using kernels::kPanelRows;
using kernels::kTileTokens;

// Weights of one chunk stay in L2 while all tiles of tokens pass over them.
constexpr int64_t kChunkBytes = 256 << 10;
// Activations of a tile and a slice of k stay in L1 (32 KiB) while all panels of a chunk pass. With
// few tokens they do so anyway, and the weights are better read in one go.
constexpr int64_t kSlice = 1024;
constexpr int64_t kSliceTokens = 17;
static_assert(kSlice % (kBlock * kernels::kGroupBlocks) == 0, "slices are whole groups");

int64_t round_up(int64_t n, int64_t to) { return (n + to - 1) / to * to; }

int64_t bytes_per_row(ActivationKind kind, int64_t cols) {
  return kind == ActivationKind::int8
             ? cols / kBlock * static_cast<int64_t>(sizeof(ActivationBlock))
             : cols * static_cast<int64_t>(sizeof(float));
}

// Rows [first, first + n) of one projection.
struct Chunk {
  const Projection* projection;
  int64_t first;
  int64_t n;
};

void add_bias(TensorView out, std::span<const float> bias, int64_t first_col, int64_t n) {
  for (int64_t t = 0; t < out.rows; ++t) {
    float* row = out.row(t) + first_col;
    for (int64_t i = 0; i < n; ++i) row[i] += bias[static_cast<size_t>(first_col + i)];
  }
}

void multiply(const Chunk& chunk, const PreparedActivations& x) {
  const PackedMatrix& weights = *chunk.projection->weights;
  const TensorView out = chunk.projection->out;
  const auto layout = static_cast<int>(weights.layout());
  const auto kernel = kernels::table().matmul[layout];
  const auto tiles_kernel = kernels::table().matmul_tiles[layout];
  const int64_t panel_bytes = kernels::panel_bytes(weights.layout(), weights.cols());
  const std::byte* panels = weights.data() + chunk.first / kPanelRows * panel_bytes;
  const int64_t row_bytes = bytes_per_row(x.kind, x.cols);
  // Tokens [token, token + n) against columns [k, k + cols).
  const auto multiply_tokens = [&](kernels::MatmulKernel with, int64_t token, int64_t n, int64_t k,
                                   int64_t cols) {
    const kernels::MatmulTile tile = {
        .out = out.row(token) + chunk.first,
        .out_stride = out.stride,
        .x = x.data + token * row_bytes +
             std::min<int64_t>(n, kTileTokens) * bytes_per_row(x.kind, k),
        .panels = panels + kernels::panel_bytes(weights.layout(), k),
        .panel_bytes = panel_bytes,
        .cols = cols,
        .n_rows = chunk.n,
        .n_tokens = static_cast<int32_t>(n),
        .resume = k > 0,
        .tile_bytes = kTileTokens * row_bytes,
    };
    with(&tile);
  };
  const int64_t n_tiled = tiles_kernel ? x.rows / kTileTokens * kTileTokens : 0;
  if (n_tiled > 0) multiply_tokens(tiles_kernel, 0, n_tiled, 0, x.cols);
  const int64_t slice = x.rows < kSliceTokens ? x.cols : kSlice;
  for (int64_t k = 0; k < x.cols; k += slice) {
    for (int64_t token = n_tiled; token < x.rows; token += kTileTokens)
      multiply_tokens(kernel, token, std::min<int64_t>(kTileTokens, x.rows - token), k,
                      std::min(slice, x.cols - k));
  }
  if (!chunk.projection->bias.empty()) add_bias(out, chunk.projection->bias, chunk.first, chunk.n);
}

int64_t rows_per_chunk(const PackedMatrix& weights, int n_threads) {
  const int64_t slice_bytes =
      kernels::panel_bytes(weights.layout(), std::min(weights.cols(), kSlice));
  const int64_t fits =
      std::max<int64_t>(kChunkBytes / std::max<int64_t>(slice_bytes, 1), 1) * kPanelRows;
  // Enough chunks that no thread waits long for the last one.
  const int64_t shared = round_up(weights.rows() / (4 * n_threads) + 1, kPanelRows);
  return std::min(fits, shared);
}

}  // namespace

ActivationKind activation_kind(const PackedMatrix& weights) {
  return kernels::is_float_kind(weights.layout()) ? ActivationKind::f32 : ActivationKind::int8;
}

size_t prepared_bytes(ActivationKind kind, int64_t rows, int64_t cols) {
  return static_cast<size_t>(round_up(rows * bytes_per_row(kind, cols), 64));
}

PreparedActivations prepare_activations(ActivationKind kind, TensorView x, std::byte* memory,
                                        ThreadPool& pool) {
  JIANG_CHECK(kind == ActivationKind::f32 || x.cols % kBlock == 0,
              "int8 activations come in blocks of 32");
  JIANG_CHECK(reinterpret_cast<uintptr_t>(memory) % 64 == 0,
              "prepared activations are aligned to 64 bytes");
  const int64_t row_bytes = bytes_per_row(kind, x.cols);
  const auto prepare = [&](size_t begin, size_t end) {
    for (int64_t t = static_cast<int64_t>(begin); t < static_cast<int64_t>(end); ++t) {
      const int64_t first = t / kTileTokens * kTileTokens;
      const int64_t n = std::min<int64_t>(kTileTokens, x.rows - first);
      std::byte* tile = memory + first * row_bytes;
      if (kind == ActivationKind::int8) {
        kernels::table().quantize(reinterpret_cast<ActivationBlock*>(tile) + (t - first), n,
                                  x.row(t), x.cols);
      } else {
        float* to = reinterpret_cast<float*>(tile) + (t - first);
        const float* from = x.row(t);
        for (int64_t k = 0; k < x.cols; ++k) to[k * n] = from[k];
      }
    }
  };
  // Waking the threads costs more than a few rows.
  if (x.rows <= 4) {
    prepare(0, static_cast<size_t>(x.rows));
  } else {
    pool.parallel_for(static_cast<size_t>(x.rows), 1, prepare);
  }
  return {.kind = kind, .rows = x.rows, .cols = x.cols, .data = memory};
}

void matmul_many(std::span<const Projection> projections, const PreparedActivations& x,
                 ThreadPool& pool) {
  int64_t n_chunks = 0;
  for (const Projection& p : projections) {
    JIANG_CHECK(
        p.weights->cols() == x.cols && p.out.cols == p.weights->rows() && p.out.rows == x.rows,
        "shapes of a matmul disagree");
    JIANG_CHECK(activation_kind(*p.weights) == x.kind,
                "activations were prepared for another kind of weights");
    JIANG_CHECK(p.bias.empty() || static_cast<int64_t>(p.bias.size()) == p.weights->rows(),
                "a bias has one value per row");
    const int64_t per_chunk = rows_per_chunk(*p.weights, pool.size());
    n_chunks += round_up(p.weights->rows(), per_chunk) / per_chunk;
  }
  const auto chunk_at = [&](int64_t index) {
    for (const Projection& p : projections) {
      const int64_t per_chunk = rows_per_chunk(*p.weights, pool.size());
      const int64_t count = round_up(p.weights->rows(), per_chunk) / per_chunk;
      if (index < count) {
        const int64_t first = index * per_chunk;
        return Chunk{&p, first, std::min(per_chunk, p.weights->rows() - first)};
      }
      index -= count;
    }
    return Chunk{nullptr, 0, 0};
  };
  // Which thread takes a chunk depends on chance, what it computes does not.
  std::atomic<int64_t> next = 0;
  pool.run([&](int) {
    for (int64_t i = next.fetch_add(1, std::memory_order_relaxed); i < n_chunks;
         i = next.fetch_add(1, std::memory_order_relaxed)) {
      multiply(chunk_at(i), x);
    }
  });
}

void matmul(TensorView out, const PreparedActivations& x, const PackedMatrix& weights,
            std::span<const float> bias, ThreadPool& pool) {
  const Projection projection = {.out = out, .weights = &weights, .bias = bias};
  matmul_many({&projection, 1}, x, pool);
}

}  // namespace jiang
