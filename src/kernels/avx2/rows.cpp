// The row kernels of the AVX2 level. An empty entry is served by the level below.
#include "kernels/rows.h"
#include "kernels/avx2/simd.h"

#include "kernels/simd/attention.inl"
#include "kernels/simd/rows.inl"

namespace jiang::kernels {
namespace {

void f32_to_f16(uint16_t* out, const float* x, int64_t n) {
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) store_f16(out + i, load(x + i));
  if (i == n) return;
  float pad[kLanes] = {};
  uint16_t bits[kLanes];
  for (int64_t j = i; j < n; ++j) pad[j - i] = x[j];
  store_f16(bits, load(pad));
  for (int64_t j = i; j < n; ++j) out[j] = bits[j - i];
}

}  // namespace

extern const RowTable kAvx2Rows;
const RowTable kAvx2Rows = {
    .rms_norm = rms_norm,
    .layer_norm = layer_norm,
    .rope_halves = rope_halves,
    .rope_pairs = nullptr,
    .silu = silu,
    .gelu_tanh = gelu_tanh,
    .gelu_erf = nullptr,
    .silu_mul = silu_mul,
    .gelu_tanh_mul = gelu_tanh_mul,
    .softcap = softcap,
    .attend_f32 = attend<float>,
    .attend_f16 = attend<uint16_t>,
    .attend_int8 = attend<int8_t>,
    .f32_to_f16 = f32_to_f16,
};

}  // namespace jiang::kernels
