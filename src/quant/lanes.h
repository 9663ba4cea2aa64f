// Four floats that are worked on at once, with the compiler's vector extension: SSE2 on every
// x86-64, NEON on aarch64, the same bits on both. For the quantisers, which need speed but no ISA
// levels; kernels have their own.
#pragma once

#include <cstdint>
#include <cstring>

namespace jiang {

using Lanes = float __attribute__((vector_size(16)));
using IntLanes = int32_t __attribute__((vector_size(16)));
inline constexpr int kLanes = 4;

inline Lanes load(const float* p) {
  Lanes v;
  std::memcpy(&v, p, sizeof v);
  return v;
}
inline void store(float* p, Lanes v) { std::memcpy(p, &v, sizeof v); }
inline Lanes splat(float x) { return Lanes{x, x, x, x}; }
inline float sum(Lanes v) { return (v[0] + v[2]) + (v[1] + v[3]); }

inline Lanes clamp(Lanes v, float low, float high) {
  v = v > splat(low) ? v : splat(low);
  return v < splat(high) ? v : splat(high);
}

// To the nearest whole number, ties to even, for |v| < 2^22: 1.5 * 2^23 pushes the fraction out of
// the mantissa. Beyond that the result is close to v, which is enough for a clamp.
inline Lanes round_lanes(Lanes v) {
  const Lanes magic = splat(0x1.8p23f);
  return (v + magic) - magic;
}

}  // namespace jiang
