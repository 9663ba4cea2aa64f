// The searches behind the quantisers: which scale (and minimum) gives codes of least weighted error
//
//   sum_i w_i (x_i - decode(code_i))^2
//
// For a given scale the best code of a weight is the nearest grid point, and for given codes the
// best scale is a least-squares fit in closed form. The searches try a set of scales around
// max |x| / extent of the grid, then alternate the two steps from the best.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "quant/lanes.h"

namespace jiang {

// N numbers and how much the error of each matters (weighing.h): a view.
template <int N>
struct Weighted {
  const float* x;
  const float* w;
};

// ---- Grids: the numbers that a code can stand for ----

// Whole numbers Low .. High; code = value - Low.
template <int Low, int High>
struct LinearGrid {
  static constexpr float kExtent = -Low;  // of the longer side
  static Lanes nearest(Lanes v) { return round_lanes(clamp(v, Low, High)); }
  static void codes(uint8_t* out, Lanes grid_values) {
    for (int i = 0; i < kLanes; ++i) out[i] = static_cast<uint8_t>(grid_values[i] - Low);
  }
};

// The entries of a codebook of whole numbers within +-127; Table is constexpr. Borders between
// neighbours are multiples of 1/2, so the nearest entry follows from the half-unit that v lies in:
// `nearest` has it for each of 512, from -128 up. `code_of` is by value + 128.
template <const auto& Table>
struct CodebookGrid {
  static constexpr float kExtent = -Table.least;
  static Lanes nearest(Lanes v) {
    const auto half = __builtin_convertvector(clamp(v * splat(2) + splat(256), 0, 511), IntLanes);
    const float* values = Table.nearest.data();
    return Lanes{values[half[0]], values[half[1]], values[half[2]], values[half[3]]};
  }
  static void codes(uint8_t* out, Lanes grid_values) {
    for (int i = 0; i < kLanes; ++i) {
      out[i] = Table.code_of[static_cast<size_t>(static_cast<int>(grid_values[i]) + 128)];
    }
  }
};

// ---- One scale: x ~ scale * grid ----

// Least squares for codes at 1 / inverse: the best scale is qx / qq, its gain qx^2 / qq.
struct ScaleFit {
  float qx = 0;  // sum w q x
  float qq = 0;  // sum w q q
  float gain() const { return qq > 0 ? qx * qx / qq : 0; }
  float scale() const { return qq > 0 ? qx / qq : 0; }
  // By how much these codes, decoded with `scale`, lessen the error of decoding all as zero.
  float gain_at(float scale) const { return scale * (2 * qx - scale * qq); }
};

template <class Grid, int N>
ScaleFit fit_scale(const Weighted<N>& block, float inverse) {
  Lanes qx = splat(0), qq = splat(0);
  for (int i = 0; i < N; i += kLanes) {
    const Lanes x = load(block.x + i);
    const Lanes q = Grid::nearest(x * splat(inverse));
    const Lanes wq = load(block.w + i) * q;
    qx += wq * x;
    qq += wq * q;
  }
  return {sum(qx), sum(qq)};
}

// The weighted error when decoding with exactly `scale`.
template <class Grid, int N>
float scale_error(const Weighted<N>& block, float scale) {
  const float inverse = scale != 0 ? 1 / scale : 0;
  Lanes error = splat(0);
  for (int i = 0; i < N; i += kLanes) {
    const Lanes x = load(block.x + i);
    const Lanes r = x - splat(scale) * Grid::nearest(x * splat(inverse));
    error += load(block.w + i) * r * r;
  }
  return sum(error);
}

template <class Grid, int N>
void scale_codes(uint8_t* codes, const Weighted<N>& block, float scale) {
  const float inverse = scale != 0 ? 1 / scale : 0;
  for (int i = 0; i < N; i += kLanes) {
    Grid::codes(codes + i, Grid::nearest(load(block.x + i) * splat(inverse)));
  }
}

// The x of largest magnitude, with its sign.
template <int N>
float extreme(const Weighted<N>& block) {
  float best = 0;
  for (int i = 0; i < N; ++i) {
    if (std::fabs(block.x[i]) > std::fabs(best)) best = block.x[i];
  }
  return best;
}

// The range of scales that is searched: the extreme weight lands at `first` .. `last` times the
// grid's extent, in `steps` steps, once at each end of the grid.
struct ScaleRange {
  float first, last;
  int steps;
  int refits;
};

template <class Grid, int N>
float search_scale(const Weighted<N>& block, const ScaleRange& range) {
  const float peak = extreme(block);
  if (!(std::fabs(peak) >= 0x1p-25f)) return 0;  // below half of the smallest f16
  float best_gain = 0;
  float best = 0;
  auto consider = [&](float inverse) {
    const ScaleFit fit = fit_scale<Grid>(block, inverse);
    if (fit.gain() > best_gain) {
      best_gain = fit.gain();
      best = fit.scale();
      return true;
    }
    return false;
  };
  const float unit = Grid::kExtent / peak;
  for (int k = 0; k < range.steps; ++k) {
    const float inverse = unit * (range.first + (range.last - range.first) * static_cast<float>(k) /
                                                    static_cast<float>(range.steps - 1));
    consider(-inverse);
    consider(inverse);
  }
  for (int k = 0; k < range.refits; ++k) {
    if (!consider(1 / best)) break;
  }
  return best;
}

// ---- Scale and offset: x ~ scale * code + offset, codes 0 .. High ----

struct Affine {
  float scale = 0;
  float offset = 0;
};

// What the offsets of a format can be: K-quants subtract a minimum that is not negative.
enum class Offsets { any, not_positive };

// Sums over w that do not depend on the codes.
struct BlockSums {
  float w = 0, x = 0, xx = 0;  // sum w, sum w x, sum w x x
};

template <int N>
BlockSums block_sums(const Weighted<N>& block) {
  Lanes w = splat(0), wx = splat(0), wxx = splat(0);
  for (int i = 0; i < N; i += kLanes) {
    const Lanes x = load(block.x + i);
    const Lanes weight = load(block.w + i);
    w += weight;
    wx += weight * x;
    wxx += weight * x * x;
  }
  return {sum(w), sum(wx), sum(wxx)};
}

// Sums for codes at (scale, offset).
struct AffineSums {
  float q = 0, qq = 0, qx = 0;  // sum w q, sum w q q, sum w q x

