// Integer matmuls without VNNI: vpmaddubsw multiplies unsigned codes by signed activations and adds
// pairs into 16 bits, vpmaddwd adds those pairs into 32. A panel of 16 rows is two halves of 8.
//
// vpmaddubsw saturates at 32767. Activations are within +-127, so a pair of products is at most
// 254 times the largest code, and how many pairs fit before they are widened follows:
//
//   codes 0..15 (4-bit)   3810: all 8 of a block
//   codes 0..31 (5-bit)   7874: 4
//   codes 0..63 (6-bit)  16002: 2
//   signed -128..127     32512: 1, as |code| times the activation with the code's sign
//   signed -12..12        3048: 8 (MXFP4)
//
// A broadcast of four activations meets both halves of the panel, and up to four tokens share the
// unpacked codes: 2 x 4 sums, two registers of codes, their magnitudes, the activations and a
// product fill the 16 registers. The f32 sums stay in L1.
#include <assert.h>
#include <immintrin.h>

#include "kernels/avx2/codes.h"
#include "kernels/avx2/entries.h"
#include "kernels/avx2/rest.h"
#include "kernels/indices.h"

namespace jiang::kernels {
namespace {

// Products of pairs that fit into 16 bits.
static constexpr int pairs_that_fit(Packed kind) {
  if (kind == Packed::mxfp4) return 8;
  if (is_signed(kind)) return 1;
  if (code_lines(kind) == 4) return 8;
  if (kind == Packed::q6_k || kind == Packed::q3_k) return 2;
  return 4;
}

typedef int32_t __attribute__((may_alias)) aliasing_int;

// Four activations in every lane. Written as assembly because GCC 12 loads all activations of a
// block first, and thus through the stack.
JIANG_INLINE __m256i broadcast(const int8_t* a) {
  __m256i out;
  __asm__("vpbroadcastd %1, %0" : "=x"(out) : "m"(*reinterpret_cast<const aliasing_int*>(a)));
  return out;
}

JIANG_INLINE __m256i widen(__m256i pairs) { return _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)); }

// sums + pairs of products of codes and activations, 16 bits each. Written as assembly because GCC
// 12 reorders the additions of a block and keeps all its products on the stack.
JIANG_INLINE __m256i add_pairs(__m256i sums, __m256i w, __m256i a) {
  __m256i pairs;
  __asm__("vpmaddubsw %3, %2, %1\n\tvpaddw %1, %0, %0" : "+x"(sums), "=&x"(pairs) : "x"(w), "x"(a));
  return sums;
}
// The same for signed codes, given their magnitudes; the sign goes to the activation.
JIANG_INLINE __m256i add_signed_pairs(__m256i sums, __m256i w, __m256i magnitude, __m256i a) {
  __m256i pairs;
  __asm__("vpsignb %2, %4, %1\n\tvpmaddubsw %1, %3, %1\n\tvpaddw %1, %0, %0"
          : "+x"(sums), "=&x"(pairs)
          : "x"(w), "x"(magnitude), "x"(a));
  return sums;
}
// One pair of 8-bit signed codes is all that fits: widened at once.
JIANG_INLINE __m256i add_wide_pairs(__m256i sums, __m256i w, __m256i magnitude, __m256i a) {
  __m256i pairs;
  __asm__("vpsignb %2, %4, %1\n\tvpmaddubsw %1, %3, %1\n\tvpmaddwd %5, %1, %1\n\tvpaddd %1, %0, %0"
          : "+x"(sums), "=&x"(pairs)
          : "x"(w), "x"(magnitude), "x"(a), "x"(_mm256_set1_epi16(1)));
  return sums;
}

// Four codes of each of 16 rows: two halves of a panel.
template <Packed kind>
struct StepCodes {
  __m256i w[2];
  __m256i magnitude[2];  // of signed kinds
};

