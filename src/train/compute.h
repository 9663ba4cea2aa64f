// What the matrix products of training multiply: f32, or factors rounded to bf16 with sums in f32
// (docs/decisions/0114). Weights, gradients, moments and everything else are f32 either way.
#pragma once

#include <cstdint>

#include "kernels/bf16.h"

namespace jiang {

enum class Compute : uint8_t { f32, bf16 };

// bf16 at the levels where training is faster with it.
inline Compute fastest_compute() {
  return kernels::bf16_table().is_faster ? Compute::bf16 : Compute::f32;
}

}  // namespace jiang