  float error(const BlockSums& block, const Affine& decode) const {
    const auto [a, m] = decode;
    return block.xx - 2 * (a * qx + m * block.x) + a * a * qq + m * (2 * a * q + m * block.w);
  }
};

template <int High, int N>
AffineSums affine_sums(const Weighted<N>& block, const Affine& decode) {
  const float inverse = decode.scale != 0 ? 1 / decode.scale : 0;
  Lanes q_sum = splat(0), qq_sum = splat(0), qx_sum = splat(0);
  for (int i = 0; i < N; i += kLanes) {
    const Lanes x = load(block.x + i);
    const Lanes q = round_lanes(clamp((x - splat(decode.offset)) * splat(inverse), 0, High));
    const Lanes wq = load(block.w + i) * q;
    q_sum += wq;
    qq_sum += wq * q;
    qx_sum += wq * x;
  }
  return {sum(q_sum), sum(qq_sum), sum(qx_sum)};
}

// The scale and offset of least error for fixed codes.
template <Offsets kOffsets>
Affine fit_affine(const BlockSums& block, const AffineSums& codes) {
  const float determinant = block.w * codes.qq - codes.q * codes.q;
  Affine best;
  if (determinant > 1e-6f * block.w * codes.qq) {
    best.scale = (block.w * codes.qx - block.x * codes.q) / determinant;
    best.offset = (codes.qq * block.x - codes.q * codes.qx) / determinant;
  } else {  // all codes alike
    best = {0, block.w > 0 ? block.x / block.w : 0};
  }
  if (kOffsets == Offsets::not_positive && best.offset > 0) {
    best = {codes.qq > 0 ? codes.qx / codes.qq : 0, 0};
  }
  return best;
}

template <int High, int N>
float affine_error(const Weighted<N>& block, const Affine& decode) {
  const float inverse = decode.scale != 0 ? 1 / decode.scale : 0;
  Lanes error = splat(0);
  for (int i = 0; i < N; i += kLanes) {
    const Lanes y = load(block.x + i) - splat(decode.offset);
    const Lanes r = y - splat(decode.scale) * round_lanes(clamp(y * splat(inverse), 0, High));
    error += load(block.w + i) * r * r;
  }
  return sum(error);
}

template <int High, int N>
void affine_codes(uint8_t* codes, const Weighted<N>& block, const Affine& decode) {
  const float inverse = decode.scale != 0 ? 1 / decode.scale : 0;
  for (int i = 0; i < N; i += kLanes) {
    const Lanes y = load(block.x + i) - splat(decode.offset);
    const Lanes q = round_lanes(clamp(y * splat(inverse), 0, High));
    for (int k = 0; k < kLanes; ++k) codes[i + k] = static_cast<uint8_t>(q[k]);
  }
}

// The two ends of the grid are tried at the smallest and largest weight moved inwards by
// 0 .. (starts - 1) * shrink of the range, each on its own.
struct AffineRange {
  float shrink;
  int starts;
  int refits;
};

template <int High, Offsets kOffsets, int N>
Affine search_affine(const Weighted<N>& block, const AffineRange& range) {
  const BlockSums sums = block_sums(block);
  float low = *std::min_element(block.x, block.x + N);
  const float high = *std::max_element(block.x, block.x + N);
  if (kOffsets == Offsets::not_positive) low = std::min(low, 0.0f);
  Affine best;
  float best_error = INFINITY;
  auto consider = [&](const Affine& guess) {
    const AffineSums codes = affine_sums<High>(block, guess);
    const Affine fit = fit_affine<kOffsets>(sums, codes);
    const float error = codes.error(sums, fit);
    if (!(error < best_error)) return false;
    best_error = error;
    best = fit;
    return true;
  };
  const float step = range.shrink * (high - low);
  for (int i = 0; i < range.starts; ++i) {
    for (int k = 0; k < range.starts; ++k) {
      const float from = low + step * static_cast<float>(i);
      const float to = high - step * static_cast<float>(k);
      consider({(to - from) / High, from});
    }
  }
  for (int k = 0; k < range.refits; ++k) {
    if (!consider(best)) break;
  }
  return best;
}

}  // namespace jiang
