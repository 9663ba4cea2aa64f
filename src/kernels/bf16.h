// Products of matrices whose factors are rounded to bf16 and whose sums are f32: what training
// multiplies with where the recipe says `compute = "bf16"` (docs/decisions/0114). The same rules as
// kernels/table.h: raw pointers and sizes, no allocation, no threads, no errors.
#pragma once

#include <stdint.h>

#include "kernels/table.h"

namespace jiang::kernels {

// Both factors are packed into tiles of 16 lines by 32 k, 1 KiB each; a line is a row of the left
// factor or a column of the right one. A left tile is [line][k], a right tile [k / 2][line][2]:
// what AMX and VDPBF16PS read as they lie. Lines and k that are missing at the end are zeros.
constexpr int64_t kBf16Lines = 16;
constexpr int64_t kBf16Depth = 32;
constexpr int64_t kBf16Tile = kBf16Lines * kBf16Depth;  // numbers

// C (m, n) = or += A (m, k) B (k, n).
//
// A sum starts from C where `resume`, else from 0, and takes k in order, so slices of whole tiles
// change no bit, nor does the place of an element. Within a pair of k, the odd one is added first,
// each with one rounding (scalar, avx2, avx512_bf16: the same bits but for numbers below 2^-126,
// which the instructions take for 0). AMX sums the even and the odd k of a tile apart from 0, adds
// the two, and adds that to C. So levels differ by at most 2 k 2^-24 sum |a b|, and 2^-126 k.
struct Bf16Product {
  float* c;
  int64_t c_stride;
  const uint16_t* a;  // panels of 16 lines, each of consecutive tiles; 64-byte aligned
  int64_t a_panel;    // numbers from one panel to the next
  const uint16_t* b;
  int64_t b_panel;
  int64_t m, n;
  int64_t k_tiles;
  bool resume;
};

// Packs one tile: numbers are rounded to the nearest, ties to even; what is below 2^-126 is 0.
// n_lines <= 16, n_k <= 32.
typedef void (*PackBf16Tile)(uint16_t* tile, const float* x, int64_t stride, int64_t n_lines,
                             int64_t n_k);

struct Bf16Table {
  const char* name;  // of the instructions that multiply
  bool is_native;    // the CPU has instructions for it
  // Training with it was measured to be faster than with f32.
  bool is_faster;
  // Element (line, k) lies at x[line * stride + k] ("along"), or at x[k * stride + line]
  // ("across").
  PackBf16Tile left_along, left_across;
  PackBf16Tile right_along, right_across;
  void (*multiply)(const Bf16Product* product);
  // n rounds of independent products in registers, as `multiply` has them: the limit that
  // benchmarks compare with. Returns how many multiply-accumulates these were.
  int64_t (*rounds)(int64_t n);
};

// Of the level that was chosen for everything else, and of a level; nullptr: this CPU lacks it.
// AVX512_BF16 and AMX-BF16 come with most CPUs of the levels avx512_vnni and amx, not with all: one
// without them has the entries of the level below.
const Bf16Table& bf16_table();
const Bf16Table* bf16_table_of(Level level);

}  // namespace jiang::kernels
