#include "ops/gemm_bf16.h"

#include <algorithm>

#include "base/check.h"
#include "kernels/bf16.h"

namespace jiang {
namespace {

using kernels::Bf16Table;
using kernels::kBf16Depth;
using kernels::kBf16Lines;
using kernels::kBf16Tile;

// A slice of the right factor (kBlockColumns, kSliceTiles) stays in L2, 32 rows of the left one in
// L1, while a block of C is made.
constexpr int64_t kBlockHeight = 64;
constexpr int64_t kBlockColumns = 256;
constexpr int64_t kSliceTiles = 16;
// Below this many products, or numbers to pack, waking the other threads costs more than they save.
constexpr int64_t kProductsWorthSharing = 1 << 18;
constexpr int64_t kNumbersWorthSharing = 1 << 13;

int64_t rounded_up_count(int64_t n, int64_t by) { return (n + by - 1) / by; }

template <class Work>
void share(ThreadPool& pool, bool is_worth_it, int64_t n, const Work& work) {
  if (!is_worth_it) {
    for (int64_t i = 0; i < n; ++i) work(i);
    return;
  }
  pool.for_each(static_cast<size_t>(n), [&](size_t i, int) { work(static_cast<int64_t>(i)); });
}

}  // namespace

size_t Bf16Factor::bytes_for(int64_t lines, int64_t k) {
  return static_cast<size_t>(rounded_up_count(lines, kBf16Lines) * rounded_up_count(k, kBf16Depth) *
                             kBf16Tile) *
         sizeof(uint16_t);
}

void Bf16Factor::reshape(int64_t lines, int64_t k) {
  lines_ = lines;
  k_ = k;
  const size_t bytes = bytes_for(lines, k);
  if (memory_.size() >= bytes) return;
  memory_ = AlignedBuffer();
  memory_ = AlignedBuffer(bytes);
}

int64_t Bf16Factor::panel_stride() const { return rounded_up_count(k_, kBf16Depth) * kBf16Tile; }

const uint16_t* Bf16Factor::panel(int64_t line) const {
  return memory_.as<uint16_t>() + line / kBf16Lines * panel_stride();
}

uint16_t* Bf16Factor::tile(int64_t panel, int64_t k_tile) {
  return memory_.as<uint16_t>() + panel * panel_stride() + k_tile * kBf16Tile;
}

void Bf16Factor::pack(FactorSide side, GemmOperand x, ThreadPool& pool) {
  const bool is_left = side == FactorSide::left;
  reshape(is_left ? x.rows() : x.cols(), is_left ? x.cols() : x.rows());
  if (lines_ == 0 || k_ == 0) return;
  const Bf16Table& table = kernels::bf16_table();
  const TensorView& from = x.stored;
  const int64_t n_panels = rounded_up_count(lines_, kBf16Lines);
  const int64_t k_tiles = rounded_up_count(k_, kBf16Depth);
  const bool is_worth_it = lines_ * k_ >= kNumbersWorthSharing;
  const bool is_along = is_left != x.is_transposed;
  if (is_along) {  // a line is a row of memory
    const auto pack_tile = is_left ? table.left_along : table.right_along;
    share(pool, is_worth_it, n_panels, [&](int64_t panel) {
      const int64_t line = panel * kBf16Lines;
      for (int64_t t = 0; t < k_tiles; ++t) {
        pack_tile(tile(panel, t), from.row(line) + t * kBf16Depth, from.stride,
                  std::min(kBf16Lines, lines_ - line), std::min(kBf16Depth, k_ - t * kBf16Depth));
      }
    });
    return;
  }
  const auto pack_tile = is_left ? table.left_across : table.right_across;
  share(pool, is_worth_it, k_tiles, [&](int64_t t) {
    for (int64_t panel = 0; panel < n_panels; ++panel) {
      const int64_t line = panel * kBf16Lines;
      pack_tile(tile(panel, t), from.row(t * kBf16Depth) + line, from.stride,
                std::min(kBf16Lines, lines_ - line), std::min(kBf16Depth, k_ - t * kBf16Depth));
    }
  });
}

void Bf16Factor::pack_both(Bf16Factor& plain, Bf16Factor& transposed, TensorView x,
                           ThreadPool& pool) {
  plain.reshape(x.rows, x.cols);
  transposed.reshape(x.cols, x.rows);
  const Bf16Table& table = kernels::bf16_table();
  const bool is_worth_it = x.rows * x.cols >= kNumbersWorthSharing;
  static_assert(kBf16Depth == 2 * kBf16Lines, "two panels of lines are one tile of k");
  share(pool, is_worth_it, rounded_up_count(x.rows, kBf16Depth), [&](int64_t strip) {
    const int64_t first = strip * kBf16Depth, n = std::min(kBf16Depth, x.rows - first);
    for (int64_t col = 0; col < x.cols; col += kBf16Depth) {
      const int64_t n_cols = std::min(kBf16Depth, x.cols - col);
      for (int64_t half = 0; half < kBf16Depth; half += kBf16Lines) {
        if (half < n) {
          table.left_along(plain.tile((first + half) / kBf16Lines, col / kBf16Depth),
                           x.row(first + half) + col, x.stride, std::min(kBf16Lines, n - half),
                           n_cols);
        }
        if (half < n_cols) {
          table.left_across(transposed.tile((col + half) / kBf16Lines, strip),
                            x.row(first) + col + half, x.stride,
                            std::min(kBf16Lines, n_cols - half), n);
        }
      }
    }
  });
}

void multiply(TensorView c, const Bf16Factor& a, const Bf16Factor& b, GemmMode mode,
              ThreadPool& pool) {
  JIANG_CHECK(c.rows == a.lines() && c.cols == b.lines() && a.k() == b.k(),
              "shapes of a product disagree");
  if (c.rows == 0 || c.cols == 0) return;
  const int64_t k_tiles = rounded_up_count(a.k(), kBf16Depth);
  if (k_tiles == 0) {
    for (int64_t i = 0; i < c.rows && mode == GemmMode::overwrite; ++i)
      std::fill(c.row(i), c.row(i) + c.cols, 0.0f);
    return;
  }
  const Bf16Table& table = kernels::bf16_table();
  // Blocks of one thread's rows come after each other: the rows that it packed, and that it will
  // read again where the next verb goes by rows.
  const int64_t row_blocks = rounded_up_count(c.rows, kBlockHeight);
  const int64_t col_blocks = rounded_up_count(c.cols, kBlockColumns);
  const int64_t group =
      row_blocks >= 2 * pool.size() ? rounded_up_count(row_blocks, pool.size()) : row_blocks;
  const bool is_worth_it = c.rows * c.cols * a.k() >= kProductsWorthSharing;
  share(pool, is_worth_it, row_blocks * col_blocks, [&](int64_t block) {
    const int64_t first = block / (group * col_blocks) * group;
    const int64_t height = std::min(group, row_blocks - first);
    const int64_t within = block - first * col_blocks;
    const int64_t row = (first + within % height) * kBlockHeight;
    const int64_t col = within / height * kBlockColumns;
    kernels::Bf16Product product{};
    product.c = c.row(row) + col;
    product.c_stride = c.stride;
    product.a_panel = a.panel_stride();
    product.b_panel = b.panel_stride();
    product.m = std::min(kBlockHeight, c.rows - row);
    product.n = std::min(kBlockColumns, c.cols - col);
    for (int64_t t = 0; t < k_tiles; t += kSliceTiles) {
      product.a = a.panel(row) + t * kBf16Tile;
      product.b = b.panel(col) + t * kBf16Tile;
      product.k_tiles = std::min(kSliceTiles, k_tiles - t);
      product.resume = t > 0 || mode == GemmMode::accumulate;
      table.multiply(&product);
    }
  });
}

}  // namespace jiang
