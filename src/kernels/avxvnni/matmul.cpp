// Integer matmuls with AVX-VNNI: vpdpbusd adds four products of unsigned codes and signed
// activations to a 32-bit sum, exactly. A panel of 16 rows is two halves of 8.
//
// Its VEX form takes no broadcast from memory: four activations are broadcast to a register and
// meet both halves, and up to four tokens share the unpacked codes. 2 x 4 sums, two registers of
// codes, their lines, the activations and a mask or two fit into the 16 registers; f32 sums for
// which the compiler finds none are in L1. One or two tokens have two sums for each half of a
// block, because a chain of eight dot products waits for itself; they are integers, so their order
// does not matter.
#include <assert.h>
#include <immintrin.h>

#include "kernels/avx2/codes.h"
#include "kernels/avx2/rest.h"
#include "kernels/indices.h"
#include "kernels/table.h"

namespace jiang::kernels {
namespace {

typedef int32_t __attribute__((may_alias)) aliasing_int;

// sum[lane] += sum over j < 4 of w[lane][j] * a[lane][j]. Written as assembly because GCC 12 moves
// the sums of Q6_K through the stack if given _mm256_dpbusd_avx_epi32.
JIANG_INLINE void dot(__m256i& sum, __m256i w, __m256i a) {
  __asm__("%{vex%} vpdpbusd %2, %1, %0" : "+x"(sum) : "x"(w), "x"(a));
}

// low, high += products of a step with four activations of one token.
JIANG_INLINE void add_token(__m256i& low, __m256i& high, const __m256i (&w)[2], const int8_t* q) {
  const __m256i a = _mm256_set1_epi32(*reinterpret_cast<const aliasing_int*>(q));
  dot(low, w[0], a);
  dot(high, w[1], a);
}

// sums[i] += products of step s with token i % n, in half i / n.
template <Packed kind, int n, int s, int... t>
JIANG_INLINE void add_step(__m256i (&sums)[2 * n], const uint8_t* codes, const ActivationBlock* x,
                           Indices<t...>) {
  const __m256i w[2] = {unpack<kind, Codes::as_unsigned, s>(codes, 0),
                        unpack<kind, Codes::as_unsigned, s>(codes, 1)};
  (add_token(sums[t], sums[n + t], w, x[t].q + 4 * s), ...);
}

// The same for steps first .. first + sizeof...(s) - 1.
template <Packed kind, int n, int first, int... s>
JIANG_INLINE void add_steps(__m256i (&sums)[2 * n], const uint8_t* codes, const ActivationBlock* x,
                            Indices<s...>) {
  (add_step<kind, n, first + s>(sums, codes, x, typename MakeIndices<n>::type()), ...);
}

static constexpr bool has_two_scales(Packed kind) {
  return scales_of(kind) == Scales::k16 || scales_of(kind) == Scales::k16_min;
}

// What the sums of scale j of a block begin with: codes are unsigned, their offset is taken back
// here.
template <Packed kind, int j>
JIANG_INLINE __m256i first_sum(const ActivationBlock& x) {
  if constexpr (kind == Packed::q4_0) return _mm256_set1_epi32(x.minus_8);
  if constexpr (is_signed(kind)) return _mm256_set1_epi32(x.minus_128);
  if constexpr (scales_of(kind) == Scales::k16)
    return _mm256_set1_epi32(j == 0 ? x.minus_32_lo : x.minus_32_hi);
  return _mm256_setzero_si256();
}

// acc = fma(float(sums) * scale, d, acc), and the minimum, for scale j of a block.
template <Packed kind, int j>
JIANG_INLINE void accumulate(__m256& acc, __m256i sums, const ActivationBlock& x,
                             const HalfScales& scales) {
  constexpr Scales form = scales_of(kind);
  const __m256 product = _mm256_mul_ps(_mm256_cvtepi32_ps(sums), _mm256_set1_ps(x.scale));
  __m256 out = _mm256_fmadd_ps(product, scales.d[j], acc);
  if constexpr (form == Scales::f16_min)
    out = _mm256_fmadd_ps(_mm256_set1_ps(x.sum), scales.m[0], out);
  if constexpr (form == Scales::k32_min)
    out = _mm256_fnmadd_ps(_mm256_set1_ps(x.sum), scales.m[0], out);
  if constexpr (form == Scales::k16_min)
    out = _mm256_fnmadd_ps(_mm256_set1_ps(j == 0 ? x.sum_lo : x.sum_hi), scales.m[j], out);
  acc = out;
}

// Both halves of a token together, so that its scale is broadcast once and is not kept.
template <Packed kind, int n, int j, int... t>
JIANG_INLINE void accumulate_all(__m256 (&acc)[2 * n], const __m256i (&sums)[2 * n],
                                 const ActivationBlock* x, const uint8_t* header, int b,
                                 Indices<t...>) {
  HalfScales scales[2];
  load_scales<kind>(scales[0], header, b, 0);
  load_scales<kind>(scales[1], header, b, 1);
  ((accumulate<kind, j>(acc[t], sums[t], x[t], scales[0]),
    accumulate<kind, j>(acc[n + t], sums[n + t], x[t], scales[1])),
   ...);
}

// One block of a panel against n tokens; i counts (half, token).
template <Packed kind, int n, int... i>
JIANG_INLINE void multiply_block(__m256 (&acc)[2 * n], const uint8_t* codes, const uint8_t* header,
                                 int b, const ActivationBlock* x, Indices<i...>) {
  constexpr typename MakeIndices<n>::type tokens;
  __m256i sums[2 * n] = {first_sum<kind, 0>(x[i % n])...};
  if constexpr (has_two_scales(kind)) {
    add_steps<kind, n, 0>(sums, codes, x, Four());
    accumulate_all<kind, n, 0>(acc, sums, x, header, b, tokens);
    // Without this GCC 12 converts the other scales already, to keep them on the stack.
    __asm__("" : "+r"(header));
    ((sums[i] = first_sum<kind, 1>(x[i % n])), ...);
    add_steps<kind, n, 4>(sums, codes, x, Four());
    accumulate_all<kind, n, 1>(acc, sums, x, header, b, tokens);
    return;
  }
  if constexpr (n <= 2) {
    __m256i more[2 * n];
    ((more[i] = _mm256_setzero_si256()), ...);
    add_steps<kind, n, 0>(sums, codes, x, Four());
    add_steps<kind, n, 4>(more, codes, x, Four());
    ((sums[i] = _mm256_add_epi32(sums[i], more[i])), ...);
  } else {
    add_steps<kind, n, 0>(sums, codes, x, Eight());
  }
  accumulate_all<kind, n, 0>(acc, sums, x, header, b, tokens);
}

// Tokens first .. first + n - 1 against a panel.
template <Packed kind, int n, int... i>
JIANG_INLINE void multiply_panel(const MatmulTile* tile, const uint8_t* from, float* out,
                                 const ActivationBlock* x, Indices<i...> all) {
  const int64_t n_blocks = tile->cols / kBlock, stride = tile->n_tokens;
  __m256 acc[2 * n];
  ((acc[i] = tile->resume ? _mm256_loadu_ps(out + i % n * tile->out_stride + i / n * 8)
                          : _mm256_setzero_ps()),
   ...);
  for (int64_t first = 0; first < n_blocks; first += kGroupBlocks) {
    const int64_t left = n_blocks - first;
    const int n_here = left < kGroupBlocks ? static_cast<int>(left) : kGroupBlocks;
    const uint8_t* header = from;
    from += header_bytes(scales_of(kind), n_here);
    for (int b = 0; b < n_here; ++b, from += code_lines(kind) * kLineBytes, x += stride) {
      for (int line = 0; line < code_lines(kind); ++line) {
        _mm_prefetch(reinterpret_cast<const char*>(from) + 8192 + line * kLineBytes, _MM_HINT_T0);
      }
      multiply_block<kind, n>(acc, from, header, b, x, all);
    }
  }
  (_mm256_storeu_ps(out + i % n * tile->out_stride + i / n * 8, acc[i]), ...);
}

template <Packed kind, int n>
__attribute__((noinline)) void multiply_tokens(const MatmulTile* tile, const uint8_t* panel,
                                               float* out, int first) {
  multiply_panel<kind, n>(tile, panel, out + first * tile->out_stride,
                          static_cast<const ActivationBlock*>(tile->x) + first,
                          typename MakeIndices<2 * n>::type());
}

template <Packed kind>
void multiply_one_panel(const MatmulTile* tile, const uint8_t* panel, float* out) {
  int t = 0;
  const int n = tile->n_tokens;
  for (; n - t >= 4; t += 4) multiply_tokens<kind, 4>(tile, panel, out, t);
  if (n - t == 3) return multiply_tokens<kind, 3>(tile, panel, out, t);
  if (n - t == 2) return multiply_tokens<kind, 2>(tile, panel, out, t);
  if (n - t == 1) return multiply_tokens<kind, 1>(tile, panel, out, t);
}

template <Packed kind>
void matmul(const MatmulTile* tile) {
  assert(tile->cols % kBlock == 0 && reinterpret_cast<uintptr_t>(tile->panels) % kLineBytes == 0);
  multiply_panels<multiply_one_panel<kind>>(tile, static_cast<const uint8_t*>(tile->panels), 0);
}

// Twelve independent sums: more than latency times throughput of any CPU so far.
int64_t dot_rounds(int64_t n) {
  for (int64_t i = 0; i < n; ++i) {
    __asm__ volatile(
        "%{vex%} vpdpbusd %%ymm0, %%ymm0, %%ymm1\n %{vex%} vpdpbusd %%ymm0, %%ymm0, %%ymm2\n"
        "%{vex%} vpdpbusd %%ymm0, %%ymm0, %%ymm3\n %{vex%} vpdpbusd %%ymm0, %%ymm0, %%ymm4\n"
        "%{vex%} vpdpbusd %%ymm0, %%ymm0, %%ymm5\n %{vex%} vpdpbusd %%ymm0, %%ymm0, %%ymm6\n"
        "%{vex%} vpdpbusd %%ymm0, %%ymm0, %%ymm7\n %{vex%} vpdpbusd %%ymm0, %%ymm0, %%ymm8\n"
        "%{vex%} vpdpbusd %%ymm0, %%ymm0, %%ymm9\n %{vex%} vpdpbusd %%ymm0, %%ymm0, %%ymm10\n"
        "%{vex%} vpdpbusd %%ymm0, %%ymm0, %%ymm11\n %{vex%} vpdpbusd %%ymm0, %%ymm0, %%ymm12\n"
        :
        :
        : "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11",
          "xmm12");
  }
  return n * 12 * 32;
}

}  // namespace

extern const Table kAvxVnni = {
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
