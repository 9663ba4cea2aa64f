// The last rows of a matrix that do not fill a panel: kernels of this level compute the whole panel
// beside the output (16, kPanelRows) and the rows that exist are copied.
#pragma once

#include <string.h>

#include "kernels/indices.h"
#include "kernels/table.h"

namespace jiang::kernels {

JIANG_INLINE void load_rest(float* rest, const MatmulTile* tile, int64_t row) {
  memset(rest, 0, sizeof(float) * kTileTokens * kPanelRows);
  for (int t = 0; tile->resume && t < tile->n_tokens; ++t) {
    for (int64_t r = row; r < tile->n_rows; ++r)
      rest[t * kPanelRows + r - row] = tile->out[t * tile->out_stride + r];
  }
}

JIANG_INLINE void store_rest(const float* rest, const MatmulTile* tile, int64_t row) {
  for (int t = 0; t < tile->n_tokens; ++t) {
    for (int64_t r = row; r < tile->n_rows; ++r)
      tile->out[t * tile->out_stride + r] = rest[t * kPanelRows + r - row];
  }
}

}  // namespace jiang::kernels
