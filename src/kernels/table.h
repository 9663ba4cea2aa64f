// The kernels of one ISA level, as function pointers. table() is the best that this CPU can run:
// scalar <- avx2 <- avx512 <- avx512_vnni <- amx, each overlaying the entries that it has; avx_vnni
// overlays avx2 and nothing overlays it. JIANG_ISA=scalar|avx2|avxvnni|avx512|amx lowers it.
//
// Contract of a kernel: raw pointers and sizes, no allocation, no threads, no errors; it asserts
// its preconditions. Files in an ISA folder include <immintrin.h>, C headers, this and other plain
// data headers; their helpers are static (tools/check_isa_objects.sh).
#pragma once

#include <stdint.h>

#include "kernels/packed.h"
#include "kernels/rows.h"

namespace jiang::kernels {

// (n_tokens, n_rows) of out = x W^T: a tile of activations against consecutive panels. Long rows
// may be cut into slices of k so that the activations stay in L1; the sums are the same to the bit.
struct MatmulTile {
  float* out;  // out[t * out_stride + r]
  int64_t out_stride;
  const void*
      x;  // integer kinds: ActivationBlock (cols / 32, n_tokens); float kinds: (cols, n_tokens)
  const void* panels;      // the first panel, at the first k; 64-byte aligned
  int64_t panel_bytes;     // from one panel to the next
  int64_t cols;            // k of this call: all, or a slice of whole groups
  int64_t n_rows;          // of these panels; the last panel may have fewer than 16
  int32_t n_tokens;        // 1..16; for matmul_tiles a multiple of 16
  bool resume;             // go on from the sums in `out`: a later slice of k
  int64_t tile_bytes = 0;  // matmul_tiles: of x, from one tile of 16 tokens to the next
};
typedef void (*MatmulKernel)(const MatmulTile* tile);

// One entry per verb; nullptr: the level below serves. Every entry of the scalar table is set,
// except matmul_tiles, which is for levels that gain from seeing many tokens at once.
//
// Integer kinds, at every level and for every n_tokens, and thus to the same bits:
//   for each block, for each of its scales (one or two): S = exact integer dot product,
//   acc = fma(float(S) * x.scale, d, acc), and with minimum acc = fma(x.sum, m, acc).
// Float kinds: acc = fma(w[k], x[k], acc) for k = 0, 1, 2 ... (scalar x86: mul, then add).
struct Table {
  MatmulKernel matmul[kPackedCount];             // by Packed
  MatmulKernel matmul_tiles[kPackedCount] = {};  // the same for several full tiles of tokens

  // x (cols) of one token -> blocks[b * stride], b < cols / 32.
  void (*quantize)(ActivationBlock* blocks, int64_t stride, const float* x, int64_t cols);

  // What the machine can do at best, for benchmarks to compare with (ops/probes.h).
  // Reads n bytes, a multiple of 1024, and returns something of them.
  uint64_t (*read_bytes)(const void* from, int64_t n);
  // n rounds of independent dot products in registers, by the instructions that matmul uses;
  // returns how many multiply-accumulates these were.
  int64_t (*dot_rounds)(int64_t n);
};

enum class Level : uint8_t {
  scalar,
  avx2,         // AVX2 FMA F16C: Haswell 2013, Zen 2017
  avx_vnni,     // + AVX-VNNI: Alder Lake 2021; a CPU with AVX-512 may lack it
  avx512,       // avx2 + AVX-512 F BW VL DQ: Skylake-X 2017
  avx512_vnni,  // + VNNI: Cascade Lake 2019, Ice Lake 2019, Zen 4 2022
  amx,          // + AMX-INT8 of Linux 5.16: Sapphire Rapids 2023
};
constexpr int kLevelCount = 6;

// Chosen once, at the first call: the CPU's best, lowered by JIANG_ISA.
const Table& table();
const RowTable& row_table();
Level level();
// "scalar", "avx2", "avxvnni", "avx512" or "amx", as JIANG_ISA spells it.
const char* level_name(Level level);
// What is wrong with JIANG_ISA, as a sentence for main to print, or nullptr. With an error the
// table is the CPU's best.
const char* isa_error();
// The overlaid table of a level, or nullptr if this CPU (or build) lacks it: tests, probes, doctor.
const Table* table_of(Level level);
const RowTable* row_table_of(Level level);

}  // namespace jiang::kernels
