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

// From `row` on, whose panel is `panel`: all whole panels, and a last one of fewer rows by way of a
// whole one beside the output.
template <void (*multiply_one_panel)(const MatmulTile* tile, const uint8_t* panel, float* out)>
JIANG_INLINE void multiply_panels(const MatmulTile* tile, const uint8_t* panel, int64_t row) {
  for (; tile->n_rows - row >= kPanelRows; row += kPanelRows, panel += tile->panel_bytes) {
    multiply_one_panel(tile, panel, tile->out + row);
  }
  if (row == tile->n_rows) return;
  float rest[kTileTokens * kPanelRows];
  MatmulTile whole = *tile;
  load_rest(rest, tile, row);
  whole.out_stride = kPanelRows;
  multiply_one_panel(&whole, panel, rest);
  store_rest(rest, tile, row);
}

}  // namespace jiang::kernels
