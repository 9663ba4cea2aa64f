// Activations to int8, 32 at a time: the same numbers as the scalar level, to the bit.
#include <immintrin.h>
#include <string.h>

#include "kernels/avx2/entries.h"
#include "kernels/indices.h"

namespace jiang::kernels {
namespace {

JIANG_INLINE __m256i magnitude_of(__m256 x) {
  return _mm256_and_si256(_mm256_castps_si256(x), _mm256_set1_epi32(0x7fffffff));
}

JIANG_INLINE int32_t largest_of(__m256i x) {
  __m128i m = _mm_max_epi32(_mm256_castsi256_si128(x), _mm256_extracti128_si256(x, 1));
  m = _mm_max_epi32(m, _mm_shuffle_epi32(m, 0x4e));
  m = _mm_max_epi32(m, _mm_shuffle_epi32(m, 0xb1));
  return _mm_cvtsi128_si32(m);
}

// 16 floats to int8 in order.
JIANG_INLINE __m128i round_to_int8(__m256 a, __m256 b) {
  const __m256i words =
      _mm256_packs_epi32(_mm256_cvtps_epi32(a), _mm256_cvtps_epi32(b));  // lanes interleaved
  const __m256i ordered = _mm256_permute4x64_epi64(words, 0xd8);
  return _mm_packs_epi16(_mm256_castsi256_si128(ordered), _mm256_extracti128_si256(ordered, 1));
}

// The sum of 16 int8: psadbw adds unsigned bytes, so 128 is added to each and taken off again.
JIANG_INLINE int32_t sum_of(__m128i q) {
  const __m128i sums = _mm_sad_epu8(_mm_xor_si128(q, _mm_set1_epi8(-128)), _mm_setzero_si128());
  return _mm_cvtsi128_si32(sums) + _mm_extract_epi16(sums, 4) - 16 * 128;
}

}  // namespace

void quantize_avx2(ActivationBlock* blocks, int64_t stride, const float* x, int64_t cols) {
  for (int64_t b = 0; b < cols / kBlock; ++b, x += kBlock) {
    ActivationBlock* block = blocks + b * stride;
    const __m256 v0 = _mm256_loadu_ps(x), v1 = _mm256_loadu_ps(x + 8);
    const __m256 v2 = _mm256_loadu_ps(x + 16), v3 = _mm256_loadu_ps(x + 24);
    // Magnitudes compared as integers: infinities and NaNs come out on top.
    const int32_t largest =
        largest_of(_mm256_max_epi32(_mm256_max_epi32(magnitude_of(v0), magnitude_of(v1)),
                                    _mm256_max_epi32(magnitude_of(v2), magnitude_of(v3))));
    float amax;
    memcpy(&amax, &largest, sizeof amax);
    if (largest >= 0x7f800000 || amax < 0x1p-100f) {
      memset(block, 0, sizeof *block);
      if (largest >= 0x7f800000)
        block->scale = block->sum = block->sum_lo = block->sum_hi = __builtin_nanf("");
      continue;
    }
    const __m256 inverse = _mm256_set1_ps(127.0f / amax);
    const __m128i q_lo = round_to_int8(_mm256_mul_ps(v0, inverse), _mm256_mul_ps(v1, inverse));
    const __m128i q_hi = round_to_int8(_mm256_mul_ps(v2, inverse), _mm256_mul_ps(v3, inverse));
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
