// Products of bf16 as plain loops: the definition of what every other level computes.
#include "kernels/bf16.h"

#include <string.h>

namespace jiang::kernels {
namespace {

uint16_t to_bf16(float x) {
  uint32_t bits;
  memcpy(&bits, &x, sizeof bits);
  if ((bits & 0x7f800000) == 0) return static_cast<uint16_t>(bits >> 16 & 0x8000);
  if ((bits & 0x7fffffff) > 0x7f800000) return static_cast<uint16_t>(bits >> 16 | 0x40);
  return static_cast<uint16_t>((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

float from_bf16(uint16_t x) {
  const uint32_t bits = static_cast<uint32_t>(x) << 16;
  float value;
  memcpy(&value, &bits, sizeof value);
  return value;
}

int64_t left_index(int64_t line, int64_t k) { return line * kBf16Depth + k; }
int64_t right_index(int64_t line, int64_t k) { return (k / 2 * kBf16Lines + line) * 2 + k % 2; }

template <int64_t (*index)(int64_t, int64_t), bool is_along>
void pack_tile(uint16_t* tile, const float* x, int64_t stride, int64_t n_lines, int64_t n_k) {
  for (int64_t line = 0; line < kBf16Lines; ++line) {
    for (int64_t k = 0; k < kBf16Depth; ++k) {
      const bool is_there = line < n_lines && k < n_k;
      const int64_t at = is_along ? line * stride + k : k * stride + line;
      tile[index(line, k)] = is_there ? to_bf16(x[at]) : 0;
    }
  }
}

void multiply(const Bf16Product* p) {
  for (int64_t i = 0; i < p->m; ++i) {
    const uint16_t* a = p->a + i / kBf16Lines * p->a_panel;
    for (int64_t j = 0; j < p->n; ++j) {
      const uint16_t* b = p->b + j / kBf16Lines * p->b_panel;
      float& c = p->c[i * p->c_stride + j];
      float sum = p->resume ? c : 0.0f;
      for (int64_t k = 0; k < p->k_tiles * kBf16Depth; ++k) {
        const int64_t tile = k / kBf16Depth * kBf16Tile;
        const int64_t at = (k % kBf16Depth) ^ 1;  // the odd one of a pair first
        sum += from_bf16(a[tile + left_index(i % kBf16Lines, at)]) *
               from_bf16(b[tile + right_index(j % kBf16Lines, at)]);
      }
      c = sum;
    }
  }
}

int64_t rounds(int64_t n) {
  alignas(64) uint16_t tiles[2][kBf16Tile] = {};
  float c[kBf16Lines * kBf16Lines];
  const Bf16Product product{c, kBf16Lines, tiles[0], 0, tiles[1], 0, 16, 16, 1, false};
  for (int64_t i = 0; i < n; ++i) multiply(&product);
  return n * kBf16Tile * kBf16Lines;
}

}  // namespace

extern const Bf16Table kScalarBf16;
const Bf16Table kScalarBf16 = {
    .name = "scalar",
    .is_native = false,
    .is_faster = false,
    .left_along = pack_tile<left_index, true>,
    .left_across = pack_tile<left_index, false>,
    .right_along = pack_tile<right_index, true>,
    .right_across = pack_tile<right_index, false>,
    .multiply = multiply,
    .rounds = rounds,
};

}  // namespace jiang::kernels
