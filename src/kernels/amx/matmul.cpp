// Integer matmuls with AMX: tiles of 16 tokens against panels of 16 rows, 32 k at a time.
//
// A panel's codes, as signed bytes, are a B tile as they lie (8 lines of [row][4 k]); a TileBlock's
// are an A tile. TDPBSSD makes the same exact integers as the levels below, which go through the
// same float operations in the same order, so results are the same to the bit (kernels/table.h).
//
// A unit is 16 tokens, two panels and a group of k (or half of one): first all its tiles, then all
// its scaling. The two do not overlap: while tiles are at work, and for about 130 cycles after, a
// core has one port for 512-bit floats in place of two. docs/decisions/0059 has what was measured.
//
// Intel, "Intel AMX" in the Optimization Reference Manual, chapter 20.

#include <assert.h>
#include <immintrin.h>

#include "kernels/avx512vnni/codes.h"
#include "kernels/indices.h"
#include "kernels/table.h"

namespace jiang::kernels {
namespace {

// Two panels share every tile of activations and every scale of a token. The sums of a unit, its
// activations and its codes lie in the first cache together (30 KiB); with four panels they do not.
constexpr int kPair = 2;
// Tokens whose sums are scaled at once: with two panels they fill 16 registers.
constexpr int kHalfTile = kTileTokens / 2;

constexpr bool has_two_scales(Packed kind) {
  return scales_of(kind) == Scales::k16 || scales_of(kind) == Scales::k16_min;
}
constexpr int halves(Packed kind) { return has_two_scales(kind) ? 2 : 1; }
constexpr bool has_min(Packed kind) {
  return scales_of(kind) == Scales::f16_min || scales_of(kind) == Scales::k32_min ||
         scales_of(kind) == Scales::k16_min;
}

// Blocks of a unit: a whole group, or as many as leave no more sums.
constexpr int unit_blocks(Packed kind) { return kGroupBlocks / halves(kind); }

template <Packed kind>
struct alignas(64) UnpackedPanel {
  __m512i codes[unit_blocks(kind)][8];  // signed
  __m512 d[unit_blocks(kind)][halves(kind)];
  __m512 m[has_min(kind) ? unit_blocks(kind) : 1][halves(kind)];
};

typedef int32_t TileSums[kTileTokens][kPanelRows];

template <Packed kind>
struct alignas(4096) Scratch {
  TileSums sums[unit_blocks(kind)][kPair][halves(kind)];
  UnpackedPanel<kind> panels[kPair];
};

// Four tiles of sums (0 to 3) take turns, so that none is stored right after its product; two of
// activations (4 and 5) and two of codes (6 and 7).
struct alignas(64) TileConfig {
  uint8_t palette = 1;
  uint8_t start_row = 0;
  uint8_t reserved[14] = {};
  uint16_t row_bytes[16] = {};
  uint8_t rows[16] = {};
};
static_assert(sizeof(TileConfig) == 64, "");

// Written as assembly because GCC's intrinsics do not tell the compiler which memory they touch.
template <int tile>
JIANG_INLINE void load_tile(const void* from, int64_t stride) {
  __asm__ volatile("tileloadd (%0, %1, 1), %%tmm%c2"
                   :
                   : "r"(from), "r"(stride), "i"(tile)
                   : "memory");
}
template <int tile>
JIANG_INLINE void store_tile(TileSums& to) {
  __asm__ volatile("tilestored %%tmm%c2, (%0, %1, 1)"
                   :
                   : "r"(to), "r"(int64_t{kPanelRows * 4}), "i"(tile)
                   : "memory");
}
// sums = a b of signed bytes
template <int sums, int a, int b>
JIANG_INLINE void multiply_tiles() {
  __asm__ volatile("tilezero %%tmm%c0\n tdpbssd %%tmm%c2, %%tmm%c1, %%tmm%c0"
                   :
                   : "i"(sums), "i"(a), "i"(b));
}

template <Packed kind>
JIANG_INLINE void configure_tiles() {
  TileConfig config;
  for (int tile = 0; tile < 8; ++tile) {
    const bool is_activations = tile == 4 || tile == 5;
    config.row_bytes[tile] = is_activations ? kBlock / halves(kind) : kLineBytes;
    config.rows[tile] = tile < 6 ? kTileTokens : kBlock / halves(kind) / 4;
  }
  __asm__ volatile("ldtilecfg %0" : : "m"(config));
}

template <Packed kind, int... s>
JIANG_INLINE void unpack_signed(__m512i (&to)[8], const uint8_t* codes, Indices<s...>) {
  unpack<kind>(to, codes, Eight(), Four());
  if constexpr (code_offset(kind) > 0) {
    const __m512i offset = _mm512_set1_epi8(static_cast<char>(code_offset(kind)));
    ((to[s] = _mm512_sub_epi8(to[s], offset)), ...);
  }
}

// Blocks [first, first + n) of a group that has `of`, from its header on.
template <Packed kind>
JIANG_INLINE void unpack_blocks(UnpackedPanel<kind>& to, const uint8_t* group, int of, int first,
                                int n) {
  constexpr int kCodeBytes = code_lines(kind) * kLineBytes;
  const uint8_t* codes = group + header_bytes(scales_of(kind), of) + first * kCodeBytes;
  for (int b = 0; b < n; ++b, codes += kCodeBytes) {
    unpack_signed<kind>(to.codes[b], codes, Eight());
    BlockScales scales;
    load_scales<kind>(scales, group, first + b);
    for (int half = 0; half < halves(kind); ++half) {
      to.d[b][half] = scales.d[half];
      if constexpr (has_min(kind)) to.m[b][half] = scales.m[half];
    }
  }
}

// The products of block b stay in tiles until two blocks later (one with two scales); those of the
// block before them, which these tiles hold, are stored.
template <Packed kind, int first>
JIANG_INLINE void multiply_block(Scratch<kind>& scratch, const TileBlock* x, int b) {
  auto& sums = scratch.sums;
  const UnpackedPanel<kind>&p0 = scratch.panels[0], &p1 = scratch.panels[1];
  if constexpr (has_two_scales(kind)) {
    if (b >= 1) store_tile<0>(sums[b - 1][0][0]);
    load_tile<4>(x->q, kBlock);
    load_tile<6>(p0.codes[b], kLineBytes);
    multiply_tiles<0, 4, 6>();
    if (b >= 1) store_tile<1>(sums[b - 1][0][1]);
    load_tile<5>(x->q[0] + kBlock / 2, kBlock);
    load_tile<7>(p0.codes[b] + 4, kLineBytes);
    multiply_tiles<1, 5, 7>();
    if (b >= 1) store_tile<2>(sums[b - 1][1][0]);
    load_tile<6>(p1.codes[b], kLineBytes);
    multiply_tiles<2, 4, 6>();
    if (b >= 1) store_tile<3>(sums[b - 1][1][1]);
    load_tile<7>(p1.codes[b] + 4, kLineBytes);
    multiply_tiles<3, 5, 7>();
  } else {
    constexpr int a = 4 + first / 2;
    if (b >= 2) store_tile<first>(sums[b - 2][0][0]);
    load_tile<a>(x->q, kBlock);
    load_tile<6>(p0.codes[b], kLineBytes);
    multiply_tiles<first, a, 6>();
    if (b >= 2) store_tile<first + 1>(sums[b - 2][1][0]);
    load_tile<7>(p1.codes[b], kLineBytes);
    multiply_tiles<first + 1, a, 7>();
  }
}

// Blocks whose products are still in tiles when the last was multiplied.
constexpr int in_tiles(Packed kind) { return has_two_scales(kind) ? 1 : 2; }

template <Packed kind>
JIANG_INLINE void multiply_blocks(Scratch<kind>& scratch, const TileBlock* x, int b, int end) {
  for (; b < end; ++b) {
    if (b % 2 == 0) multiply_block<kind, 0>(scratch, x + b, b);
    if (b % 2 == 1) multiply_block<kind, 2>(scratch, x + b, b);
  }
}

template <Packed kind>
JIANG_INLINE void store_last_blocks(Scratch<kind>& scratch, int n) {
  auto& sums = scratch.sums;
  if constexpr (has_two_scales(kind)) {
    store_tile<0>(sums[n - 1][0][0]);
    store_tile<1>(sums[n - 1][0][1]);
    store_tile<2>(sums[n - 1][1][0]);
    store_tile<3>(sums[n - 1][1][1]);
  } else {
    const int even = (n - 1) / 2 * 2;
    const int odd = n % 2 == 0 ? n - 1 : n - 2;
    store_tile<0>(sums[even][0][0]);
    store_tile<1>(sums[even][1][0]);
    if (odd < 0) return;
    store_tile<2>(sums[odd][0][0]);
    store_tile<3>(sums[odd][1][0]);
  }
}

// acc = fma(float(sums) * scale, d, acc), and the minimum's part: as avx512_vnni does it.
template <Packed kind>
JIANG_INLINE void add_scaled(__m512& acc, const TileSums (&sums)[halves(kind)], int t, __m512 scale,
                             const UnpackedPanel<kind>& panel, int b, const TileBlock* x) {
  constexpr Scales form = scales_of(kind);
  const auto scaled = [&](int half) {
    return _mm512_mul_ps(_mm512_cvtepi32_ps(_mm512_load_si512(sums[half][t])), scale);
  };
  acc = _mm512_fmadd_ps(scaled(0), panel.d[b][0], acc);
  if constexpr (form == Scales::f16_min)
    acc = _mm512_fmadd_ps(_mm512_set1_ps(x->sum[t]), panel.m[b][0], acc);
  if constexpr (form == Scales::k32_min)
    acc = _mm512_fnmadd_ps(_mm512_set1_ps(x->sum[t]), panel.m[b][0], acc);
  if constexpr (form == Scales::k16_min)
    acc = _mm512_fnmadd_ps(_mm512_set1_ps(x->sum_lo[t]), panel.m[b][0], acc);
  if constexpr (has_two_scales(kind)) acc = _mm512_fmadd_ps(scaled(1), panel.d[b][1], acc);
  if constexpr (form == Scales::k16_min)
    acc = _mm512_fnmadd_ps(_mm512_set1_ps(x->sum_hi[t]), panel.m[b][1], acc);
}

template <Packed kind>
JIANG_INLINE void add_scaled_pair(__m512& acc0, __m512& acc1, const Scratch<kind>& scratch, int t,
                                  int b, const TileBlock* x) {
  const __m512 scale = _mm512_set1_ps(x->scale[t]);
  add_scaled<kind>(acc0, scratch.sums[b][0], t, scale, scratch.panels[0], b, x);
  add_scaled<kind>(acc1, scratch.sums[b][1], t, scale, scratch.panels[1], b, x);
}

// Where a unit's results go.
struct Place {
  float* out;
  int64_t stride;
  __mmask16 rows[kPair];  // of each panel
  bool resume;
};

// Tokens [first, first + 8) of a unit whose sums lie in `scratch`.
template <Packed kind, int... t>
JIANG_INLINE void scale_half(const Place& to, const Scratch<kind>& scratch, const TileBlock* x,
                             int n, int first, Indices<t...>) {
  __m512 acc0[kHalfTile], acc1[kHalfTile];
  float* out = to.out + first * to.stride;
  const auto load = [&](int token, int panel) {
    return to.resume
               ? _mm512_maskz_loadu_ps(to.rows[panel], out + token * to.stride + panel * kPanelRows)
               : _mm512_setzero_ps();
  };
  ((acc0[t] = load(t, 0)), ...);
  ((acc1[t] = load(t, 1)), ...);
  for (int b = 0; b < n; ++b, ++x)
    (add_scaled_pair<kind>(acc0[t], acc1[t], scratch, first + t, b, x), ...);
  (_mm512_mask_storeu_ps(out + t * to.stride, to.rows[0], acc0[t]), ...);
  (_mm512_mask_storeu_ps(out + t * to.stride + kPanelRows, to.rows[1], acc1[t]), ...);
}

// Ends the unit at x, of which the last blocks are still in tiles, and begins the one at `next`, so
// that the products which it has in tiles get done while this one is scaled.
template <Packed kind>
__attribute__((noinline)) void end_unit(const Place& to, Scratch<kind>& scratch, const TileBlock* x,
                                        int n, const TileBlock* next) {
  store_last_blocks<kind>(scratch, n);
  const int begun = n < in_tiles(kind) ? n : in_tiles(kind);
  if (next) multiply_blocks<kind>(scratch, next, 0, begun);
  scale_half<kind>(to, scratch, x, n, 0, Eight());
  scale_half<kind>(to, scratch, x, n, kHalfTile, Eight());
  if (next) multiply_blocks<kind>(scratch, next, begun, n);
}

JIANG_INLINE __mmask16 mask_of(int64_t rows) {
  return static_cast<__mmask16>(rows >= kPanelRows ? 0xffff : rows <= 0 ? 0 : (1 << rows) - 1);
}

// All tokens against the unpacked panels of rows [row, row + 32).
template <Packed kind>
JIANG_INLINE void multiply_pair(const MatmulTile* tile, Scratch<kind>& scratch, int64_t row,
                                int64_t block, int n) {
  const int64_t n_tiles = tile->n_tokens / kTileTokens;
  const auto x_of = [&](int64_t t) {
    return reinterpret_cast<const TileBlock*>(static_cast<const uint8_t*>(tile->x) +
                                              t * tile->tile_bytes) +
           block;
  };
  Place to = {.out = tile->out + row,
              .stride = tile->out_stride,
              .rows = {mask_of(tile->n_rows - row), mask_of(tile->n_rows - row - kPanelRows)},
              .resume = tile->resume || block > 0};
  multiply_blocks<kind>(scratch, x_of(0), 0, n);
  for (int64_t t = 0; t < n_tiles; ++t, to.out += kTileTokens * to.stride)
    end_unit<kind>(to, scratch, x_of(t), n, t + 1 < n_tiles ? x_of(t + 1) : nullptr);
}

// Blocks [block, block + n) of panels [begin, n_panels); n is at most a unit's.
template <Packed kind>
JIANG_INLINE void multiply_group(const MatmulTile* tile, Scratch<kind>& scratch, int64_t begin,
                                 int64_t n_panels, int64_t block, int n) {
  const int64_t first = block / kGroupBlocks * kGroupBlocks;  // of the group
  const int64_t left = tile->cols / kBlock - first;
  const int of = left < kGroupBlocks ? static_cast<int>(left) : kGroupBlocks;
  const auto* group = static_cast<const uint8_t*>(tile->panels) + panel_bytes(kind, first * kBlock);
  const int64_t group_bytes = panel_bytes(kind, int64_t{of} * kBlock);
  for (int64_t panel = begin; panel < n_panels; panel += kPair) {
    for (int p = 0; p < kPair; ++p) {
      // The second of an odd last pair is the first again; nothing of it is stored.
      const int64_t from = panel + p < n_panels ? panel + p : panel;
      unpack_blocks<kind>(scratch.panels[p], group + from * tile->panel_bytes, of,
                          static_cast<int>(block - first), n);
      // A panel's groups lie far apart: the hardware cannot know which is next.
      if (block != first || panel + kPair + p >= n_panels) continue;
      const uint8_t* next = group + (panel + kPair + p) * tile->panel_bytes;
      for (int64_t i = 0; i < group_bytes; i += kLineBytes)
        _mm_prefetch(reinterpret_cast<const char*>(next + i), _MM_HINT_T1);
    }
    multiply_pair<kind>(tile, scratch, panel * kPanelRows, block, n);
  }
}

// Groups of k outside, panels inside: what a group has of the activations meets them all while it
// is in the second cache. Where that cache holds all activations, few panels pass at a time, so
// that their results stay near as well.
constexpr int64_t kNearBytes = 2 << 20;
constexpr int64_t kNearPanels = 4;

template <Packed kind>
void matmul_tiles(const MatmulTile* tile) {
  assert(tile->n_tokens % kTileTokens == 0 && tile->cols % kBlock == 0);
  const int64_t n_blocks = tile->cols / kBlock;
  const int64_t n_panels = (tile->n_rows + kPanelRows - 1) / kPanelRows;
  const int64_t x_bytes = tile->n_tokens / kTileTokens * n_blocks * int64_t{sizeof(TileBlock)};
  const int64_t at_once = x_bytes <= kNearBytes ? kNearPanels : n_panels;
  Scratch<kind> scratch;
  configure_tiles<kind>();
  for (int64_t panel = 0; panel < n_panels; panel += at_once) {
    const int64_t end = panel + at_once < n_panels ? panel + at_once : n_panels;
    for (int64_t block = 0; block < n_blocks; block += unit_blocks(kind)) {
      const int64_t left = n_blocks - block;
      multiply_group<kind>(tile, scratch, panel, end, block,
                           left < unit_blocks(kind) ? static_cast<int>(left) : unit_blocks(kind));
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
