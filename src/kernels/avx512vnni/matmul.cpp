// Integer matmuls with VNNI: 16 rows in the lanes of a register, up to 16 tokens at once.
//
// Per block of 32 k the codes of 16 rows are unpacked into 8 registers once; each token then costs
// 8 dot products whose other operand is 4 activations broadcast from memory, one conversion, one
// multiplication and one or two fmas. With 16 tokens: 8 + 16 + a few registers of 32.

#include <assert.h>
#include <immintrin.h>

#include "kernels/avx512vnni/codes.h"
#include "kernels/indices.h"
#include "kernels/table.h"

namespace jiang::kernels {
namespace {

typedef int32_t __attribute__((may_alias)) aliasing_int;

// acc[lane] += sum over j < 4 of w[lane][j] * a[j]. Written as assembly because GCC 12 moves the
// accumulators of _mm512_dpbusd_epi32 through the stack.
JIANG_INLINE void dot(__m512i& acc, __m512i w, const int8_t* a) {
  __asm__("vpdpbusd %2%{1to16%}, %1, %0"
          : "+v"(acc)
          : "v"(w), "m"(*reinterpret_cast<const aliasing_int*>(a)));
}

// acc += the dot products of registers of codes with consecutive activations
template <int... s>
JIANG_INLINE void dots(__m512i& acc, const __m512i* w, const int8_t* a, Indices<s...>) {
  (dot(acc, w[s], a + 4 * s), ...);
}

// acc = fma(float(sums) * scale, d, acc)
JIANG_INLINE void accumulate(__m512& acc, __m512i sums, float scale, __m512 d) {
  acc = _mm512_fmadd_ps(_mm512_mul_ps(_mm512_cvtepi32_ps(sums), _mm512_set1_ps(scale)), d, acc);
}

// One block of 16 rows against one token. Two independent sums, because a chain of eight dot
// products waits for itself; they are integers, so their order does not matter.
template <Packed kind>
JIANG_INLINE void multiply(__m512& acc, const __m512i (&w)[8], const BlockScales& scales,
                           const ActivationBlock* x) {
  constexpr Scales form = scales_of(kind);
  if constexpr (form == Scales::k16 || form == Scales::k16_min) {
    constexpr bool has_min = form == Scales::k16_min;
    __m512i low = has_min ? _mm512_setzero_si512() : _mm512_set1_epi32(x->minus_32_lo);
    __m512i high = has_min ? _mm512_setzero_si512() : _mm512_set1_epi32(x->minus_32_hi);
    dots(low, w, x->q, Four());
    dots(high, w + 4, x->q + 16, Four());
    accumulate(acc, low, x->scale, scales.d[0]);
    if constexpr (has_min) acc = _mm512_fnmadd_ps(_mm512_set1_ps(x->sum_lo), scales.m[0], acc);
    accumulate(acc, high, x->scale, scales.d[1]);
    if constexpr (has_min) acc = _mm512_fnmadd_ps(_mm512_set1_ps(x->sum_hi), scales.m[1], acc);
  } else {
    constexpr bool has_offset_128 = kind == Packed::q8_0 || kind == Packed::iq4_nl ||
                                    kind == Packed::iq4_xs || kind == Packed::mxfp4;
    __m512i sums = _mm512_setzero_si512();
    if constexpr (kind == Packed::q4_0) sums = _mm512_set1_epi32(x->minus_8);
    if constexpr (has_offset_128) sums = _mm512_set1_epi32(x->minus_128);
    __m512i more = _mm512_setzero_si512();
    dots(sums, w, x->q, Four());
    dots(more, w + 4, x->q + 16, Four());
    sums = _mm512_add_epi32(sums, more);
    accumulate(acc, sums, x->scale, scales.d[0]);
    if constexpr (form == Scales::f16_min)
      acc = _mm512_fmadd_ps(_mm512_set1_ps(x->sum), scales.m[0], acc);
    if constexpr (form == Scales::k32_min)
      acc = _mm512_fnmadd_ps(_mm512_set1_ps(x->sum), scales.m[0], acc);
  }
}

// Weights are asked for this far ahead: the hardware prefetcher alone leaves a fifth of the memory
// bandwidth unused.
constexpr int64_t kPrefetch = 8192;

template <int... line>
JIANG_INLINE void prefetch(const uint8_t* from, Indices<line...>) {
  (_mm_prefetch(reinterpret_cast<const char*>(from) + line * kLineBytes, _MM_HINT_T0), ...);
}

// Tokens x[t] of every row of `stride` tokens, against one panel.
template <Packed kind, int... t>
JIANG_INLINE void multiply_panel(const MatmulTile* tile, const uint8_t* from, float* out,
                                 const ActivationBlock* x, __mmask16 rows, Indices<t...>) {
  constexpr int n_tokens = sizeof...(t);
  const int64_t n_blocks = tile->cols / kBlock, stride = tile->n_tokens;
  __m512 acc[n_tokens];
  ((acc[t] = tile->resume ? _mm512_maskz_loadu_ps(rows, out + t * tile->out_stride)
                          : _mm512_setzero_ps()),
   ...);
  for (int64_t first = 0; first < n_blocks; first += kGroupBlocks) {
    const int64_t left = n_blocks - first;
    const int n = left < kGroupBlocks ? static_cast<int>(left) : kGroupBlocks;
    const uint8_t* header = from;
    from += header_bytes(scales_of(kind), n);
    prefetch(
        header + kPrefetch,
        typename MakeIndices<header_bytes(scales_of(kind), kGroupBlocks) / kLineBytes>::type());
    for (int b = 0; b < n; ++b, from += code_lines(kind) * kLineBytes, x += stride) {
      prefetch(from + kPrefetch, typename MakeIndices<code_lines(kind)>::type());
      __m512i w[8];
      BlockScales scales;
      unpack<kind>(w, from, Eight(), Four());
      load_scales<kind>(scales, header, b);
      (multiply<kind>(acc[t], w, scales, x + t), ...);
    }
  }
  (_mm512_mask_storeu_ps(out + t * tile->out_stride, rows, acc[t]), ...);
}

template <Packed kind, int n_tokens>
__attribute__((noinline)) void multiply_tokens(const MatmulTile* tile, const uint8_t* panel,
                                               int64_t row, int first) {
  const int64_t left = tile->n_rows - row;
  const auto rows = static_cast<__mmask16>(left >= kPanelRows ? 0xffff : (1 << left) - 1);
  multiply_panel<kind>(tile, panel, tile->out + first * tile->out_stride + row,
                       static_cast<const ActivationBlock*>(tile->x) + first, rows,
                       typename MakeIndices<n_tokens>::type());
}

template <Packed kind>
void matmul(const MatmulTile* tile) {
  assert(tile->cols % kBlock == 0 && reinterpret_cast<uintptr_t>(tile->panels) % kLineBytes == 0);
  const auto* panel = static_cast<const uint8_t*>(tile->panels);
  for (int64_t row = 0; row < tile->n_rows; row += kPanelRows, panel += tile->panel_bytes) {
    int t = 0;
    const int n = tile->n_tokens;
    for (; n - t >= 16; t += 16) multiply_tokens<kind, 16>(tile, panel, row, t);
    for (; n - t >= 8; t += 8) multiply_tokens<kind, 8>(tile, panel, row, t);
    for (; n - t >= 4; t += 4) multiply_tokens<kind, 4>(tile, panel, row, t);
    for (; n - t >= 2; t += 2) multiply_tokens<kind, 2>(tile, panel, row, t);
    for (; n - t >= 1; t += 1) multiply_tokens<kind, 1>(tile, panel, row, t);
  }
}

// Twelve independent sums: more than latency times throughput of any CPU so far.
int64_t dot_rounds(int64_t n) {
  for (int64_t i = 0; i < n; ++i) {
    __asm__ volatile(
        "vpdpbusd %%zmm0, %%zmm0, %%zmm1\n vpdpbusd %%zmm0, %%zmm0, %%zmm2\n"
        "vpdpbusd %%zmm0, %%zmm0, %%zmm3\n vpdpbusd %%zmm0, %%zmm0, %%zmm4\n"
        "vpdpbusd %%zmm0, %%zmm0, %%zmm5\n vpdpbusd %%zmm0, %%zmm0, %%zmm6\n"
        "vpdpbusd %%zmm0, %%zmm0, %%zmm7\n vpdpbusd %%zmm0, %%zmm0, %%zmm8\n"
        "vpdpbusd %%zmm0, %%zmm0, %%zmm9\n vpdpbusd %%zmm0, %%zmm0, %%zmm10\n"
        "vpdpbusd %%zmm0, %%zmm0, %%zmm11\n vpdpbusd %%zmm0, %%zmm0, %%zmm12\n"
        :
        :
        : "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11",
          "xmm12");
  }
  return n * 12 * 64;
}

}  // namespace

extern const Table kAvx512Vnni = {
    .matmul =
        {
            nullptr,
            nullptr,
            nullptr,
            matmul<Packed::q4_0>,
            matmul<Packed::q4_1>,
            matmul<Packed::iq4_nl>,
            matmul<Packed::mxfp4>,
            matmul<Packed::q4_k>,
            matmul<Packed::iq4_xs>,
            matmul<Packed::q6_k>,
            matmul<Packed::q8_0>,
            matmul<Packed::q5_1>,
            matmul<Packed::q5_k>,
            matmul<Packed::q3_k>,
            matmul<Packed::q2_k>,
        },
    .quantize = nullptr,
    .read_bytes = nullptr,
    .dot_rounds = dot_rounds,
};

}  // namespace jiang::kernels
