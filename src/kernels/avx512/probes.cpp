// What the machine can do at best with this level's instructions.
#include <immintrin.h>

#include "kernels/avx512/entries.h"

namespace jiang::kernels {

uint64_t read_bytes_avx512(const void* from, int64_t n) {
  const auto* at = static_cast<const char*>(from);
  __m512i a = _mm512_setzero_si512(), b = a, c = a, d = a;
  for (int64_t i = 0; i < n; i += 256) {
    _mm_prefetch(at + i + 4096, _MM_HINT_T0);
    _mm_prefetch(at + i + 4160, _MM_HINT_T0);
    _mm_prefetch(at + i + 4224, _MM_HINT_T0);
    _mm_prefetch(at + i + 4288, _MM_HINT_T0);
    a = _mm512_xor_si512(a, _mm512_load_si512(reinterpret_cast<const __m512i*>(at + i + 0)));
    b = _mm512_xor_si512(b, _mm512_load_si512(reinterpret_cast<const __m512i*>(at + i + 64)));
    c = _mm512_xor_si512(c, _mm512_load_si512(reinterpret_cast<const __m512i*>(at + i + 128)));
    d = _mm512_xor_si512(d, _mm512_load_si512(reinterpret_cast<const __m512i*>(at + i + 192)));
  }
  a = _mm512_xor_si512(_mm512_xor_si512(a, b), _mm512_xor_si512(c, d));
  return static_cast<uint64_t>(_mm_cvtsi128_si64(_mm512_castsi512_si128(a)));
}

}  // namespace jiang::kernels