// low, high += products of a step with four activations of one token. `fresh`: the first.
template <Packed kind, bool fresh>
JIANG_INLINE void add_token(__m256i& low, __m256i& high, const StepCodes<kind>& codes,
                            const int8_t* q) {
  const __m256i a = broadcast(q);
  if constexpr (!is_signed(kind)) {
    low = fresh ? _mm256_maddubs_epi16(codes.w[0], a) : add_pairs(low, codes.w[0], a);
    high = fresh ? _mm256_maddubs_epi16(codes.w[1], a) : add_pairs(high, codes.w[1], a);
    return;
  }
  if constexpr (fresh) low = high = _mm256_setzero_si256();
  if constexpr (pairs_that_fit(kind) == 1) {
    low = add_wide_pairs(low, codes.w[0], codes.magnitude[0], a);
    high = add_wide_pairs(high, codes.w[1], codes.magnitude[1], a);
  } else {
    low = add_signed_pairs(low, codes.w[0], codes.magnitude[0], a);
    high = add_signed_pairs(high, codes.w[1], codes.magnitude[1], a);
  }
}

// sums[i] += products of step s with token i % n_tokens, in half i / n_tokens.
template <Packed kind, int n_tokens, int s, bool fresh, int... t>
JIANG_INLINE void add_step(__m256i (&sums)[2 * n_tokens], const uint8_t* codes,
                           const ActivationBlock* x, Indices<t...>) {
  StepCodes<kind> step = {
      {unpack<kind, Codes::as_signed, s>(codes, 0), unpack<kind, Codes::as_signed, s>(codes, 1)},
      {}};
  if constexpr (is_signed(kind)) {
    step.magnitude[0] = _mm256_abs_epi8(step.w[0]);
    step.magnitude[1] = _mm256_abs_epi8(step.w[1]);
  }
  (add_token<kind, fresh>(sums[t], sums[n_tokens + t], step, x[t].q + 4 * s), ...);
}

// Steps first .. first + sizeof...(s) - 1, whose products fit into 16 bits together (signed kinds
// of 8 bits widen at once), as 32-bit sums.
template <Packed kind, int n_tokens, int first, int... s, int... i>
JIANG_INLINE void run_steps(__m256i (&sums)[2 * n_tokens], const uint8_t* codes,
                            const ActivationBlock* x, Indices<s...>, Indices<i...>) {
  (add_step<kind, n_tokens, first + s, s == 0>(sums, codes, x,
                                               typename MakeIndices<n_tokens>::type()),
   ...);
  if constexpr (pairs_that_fit(kind) > 1) ((sums[i] = widen(sums[i])), ...);
}

// The exact dot products of steps first .. first + n_steps - 1.
template <Packed kind, int n_tokens, int first, int n_steps, int... i>
JIANG_INLINE void dot(__m256i (&sums)[2 * n_tokens], const uint8_t* codes, const ActivationBlock* x,
                      Indices<i...> all) {
  constexpr int at_once =
      pairs_that_fit(kind) == 1 || pairs_that_fit(kind) > n_steps ? n_steps : pairs_that_fit(kind);
  run_steps<kind, n_tokens, first>(sums, codes, x, typename MakeIndices<at_once>::type(), all);
  if constexpr (at_once < n_steps) {
    __m256i rest[2 * n_tokens];
    dot<kind, n_tokens, first + at_once, n_steps - at_once>(rest, codes, x, all);
    ((sums[i] = _mm256_add_epi32(sums[i], rest[i])), ...);
  }
}

// acc = fma(float(sums) * scale, d, acc)
JIANG_INLINE void accumulate(float* acc, __m256i sums, float scale, __m256 d) {
  const __m256 product = _mm256_mul_ps(_mm256_cvtepi32_ps(sums), _mm256_set1_ps(scale));
  _mm256_store_ps(acc, _mm256_fmadd_ps(product, d, _mm256_load_ps(acc)));
}

JIANG_INLINE void add(float* acc, float sum, __m256 m) {
  _mm256_store_ps(acc, _mm256_fmadd_ps(_mm256_set1_ps(sum), m, _mm256_load_ps(acc)));
}
JIANG_INLINE void subtract(float* acc, float sum, __m256 m) {
  _mm256_store_ps(acc, _mm256_fnmadd_ps(_mm256_set1_ps(sum), m, _mm256_load_ps(acc)));
}

JIANG_INLINE __m256i plus(__m256i sums, const int32_t& offset) {
  return _mm256_add_epi32(sums, _mm256_set1_epi32(offset));
}

