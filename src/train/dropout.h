// Dropout by a counter: whether an element is dropped is a function of the seed and its place, so
// that backward, a layer computed again and a resumed run drop the same ones.
#pragma once

#include <cstdint>

#include "base/thread_pool.h"
#include "tensor/tensor.h"

namespace jiang {

// out = x with the share `rate` of its elements zero and the rest divided by 1 - rate.
void drop_out(TensorView out, TensorView x, float rate, uint64_t seed, ThreadPool& pool);
// dx += what drop_out lets through of dy.
void add_dropped(TensorView dx, TensorView dy, float rate, uint64_t seed, ThreadPool& pool);

// A well-mixed function of its argument (splitmix64's finaliser).
inline uint64_t mix_bits(uint64_t x) {
  x += 0x9e3779b97f4a7c15ull;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ull;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebull;
  return x ^ (x >> 31);
}

}  // namespace jiang
