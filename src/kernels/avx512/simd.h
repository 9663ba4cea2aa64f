// The vector words of the AVX-512 level, for the bodies in kernels/simd/. Internal linkage only.
#pragma once

#include <immintrin.h>
#include <stdint.h>

// Which of these words a file uses is its own affair.
#pragma GCC diagnostic ignored "-Wunused-function"

namespace jiang::kernels {
namespace {

typedef __m512 F;
enum { kLanes = 16 };

inline F zero() { return _mm512_setzero_ps(); }
inline F set1(float x) { return _mm512_set1_ps(x); }
inline F load(const float* p) { return _mm512_loadu_ps(p); }
inline F load_f16(const uint16_t* p) {
  return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i*)p));
}
inline F load_i8(const int8_t* p) {
  return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128((const __m128i*)p)));
}
inline void store_f16(uint16_t* p, F x) {
  _mm256_storeu_si256((__m256i*)p, _mm512_cvtps_ph(x, _MM_FROUND_TO_NEAREST_INT));
}
inline void store(float* p, F x) { _mm512_storeu_ps(p, x); }
inline F add(F a, F b) { return _mm512_add_ps(a, b); }
inline F sub(F a, F b) { return _mm512_sub_ps(a, b); }
inline F mul(F a, F b) { return _mm512_mul_ps(a, b); }
inline F div(F a, F b) { return _mm512_div_ps(a, b); }
inline F fma(F a, F b, F c) { return _mm512_fmadd_ps(a, b, c); }
inline F fnma(F a, F b, F c) { return _mm512_fnmadd_ps(a, b, c); }
// x86 max and min answer the second operand when one is NaN: x goes second to be kept.
inline F max_keep_nan(F bound, F x) { return _mm512_max_ps(bound, x); }
inline F min_keep_nan(F bound, F x) { return _mm512_min_ps(bound, x); }
inline F round_nearest(F x) {
  return _mm512_roundscale_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}
// x * 2^n for integral n in [-252, 252]
inline F scale_by_power(F x, F n) { return _mm512_scalef_ps(x, n); }
// Lane i is a[i] for first <= i < last, otherwise b[i].
inline F blend_range(F a, F b, int32_t first, int32_t last) {
  first = first < 0 ? 0 : first > kLanes ? kLanes : first;
  last = last < 0 ? 0 : last > kLanes ? kLanes : last;
  const uint32_t bits = ((1u << last) - 1u) & ~((1u << first) - 1u);
  return _mm512_mask_mov_ps(b, (__mmask16)bits, a);
}
inline float reduce_add(F x) {
  const __m256 half = _mm256_add_ps(_mm512_castps512_ps256(x), _mm512_extractf32x8_ps(x, 1));
  const __m128 quarter = _mm_add_ps(_mm256_castps256_ps128(half), _mm256_extractf128_ps(half, 1));
  const __m128 pair = _mm_add_ps(quarter, _mm_movehl_ps(quarter, quarter));
  return _mm_cvtss_f32(_mm_add_ss(pair, _mm_movehdup_ps(pair)));
}
// The largest lane; NaN if any lane is NaN.
inline float reduce_max_keep_nan(F x) {
  if (_mm512_cmp_ps_mask(x, x, _CMP_UNORD_Q)) return __builtin_nanf("");
  const __m256 half = _mm256_max_ps(_mm512_castps512_ps256(x), _mm512_extractf32x8_ps(x, 1));
  const __m128 quarter = _mm_max_ps(_mm256_castps256_ps128(half), _mm256_extractf128_ps(half, 1));
  const __m128 pair = _mm_max_ps(quarter, _mm_movehl_ps(quarter, quarter));
  return _mm_cvtss_f32(_mm_max_ss(pair, _mm_movehdup_ps(pair)));
}

}  // namespace
}  // namespace jiang::kernels
