// Integer matmuls with AMX: tiles of 16 tokens against panels of 16 rows, 32 k at a time.
//
// A panel's codes, as signed bytes, are a B tile as they lie (8 lines of [row][4 k]); a tile of
// ActivationBlocks is an A tile as it lies (16 tokens, 64 bytes apart). TDPBSSD makes the same
// exact integers as the levels below, which go through the same float operations in the same order,
// so results are the same to the bit (kernels/table.h). Of a block of 16 x 16 x 32 the dot products
// take 16 cycles, bringing the sums to vector registers and scaling them two or three times that.
//
// Intel, "Intel AMX" in the Optimization Reference Manual, chapter 20.

#include <assert.h>
#include <immintrin.h>

#include "kernels/amx/tiles.h"
#include "kernels/avx512vnni/codes.h"
#include "kernels/indices.h"
#include "kernels/table.h"

namespace jiang::kernels {
namespace {

// Weights of this many panels and one group of k are unpacked at once: 32 KiB of codes, which stay
// near while tiles of activations, 8 KiB each, meet them all. Of 2 to 16 panels this was the best.
constexpr int kPanels = 8;

constexpr bool has_two_scales(Packed kind) {
  return scales_of(kind) == Scales::k16 || scales_of(kind) == Scales::k16_min;
}
constexpr int halves(Packed kind) { return has_two_scales(kind) ? 2 : 1; }

struct alignas(64) UnpackedPanel {
  __m512i codes[kGroupBlocks][8];  // signed
  BlockScales scales[kGroupBlocks];
};

typedef int32_t TileSums[kTileTokens][kPanelRows];

struct alignas(64) Scratch {
  UnpackedPanel panels[kPanels];
  TileSums sums[kGroupBlocks * 2];  // by block, or by half of a block
};

// sums = a b of signed bytes
template <int sums, int a, int b>
JIANG_INLINE void multiply_tiles() {
  __asm__ volatile("tilezero %%tmm%c0\n tdpbssd %%tmm%c2, %%tmm%c1, %%tmm%c0"
                   :
                   : "i"(sums), "i"(a), "i"(b));
}

// Tile registers: sums 0 and 1, activations 2 and 3, codes 4 and 5; odd ones for the second half.
template <Packed kind>
JIANG_INLINE void configure_for() {
  TileConfig config;
  for (int half = 0; half < halves(kind); ++half) {
    config.row_bytes[half] = kPanelRows * 4;
    config.rows[half] = kTileTokens;
    config.row_bytes[2 + half] = kBlock / halves(kind);
    config.rows[2 + half] = kTileTokens;
    config.row_bytes[4 + half] = kLineBytes;
    config.rows[4 + half] = kBlock / halves(kind) / 4;
  }
  configure_tiles(config);
}

template <Packed kind, int... s>
JIANG_INLINE void unpack_signed(__m512i (&to)[8], const uint8_t* codes, Indices<s...>) {
  unpack<kind>(to, codes, Eight(), Four());
  if constexpr (code_offset(kind) > 0) {
    const __m512i offset = _mm512_set1_epi8(static_cast<char>(code_offset(kind)));
    ((to[s] = _mm512_sub_epi8(to[s], offset)), ...);
  }
}

// `n` blocks of a panel, from the group's header on.
template <Packed kind>
JIANG_INLINE void unpack_group(UnpackedPanel& to, const uint8_t* from, int n) {
  const uint8_t* codes = from + header_bytes(scales_of(kind), n);
  for (int b = 0; b < n; ++b, codes += code_lines(kind) * kLineBytes) {
    unpack_signed<kind>(to.codes[b], codes, Eight());
    load_scales<kind>(to.scales[b], from, b);
  }
}

// sums[half] = the dot products of one block: 16 tokens from x on, 16 rows.
template <Packed kind>
JIANG_INLINE void multiply_block(TileSums* sums, const ActivationBlock* x,
                                 const __m512i (&codes)[8]) {
  load_tile<2>(x->q, sizeof(ActivationBlock));
  load_tile<4>(&codes[0], kLineBytes);
  multiply_tiles<0, 2, 4>();
  store_tile<0>(sums[0], kPanelRows * 4);
  if constexpr (has_two_scales(kind)) {
    load_tile<3>(x->q + 16, sizeof(ActivationBlock));
    load_tile<5>(&codes[4], kLineBytes);
    multiply_tiles<1, 3, 5>();
    store_tile<1>(sums[1], kPanelRows * 4);
  }
}

// acc = fma(float(sums) * scale, d, acc), and the minimum's part: as avx512_vnni does it.
template <Packed kind>
JIANG_INLINE void add_scaled(__m512& acc, const TileSums* sums, int t, const BlockScales& scales,
                             const ActivationBlock* x) {
  const auto scaled = [&](int half) {
    return _mm512_mul_ps(_mm512_cvtepi32_ps(_mm512_load_si512(sums[half][t])),
                         _mm512_set1_ps(x->scale));
  };
  acc = _mm512_fmadd_ps(scaled(0), scales.d[0], acc);
  if constexpr (scales_of(kind) == Scales::f16_min)
    acc = _mm512_fmadd_ps(_mm512_set1_ps(x->sum), scales.m[0], acc);
  if constexpr (scales_of(kind) == Scales::k32_min)
    acc = _mm512_fnmadd_ps(_mm512_set1_ps(x->sum), scales.m[0], acc);
  if constexpr (scales_of(kind) == Scales::k16_min)
    acc = _mm512_fnmadd_ps(_mm512_set1_ps(x->sum_lo), scales.m[0], acc);
  if constexpr (has_two_scales(kind)) acc = _mm512_fmadd_ps(scaled(1), scales.d[1], acc);
  if constexpr (scales_of(kind) == Scales::k16_min)
    acc = _mm512_fnmadd_ps(_mm512_set1_ps(x->sum_hi), scales.m[1], acc);
}

// 16 tokens against one panel's `n` blocks; `x` at the first of them. All tiles first and all
// scaling after them was faster than taking turns.
template <Packed kind, int... t>
JIANG_INLINE void multiply_panel(float* out, int64_t stride, __mmask16 rows, bool resume,
                                 const ActivationBlock* x, const UnpackedPanel& panel, int n,
                                 TileSums* sums, Indices<t...>) {
  for (int b = 0; b < n; ++b)
    multiply_block<kind>(sums + b * halves(kind), x + b * kTileTokens, panel.codes[b]);
  __m512 acc[kTileTokens];
  ((acc[t] = resume ? _mm512_maskz_loadu_ps(rows, out + t * stride) : _mm512_setzero_ps()), ...);
  for (int b = 0; b < n; ++b, x += kTileTokens) {
    const BlockScales scales = panel.scales[b];
    (add_scaled<kind>(acc[t], sums + b * halves(kind), t, scales, x + t), ...);
  }
  (_mm512_mask_storeu_ps(out + t * stride, rows, acc[t]), ...);
}

template <Packed kind>
__attribute__((noinline)) void multiply_tile(const MatmulTile* tile, int64_t row, int64_t token,
                                             int64_t block, int n, const UnpackedPanel& panel,
                                             Scratch& scratch) {
  const int64_t left = tile->n_rows - row;
  const auto rows = static_cast<__mmask16>(left >= kPanelRows ? 0xffff : (1 << left) - 1);
  const auto* x = reinterpret_cast<const ActivationBlock*>(static_cast<const uint8_t*>(tile->x) +
                                                           token / kTileTokens * tile->tile_bytes);
  multiply_panel<kind>(tile->out + token * tile->out_stride + row, tile->out_stride, rows,
                       tile->resume || block > 0, x + block * kTileTokens, panel, n, scratch.sums,
                       typename MakeIndices<kTileTokens>::type());
}

template <Packed kind>
void matmul_tiles(const MatmulTile* tile) {
  assert(tile->n_tokens % kTileTokens == 0 && tile->cols % kBlock == 0);
  const int64_t n_blocks = tile->cols / kBlock;
  Scratch scratch;
  configure_for<kind>();
  for (int64_t first = 0; first < tile->n_rows; first += kPanels * kPanelRows) {
    const int64_t left = (tile->n_rows - first + kPanelRows - 1) / kPanelRows;
    const int n_panels = left < kPanels ? static_cast<int>(left) : kPanels;
    const auto* panels =
        static_cast<const uint8_t*>(tile->panels) + first / kPanelRows * tile->panel_bytes;
    for (int64_t block = 0; block < n_blocks; block += kGroupBlocks) {
      const int n =
          n_blocks - block < kGroupBlocks ? static_cast<int>(n_blocks - block) : kGroupBlocks;
      for (int p = 0; p < n_panels; ++p)
        unpack_group<kind>(scratch.panels[p],
                           panels + p * tile->panel_bytes + panel_bytes(kind, block * kBlock), n);
      for (int64_t token = 0; token < tile->n_tokens; token += kTileTokens) {
        for (int p = 0; p < n_panels; ++p)
          multiply_tile<kind>(tile, first + p * kPanelRows, token, block, n, scratch.panels[p],
                              scratch);
      }
    }
  }
  __asm__ volatile("tilerelease");
}

}  // namespace

// Floats, rows and the probe of the machine's rate are those of the level below: no kernel here
// comes near what the tiles could do with nothing to scale.
extern const Table kAmx = {
    .matmul = {},
    .matmul_tiles =
        {
            nullptr,
            nullptr,
            nullptr,
            matmul_tiles<Packed::q4_0>,
            matmul_tiles<Packed::q4_1>,
            matmul_tiles<Packed::iq4_nl>,
            matmul_tiles<Packed::mxfp4>,
            matmul_tiles<Packed::q4_k>,
            matmul_tiles<Packed::iq4_xs>,
            matmul_tiles<Packed::q6_k>,
            matmul_tiles<Packed::q8_0>,
            matmul_tiles<Packed::q5_1>,
            matmul_tiles<Packed::q5_k>,
            matmul_tiles<Packed::q3_k>,
            matmul_tiles<Packed::q2_k>,
        },
    .quantize = nullptr,
    .read_bytes = nullptr,
    .dot_rounds = nullptr,
};

}  // namespace jiang::kernels
