#include "ops/gemm.h"

#include <algorithm>
#include <atomic>
#include <cstring>

#include "base/check.h"
#include "kernels/training.h"

namespace jiang {
namespace {

using kernels::TrainingTable;

// A panel of B (kGemmSlice, gemm_cols) stays in L1 while a block of rows of A passes it; the block
// of A (kBlockRows, kGemmSlice) stays in L2 while all panels of a tile pass.
constexpr int64_t kGemmSlice = 256;
constexpr int64_t kBlockRows = 96;  // a multiple of every level's gemm_rows
constexpr int64_t kBlockCols = 256;
// Below this many products waking the other threads costs more than they save.
constexpr int64_t kGemmWorthSharing = 1 << 16;

int64_t ceil_div(int64_t n, int64_t by) { return (n + by - 1) / by; }

struct Shape3 {
  int64_t m, n, k;
};

// Panel p of slice s lies at (k before the slice) * padded n + p * (k of the slice) * cols.
void pack_panel(const TrainingTable& table, float* packed, const GemmOperand& b, Shape3 shape,
                int64_t index) {
  const int64_t cols = table.gemm_cols;
  const int64_t n_panels = ceil_div(shape.n, cols);
  const int64_t first_k = index / n_panels * kGemmSlice;
  const int64_t panel = index % n_panels;
  const int64_t n_k = std::min(kGemmSlice, shape.k - first_k);
  const int64_t first = panel * cols;
  const int64_t n = std::min(cols, shape.n - first);
  float* out = packed + first_k * n_panels * cols + panel * n_k * cols;
  const TensorView& from = b.stored;
  if (b.is_transposed) {
    table.pack_columns(out, from.row(first) + first_k, from.stride, n_k, n);
    return;
  }
  for (int64_t k = 0; k < n_k; ++k, out += cols) {
    std::memcpy(out, from.row(first_k + k) + first, static_cast<size_t>(n) * sizeof(float));
    std::fill(out + n, out + cols, 0.0f);
  }
}

// Rows [first, first + m) of a transposed A as panels of gemm_rows rows.
void pack_rows(const TrainingTable& table, float* out, const TensorView& stored, int64_t first,
               int64_t m, int64_t first_k, int64_t n_k) {
  const int64_t rows = table.gemm_rows;
  for (int64_t i = 0; i < m; i += rows, out += rows * n_k) {
    const auto bytes = static_cast<size_t>(std::min(rows, m - i)) * sizeof(float);
    for (int64_t k = 0; k < n_k; ++k)
      std::memcpy(out + k * rows, stored.row(first_k + k) + first + i, bytes);
  }
}

void multiply_tile(const TrainingTable& table, TensorView c, const GemmOperand& a,
                   const float* packed, Shape3 shape, int64_t first_row, int64_t first_col,
                   GemmMode mode, float* row_memory) {
  const int64_t cols = table.gemm_cols;
  const int64_t rows = table.gemm_rows;
  const int64_t n_panels = ceil_div(shape.n, cols);
  const int64_t m = std::min(kBlockRows, shape.m - first_row);
  const int64_t last_col = std::min(first_col + kBlockCols, shape.n);
  for (int64_t first_k = 0; first_k < shape.k; first_k += kGemmSlice) {
    const int64_t n_k = std::min(kGemmSlice, shape.k - first_k);
    kernels::GemmPanel panel{};
    if (a.is_transposed) {
      pack_rows(table, row_memory, a.stored, first_row, m, first_k, n_k);
      panel.a = row_memory;
      panel.a_group = rows * n_k;
      panel.a_row = 1;
      panel.a_k = rows;
    } else {
      panel.a = a.stored.row(first_row) + first_k;
      panel.a_group = rows * a.stored.stride;
      panel.a_row = a.stored.stride;
      panel.a_k = 1;
    }
    panel.c_stride = c.stride;
    panel.b_stride = cols;
    panel.m = m;
    panel.k = n_k;
    panel.b_is_padded = true;
    panel.resume = first_k > 0 || mode == GemmMode::accumulate;
    const float* slice = packed + first_k * n_panels * cols;
    for (int64_t col = first_col; col < last_col; col += cols) {
      panel.c = c.row(first_row) + col;
      panel.b = slice + col / cols * n_k * cols;
      panel.n = std::min(cols, last_col - col);
      table.gemm_panel(&panel);
    }
  }
}

}  // namespace

float* GemmMemory::packed(size_t n_floats) {
  if (packed_.size() < n_floats * sizeof(float)) {
    packed_ = AlignedBuffer();
    packed_ = AlignedBuffer(n_floats * sizeof(float));
  }
  return packed_.as<float>();
}

float* GemmMemory::of_thread(int thread, int n_threads, size_t n_floats) {
  const size_t bytes = n_floats * sizeof(float) * static_cast<size_t>(n_threads);
  if (threads_.size() < bytes) threads_ = AlignedBuffer(bytes);
  return threads_.as<float>() + n_floats * static_cast<size_t>(thread);
}

void gemm(TensorView c, GemmOperand a, GemmOperand b, GemmMode mode, GemmMemory& memory,
          ThreadPool& pool) {
  const Shape3 shape{a.rows(), b.cols(), a.cols()};
  JIANG_CHECK(c.rows == shape.m && c.cols == shape.n && b.rows() == shape.k,
              "shapes of a product disagree");
  if (shape.m == 0 || shape.n == 0) return;
  if (shape.k == 0) {
    for (int64_t i = 0; i < c.rows && mode == GemmMode::overwrite; ++i)
      std::fill(c.row(i), c.row(i) + c.cols, 0.0f);
    return;
  }
  const TrainingTable& table = kernels::training_table();
  static_assert(kBlockRows % 12 == 0 && kBlockCols % 32 == 0, "whole tiles of every level");
  const int64_t n_panels = ceil_div(shape.n, table.gemm_cols);
  float* packed = memory.packed(static_cast<size_t>(n_panels * table.gemm_cols * shape.k));
  constexpr auto kRowFloats = static_cast<size_t>(kBlockRows * kGemmSlice);
  const int n_threads = pool.size();
  if (a.is_transposed) memory.of_thread(0, n_threads, kRowFloats);

  const int64_t n_packs = n_panels * ceil_div(shape.k, kGemmSlice);
  const int64_t row_tiles = ceil_div(shape.m, kBlockRows);
  const int64_t n_tiles = row_tiles * ceil_div(shape.n, kBlockCols);
  const auto pack = [&](size_t begin, size_t end) {
    for (size_t i = begin; i < end; ++i)
      pack_panel(table, packed, b, shape, static_cast<int64_t>(i));
  };
  const auto tile = [&](int64_t index, int thread) {
    multiply_tile(table, c, a, packed, shape, index % row_tiles * kBlockRows,
                  index / row_tiles * kBlockCols, mode,
                  a.is_transposed ? memory.of_thread(thread, n_threads, kRowFloats) : nullptr);
  };
  if (n_threads == 1 || shape.m * shape.n * shape.k < kGemmWorthSharing) {
    pack(0, static_cast<size_t>(n_packs));
    for (int64_t i = 0; i < n_tiles; ++i) tile(i, 0);
    return;
  }
  pool.parallel_for(static_cast<size_t>(n_packs), 1, pack);
  // Which thread takes a tile depends on chance, what it computes does not.
  std::atomic<int64_t> next{0};
  pool.run([&](int thread) {
    for (int64_t i = next.fetch_add(1, std::memory_order_relaxed); i < n_tiles;
         i = next.fetch_add(1, std::memory_order_relaxed)) {
      tile(i, thread);
    }
  });
}

}  // namespace jiang
