// Products of bf16 with AMX: two by two tiles of sums, 32 k at a time. Tiles are packed by the
// level below.
#include <immintrin.h>
#include <string.h>

#include "kernels/amx/tiles.h"
#include "kernels/bf16.h"
#include "kernels/indices.h"

namespace jiang::kernels {
namespace {

constexpr int kSquare = 32;  // rows and columns of C at a time

template <int tile>
JIANG_INLINE void clear_tile() {
  __asm__ volatile("tilezero %%tmm%c0" : : "i"(tile));
}
template <int sums, int a, int b>
JIANG_INLINE void multiply_tiles() {
  __asm__ volatile("tdpbf16ps %%tmm%c2, %%tmm%c1, %%tmm%c0" : : "i"(sums), "i"(a), "i"(b));
}
// Tile registers: sums 0 to 3 (row, column), A 4 and 5, B 6 and 7; all of 16 lines of 64 bytes.
JIANG_INLINE void configure_squares() {
  TileConfig config;
  for (int tile = 0; tile < 8; ++tile) {
    config.row_bytes[tile] = 64;
    config.rows[tile] = 16;
  }
  configure_tiles(config);
}

// `rows` by `cols` tiles of C, which may be written whole.
template <int rows, int cols>
__attribute__((noinline)) void multiply_square(float* c, int64_t c_stride, const uint16_t* a,
                                               int64_t a_panel, const uint16_t* b, int64_t b_panel,
                                               int64_t k_tiles, bool resume) {
  const int64_t stride = c_stride * (int64_t)sizeof(float);
  if (resume) {
    load_tile<0>(c, stride);
    if constexpr (cols == 2) load_tile<1>(c + 16, stride);
    if constexpr (rows == 2) load_tile<2>(c + 16 * c_stride, stride);
    if constexpr (rows == 2 && cols == 2) load_tile<3>(c + 16 * c_stride + 16, stride);
  } else {
    clear_tile<0>();
    if constexpr (cols == 2) clear_tile<1>();
    if constexpr (rows == 2) clear_tile<2>();
    if constexpr (rows == 2 && cols == 2) clear_tile<3>();
  }
  for (int64_t t = 0; t < k_tiles; ++t, a += kBf16Tile, b += kBf16Tile) {
    load_tile<6>(b, 64);
    load_tile<4>(a, 64);
    multiply_tiles<0, 4, 6>();
    if constexpr (cols == 2) {
      load_tile<7>(b + b_panel, 64);
      multiply_tiles<1, 4, 7>();
    }
    if constexpr (rows == 2) {
      load_tile<5>(a + a_panel, 64);
      multiply_tiles<2, 5, 6>();
      if constexpr (cols == 2) multiply_tiles<3, 5, 7>();
    }
  }
  store_tile<0>(c, stride);
  if constexpr (cols == 2) store_tile<1>(c + 16, stride);
  if constexpr (rows == 2) store_tile<2>(c + 16 * c_stride, stride);
  if constexpr (rows == 2 && cols == 2) store_tile<3>(c + 16 * c_stride + 16, stride);
}

void multiply(const Bf16Product* p) {
  configure_squares();
  alignas(64) float padded[kSquare * kSquare];
  for (int64_t i = 0; i < p->m; i += kSquare) {
    const int64_t rows = p->m - i < kSquare ? p->m - i : kSquare;
    const uint16_t* a = p->a + i / kBf16Lines * p->a_panel;
    for (int64_t j = 0; j < p->n; j += kSquare) {
      const int64_t cols = p->n - j < kSquare ? p->n - j : kSquare;
      const uint16_t* b = p->b + j / kBf16Lines * p->b_panel;
      const auto run = rows > 16 ? (cols > 16 ? multiply_square<2, 2> : multiply_square<2, 1>)
                                 : (cols > 16 ? multiply_square<1, 2> : multiply_square<1, 1>);
      float* c = p->c + i * p->c_stride + j;
      if (rows % 16 == 0 && cols % 16 == 0) {
        run(c, p->c_stride, a, p->a_panel, b, p->b_panel, p->k_tiles, p->resume);
        continue;
      }
      // Tiles are written whole: through a copy where C ends.
      if (p->resume) {
        memset(padded, 0, sizeof padded);
        for (int64_t r = 0; r < rows; ++r)
          memcpy(padded + r * kSquare, c + r * p->c_stride, (size_t)cols * sizeof(float));
      }
      run(padded, kSquare, a, p->a_panel, b, p->b_panel, p->k_tiles, p->resume);
      for (int64_t r = 0; r < rows; ++r)
        memcpy(c + r * p->c_stride, padded + r * kSquare, (size_t)cols * sizeof(float));
    }
  }
  __asm__ volatile("tilerelease");
}

int64_t rounds(int64_t n) {
  configure_squares();
  clear_tile<0>(), clear_tile<1>(), clear_tile<2>(), clear_tile<3>();
  clear_tile<4>(), clear_tile<5>(), clear_tile<6>(), clear_tile<7>();
  for (int64_t i = 0; i < n; ++i) {
    multiply_tiles<0, 4, 6>();
    multiply_tiles<1, 4, 7>();
    multiply_tiles<2, 5, 6>();
    multiply_tiles<3, 5, 7>();
  }
  __asm__ volatile("tilerelease");
  return n * 4 * kBf16Tile * kBf16Lines;
}

}  // namespace

extern const Bf16Table kAmxBf16;  // what is nullptr is the level below's
const Bf16Table kAmxBf16 = {
    .name = "amx",
    .is_native = true,
    .is_faster = true,
    .left_along = nullptr,
    .left_across = nullptr,
    .right_along = nullptr,
    .right_across = nullptr,
    .multiply = multiply,
    .rounds = rounds,
};

}  // namespace jiang::kernels
