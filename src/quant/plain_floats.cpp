// f32, f16, bf16: no blocks, no search. Pointers may be unaligned: they come from mapped files.
#include <cstring>

#include "quant/codecs.h"
#include "quant/float16.h"

namespace jiang {
namespace {

template <float (*Widen)(uint16_t)>
void widen(float* out, const void* in, int64_t n) {
  const auto* bytes = static_cast<const unsigned char*>(in);
  for (int64_t i = 0; i < n; ++i) {
    uint16_t bits = 0;
    std::memcpy(&bits, bytes + 2 * i, 2);
    out[i] = Widen(bits);
  }
}

template <uint16_t (*Narrow)(float)>
void narrow(void* out, const float* x, int64_t n) {
  auto* bytes = static_cast<unsigned char*>(out);
  for (int64_t i = 0; i < n; ++i) {
    const uint16_t bits = Narrow(x[i]);
    std::memcpy(bytes + 2 * i, &bits, 2);
  }
}

}  // namespace

void dequantize_f32(float* out, const void* in, int64_t n) {
  if (n) std::memcpy(out, in, static_cast<size_t>(n) * sizeof(float));
}
void dequantize_f16(float* out, const void* in, int64_t n) { widen<f16_to_f32>(out, in, n); }
void dequantize_bf16(float* out, const void* in, int64_t n) { widen<bf16_to_f32>(out, in, n); }

void quantize_f32(void* out, const float* x, int64_t n, const float*) {
  if (n) std::memcpy(out, x, static_cast<size_t>(n) * sizeof(float));
}
void quantize_f16(void* out, const float* x, int64_t n, const float*) {
  narrow<f32_to_f16>(out, x, n);
}
void quantize_bf16(void* out, const float* x, int64_t n, const float*) {
  narrow<f32_to_bf16>(out, x, n);
}

}  // namespace jiang
