// The tile registers of AMX, in assembly: GCC 12's intrinsics do not tell the compiler which memory
// they touch. For the sources of this level alone.
#pragma once

#include <stdint.h>

#include "kernels/indices.h"

namespace jiang::kernels {
namespace {

struct alignas(64) TileConfig {
  uint8_t palette = 1;
  uint8_t start_row = 0;
  uint8_t reserved[14] = {};
  uint16_t row_bytes[16] = {};
  uint8_t rows[16] = {};
};
static_assert(sizeof(TileConfig) == 64, "");

JIANG_INLINE void configure_tiles(const TileConfig& config) {
  __asm__ volatile("ldtilecfg %0" : : "m"(config));
}
template <int tile>
JIANG_INLINE void load_tile(const void* from, int64_t stride) {
  __asm__ volatile("tileloadd (%0, %1, 1), %%tmm%c2"
                   :
                   : "r"(from), "r"(stride), "i"(tile)
                   : "memory");
}
template <int tile>
JIANG_INLINE void store_tile(void* to, int64_t stride) {
  __asm__ volatile("tilestored %%tmm%c2, (%0, %1, 1)"
                   :
                   : "r"(to), "r"(stride), "i"(tile)
                   : "memory");
}

}  // namespace
}  // namespace jiang::kernels
