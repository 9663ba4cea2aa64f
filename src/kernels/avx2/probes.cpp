// What the machine can do at best with this level's instructions.
#include <immintrin.h>

#include "kernels/avx2/entries.h"

namespace jiang::kernels {

uint64_t read_bytes_avx2(const void* from, int64_t n) {
  const auto* at = static_cast<const char*>(from);
  __m256i a = _mm256_setzero_si256(), b = a, c = a, d = a;
  for (int64_t i = 0; i < n; i += 128) {
    _mm_prefetch(at + i + 4096, _MM_HINT_T0);
    _mm_prefetch(at + i + 4160, _MM_HINT_T0);
    a = _mm256_xor_si256(a, _mm256_load_si256(reinterpret_cast<const __m256i*>(at + i + 0)));
    b = _mm256_xor_si256(b, _mm256_load_si256(reinterpret_cast<const __m256i*>(at + i + 32)));
    c = _mm256_xor_si256(c, _mm256_load_si256(reinterpret_cast<const __m256i*>(at + i + 64)));
    d = _mm256_xor_si256(d, _mm256_load_si256(reinterpret_cast<const __m256i*>(at + i + 96)));
  }
  a = _mm256_xor_si256(_mm256_xor_si256(a, b), _mm256_xor_si256(c, d));
  return static_cast<uint64_t>(_mm_cvtsi128_si64(_mm256_castsi256_si128(a)));
}

// Pairs of 8-bit products and a 16-bit sum: 32 multiply-accumulates for two instructions. Widening
// to 32 bits comes on top in a matmul; it is not counted against the limit here.
int64_t dot_rounds_avx2(int64_t n) {
  for (int64_t i = 0; i < n; ++i) {
    __asm__ volatile(
        "vpmaddubsw %%ymm0, %%ymm0, %%ymm8\n vpaddw %%ymm8, %%ymm1, %%ymm1\n"
        "vpmaddubsw %%ymm0, %%ymm0, %%ymm9\n vpaddw %%ymm9, %%ymm2, %%ymm2\n"
        "vpmaddubsw %%ymm0, %%ymm0, %%ymm10\n vpaddw %%ymm10, %%ymm3, %%ymm3\n"
        "vpmaddubsw %%ymm0, %%ymm0, %%ymm11\n vpaddw %%ymm11, %%ymm4, %%ymm4\n"
        "vpmaddubsw %%ymm0, %%ymm0, %%ymm12\n vpaddw %%ymm12, %%ymm5, %%ymm5\n"
        "vpmaddubsw %%ymm0, %%ymm0, %%ymm13\n vpaddw %%ymm13, %%ymm6, %%ymm6\n"
        :
        :
        : "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm8", "xmm9", "xmm10", "xmm11", "xmm12",
          "xmm13");
  }
  return n * 6 * 32;
}

}  // namespace jiang::kernels