// One block of a panel against n tokens.
template <Packed kind, int n, int... i>
JIANG_INLINE void multiply_block(float (*acc)[8], const uint8_t* codes, const uint8_t* header,
                                 int b, const ActivationBlock* x, Indices<i...> all) {
  constexpr Scales form = scales_of(kind);
  HalfScales scales[2];
  __m256i sums[2 * n];
  if constexpr (form == Scales::k16 || form == Scales::k16_min) {
    constexpr bool has_min = form == Scales::k16_min;
    dot<kind, n, 0, 4>(sums, codes, x, all);
    load_scales<kind>(scales[0], header, b, 0);
    load_scales<kind>(scales[1], header, b, 1);
    if constexpr (!has_min) ((sums[i] = plus(sums[i], x[i % n].minus_32_lo)), ...);
    (accumulate(acc[i], sums[i], x[i % n].scale, scales[i / n].d[0]), ...);
    if constexpr (has_min) (subtract(acc[i], x[i % n].sum_lo, scales[i / n].m[0]), ...);
    dot<kind, n, 4, 4>(sums, codes, x, all);
    if constexpr (!has_min) ((sums[i] = plus(sums[i], x[i % n].minus_32_hi)), ...);
    (accumulate(acc[i], sums[i], x[i % n].scale, scales[i / n].d[1]), ...);
    if constexpr (has_min) (subtract(acc[i], x[i % n].sum_hi, scales[i / n].m[1]), ...);
  } else {
    dot<kind, n, 0, 8>(sums, codes, x, all);
    if constexpr (kind == Packed::q4_0) ((sums[i] = plus(sums[i], x[i % n].minus_8)), ...);
    load_scales<kind>(scales[0], header, b, 0);
    load_scales<kind>(scales[1], header, b, 1);
    (accumulate(acc[i], sums[i], x[i % n].scale, scales[i / n].d[0]), ...);
    if constexpr (form == Scales::f16_min) (add(acc[i], x[i % n].sum, scales[i / n].m[0]), ...);
    if constexpr (form == Scales::k32_min)
      (subtract(acc[i], x[i % n].sum, scales[i / n].m[0]), ...);
  }
}

// Tokens first .. first + n - 1 against a panel; i counts (half, token). The sums in f32 live in
// L1: the registers hold those of a block.
template <Packed kind, int n, int... i>
JIANG_INLINE void multiply_panel(const MatmulTile* tile, const uint8_t* from, float* out,
                                 const ActivationBlock* x, Indices<i...> all) {
  const int64_t n_blocks = tile->cols / kBlock, stride = tile->n_tokens;
  alignas(32) float acc[2 * n][8];
  (_mm256_store_ps(acc[i], tile->resume
                               ? _mm256_loadu_ps(out + i % n * tile->out_stride + i / n * 8)
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
  (_mm256_storeu_ps(out + i % n * tile->out_stride + i / n * 8, _mm256_load_ps(acc[i])), ...);
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
  const int n = tile->n_tokens;
  int t = 0;
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

}  // namespace

void matmul_q4_0_avx2(const MatmulTile* tile) { matmul<Packed::q4_0>(tile); }
void matmul_q4_1_avx2(const MatmulTile* tile) { matmul<Packed::q4_1>(tile); }
void matmul_iq4_nl_avx2(const MatmulTile* tile) { matmul<Packed::iq4_nl>(tile); }
void matmul_mxfp4_avx2(const MatmulTile* tile) { matmul<Packed::mxfp4>(tile); }
void matmul_q4_k_avx2(const MatmulTile* tile) { matmul<Packed::q4_k>(tile); }
void matmul_iq4_xs_avx2(const MatmulTile* tile) { matmul<Packed::iq4_xs>(tile); }
void matmul_q6_k_avx2(const MatmulTile* tile) { matmul<Packed::q6_k>(tile); }
void matmul_q8_0_avx2(const MatmulTile* tile) { matmul<Packed::q8_0>(tile); }
void matmul_q5_1_avx2(const MatmulTile* tile) { matmul<Packed::q5_1>(tile); }
void matmul_q5_k_avx2(const MatmulTile* tile) { matmul<Packed::q5_k>(tile); }
void matmul_q3_k_avx2(const MatmulTile* tile) { matmul<Packed::q3_k>(tile); }
void matmul_q2_k_avx2(const MatmulTile* tile) { matmul<Packed::q2_k>(tile); }

}  // namespace jiang::kernels
