// Activations to int8, 32 at a time: the same numbers as the scalar level, to the bit.
#include <immintrin.h>
#include <string.h>

#include "kernels/avx512/entries.h"

namespace jiang::kernels {
namespace {

// The sum of 16 int8: psadbw adds unsigned bytes, so 128 is added to each and taken off again.
inline int32_t sum_of(__m128i q) {
  const __m128i sums = _mm_sad_epu8(_mm_xor_si128(q, _mm_set1_epi8(-128)), _mm_setzero_si128());
  return _mm_cvtsi128_si32(sums) + _mm_extract_epi16(sums, 4) - 16 * 128;
}

}  // namespace

void quantize_avx512(ActivationBlock* blocks, int64_t stride, const float* x, int64_t cols) {
  const __m512i magnitude = _mm512_set1_epi32(0x7fffffff);
  for (int64_t b = 0; b < cols / kBlock; ++b, x += kBlock) {
    ActivationBlock* block = blocks + b * stride;
    const __m512 lo = _mm512_loadu_ps(x), hi = _mm512_loadu_ps(x + 16);
    // Magnitudes compared as integers: infinities and NaNs come out on top.
    const int32_t largest = _mm512_reduce_max_epi32(
        _mm512_max_epi32(_mm512_and_si512(_mm512_castps_si512(lo), magnitude),
                         _mm512_and_si512(_mm512_castps_si512(hi), magnitude)));
    float amax;
    memcpy(&amax, &largest, sizeof amax);
    if (largest >= 0x7f800000 || amax < 0x1p-100f) {
      memset(block, 0, sizeof *block);
      if (largest >= 0x7f800000)
        block->scale = block->sum = block->sum_lo = block->sum_hi = __builtin_nanf("");
      continue;
    }
    const __m512 inverse = _mm512_set1_ps(127.0f / amax);
    // vcvtps2dq rounds to nearest, ties to even.
    const __m128i q_lo = _mm512_cvtepi32_epi8(_mm512_cvtps_epi32(_mm512_mul_ps(lo, inverse)));
    const __m128i q_hi = _mm512_cvtepi32_epi8(_mm512_cvtps_epi32(_mm512_mul_ps(hi, inverse)));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(block->q), q_lo);
    _mm_storeu_si128(reinterpret_cast<__m128i*>(block->q + 16), q_hi);
    const int32_t sum_lo = sum_of(q_lo), sum_hi = sum_of(q_hi);
    block->scale = amax / 127.0f;
    block->sum = block->scale * static_cast<float>(sum_lo + sum_hi);
    block->sum_lo = block->scale * static_cast<float>(sum_lo);
    block->sum_hi = block->scale * static_cast<float>(sum_hi);
    block->minus_8 = -8 * (sum_lo + sum_hi);
    block->minus_128 = -128 * (sum_lo + sum_hi);
    block->minus_32_lo = -32 * sum_lo;
    block->minus_32_hi = -32 * sum_hi;
  }
}

}  // namespace jiang::kernels
