// Searches over K-quant super-blocks: one f16 scale (and minimum) for 256 weights, small whole
// numbers for each sub-block of N, chosen together.
//
// First the best real scales of each sub-block, then whole multiples of a common step, then in
// turn: each sub-block picks the best of the multiples near its own, by the error of decoding with
// exactly that, and the common step is fitted to all codes by least squares. The best state seen is
// kept, so no step makes it worse.
#pragma once

#include <cmath>
#include <cstdint>

#include "quant/block_io.h"
#include "quant/search.h"

namespace jiang {

// ---- x ~ d * scale * grid, scales Low .. High (Q3_K, Q6_K, IQ4_XS) ----

template <int N>
struct SuperScale {
  static constexpr int kSubs = kSuperBlock / N;
  uint16_t d = 0;  // f16
  int scales[kSubs] = {};
};

struct SuperScaleSearch {
  ScaleRange sub_blocks;
  int reach;   // multiples this far from a sub-block's own are tried
  int rounds;  // of picking and fitting, from each of a few first steps
};

template <class Grid, int N, int Low, int High>
SuperScale<N> search_super_scale(const float* x, const float* w, const SuperScaleSearch& search) {
  constexpr int kSubs = kSuperBlock / N;
  // Each sub-block's own best scale, the plain one that puts its extreme at the end of the grid,
  // and of both the one of largest magnitude.
  float own[kSubs], plain[kSubs];
  float most_own = 0, most_plain = 0;
  for (int s = 0; s < kSubs; ++s) {
    const Weighted<N> block{x + s * N, w + s * N};
    own[s] = search_scale<Grid>(block, search.sub_blocks);
    plain[s] = extreme(block) / -Grid::kExtent;
    if (std::fabs(own[s]) > std::fabs(most_own)) most_own = own[s];
    if (std::fabs(plain[s]) > std::fabs(most_plain)) most_plain = plain[s];
  }
  SuperScale<N> best;
  float best_gain = 0;
  if (most_own == 0) return best;

  // Picks multiples of the step near the scales in `around` and returns the step that would fit the
  // codes best, or 0.
  auto pick = [&](float step, const float* around) -> float {
    SuperScale<N> now;
    now.d = scale_to_f16(step);
    const float d = f16_to_f32(now.d);
    if (d == 0) return 0;
    float gain = 0, qx = 0, qq = 0;
    for (int s = 0; s < kSubs; ++s) {
      const Weighted<N> block{x + s * N, w + s * N};
      const auto near = static_cast<int>(std::lrint(
          std::fmin(std::fmax(around[s] / d, static_cast<float>(Low)), static_cast<float>(High))));
      float sub_gain = 0, sub_qx = 0, sub_qq = 0;
      auto consider = [&](int scale) {
        if (scale == 0 || scale < Low || scale > High) return;
        const float actual = d * static_cast<float>(scale);
        const ScaleFit fit = fit_scale<Grid>(block, 1 / actual);
        if (fit.gain_at(actual) <= sub_gain) return;
        sub_gain = fit.gain_at(actual);
        sub_qx = fit.qx * static_cast<float>(scale);
        sub_qq = fit.qq * static_cast<float>(scale * scale);
        now.scales[s] = scale;
      };
      for (int scale = near - search.reach; scale <= near + search.reach; ++scale) {
        consider(scale);
      }
      gain += sub_gain;
      qx += sub_qx;
      qq += sub_qq;
    }
    if (gain > best_gain) {
      best_gain = gain;
      best = now;
    }
    return qq > 0 ? qx / qq : 0;
  };

  auto rounds_from = [&](float step, const float* around) {
    for (int round = 0; round < search.rounds && step != 0; ++round) step = pick(step, around);
  };
  for (const float end : {Low * 1.0f, High * 1.0f, Low * 0.97f, High * 0.97f}) {
    rounds_from(most_own / end, own);
  }
  rounds_from(most_plain / High, plain);
  return best;
}

// ---- x ~ d * scale * code - dmin * min, scales and mins 0 .. Most (Q2_K, Q4_K, Q5_K) ----

template <int N>
struct SuperAffine {
  static constexpr int kSubs = kSuperBlock / N;
  uint16_t d = 0, dmin = 0;  // f16
  uint8_t scales[kSubs] = {};
  uint8_t mins[kSubs] = {};
};

struct SuperAffineSearch {
  AffineRange sub_blocks;
  int reach;
  int rounds;
};

template <int HighCode, int Most, int N>
SuperAffine<N> search_super_affine(const float* x, const float* w,
                                   const SuperAffineSearch& search) {
  constexpr int kSubs = kSuperBlock / N;
  Affine own[kSubs];
  BlockSums sums[kSubs];
  float most_scale = 0, most_min = 0;
  for (int s = 0; s < kSubs; ++s) {
    const Weighted<N> block{x + s * N, w + s * N};
    sums[s] = block_sums(block);
    own[s] = search_affine<HighCode, Offsets::not_positive>(block, search.sub_blocks);
    most_scale = std::max(most_scale, own[s].scale);
    most_min = std::max(most_min, -own[s].offset);
  }
  SuperAffine<N> best;
  float best_error = INFINITY;

  auto near = [](float multiple) {
    return static_cast<int>(
        std::lrint(std::fmin(std::fmax(multiple, 0.0f), static_cast<float>(Most))));
  };
  // Picks multiples of both steps; returns the steps that would fit the codes best.
  auto pick = [&](Affine* step) {
    SuperAffine<N> now;
    now.d = scale_to_f16(step->scale);
    now.dmin = scale_to_f16(step->offset);
    const float d = f16_to_f32(now.d), dmin = f16_to_f32(now.dmin);
    const float per_d = d > 0 ? 1 / d : 0, per_dmin = dmin > 0 ? 1 / dmin : 0;
    float error = 0;
    // Normal equations of x ~ d * u - dmin * v with u = scale * code, v = min.
    double uu = 0, uv = 0, vv = 0, ux = 0, vx = 0;
    for (int s = 0; s < kSubs; ++s) {
      const Weighted<N> block{x + s * N, w + s * N};
      float sub_error = INFINITY;
      AffineSums sub;
      auto consider = [&](int scale, int min) {
        const Affine decode{d * static_cast<float>(scale), -dmin * static_cast<float>(min)};
        const AffineSums codes = affine_sums<HighCode>(block, decode);
        const float e = codes.error(sums[s], decode);
        if (e < sub_error) {
          sub_error = e;
          sub = codes;
          now.scales[s] = static_cast<uint8_t>(scale);
          now.mins[s] = static_cast<uint8_t>(min);
        }
        return codes;
      };
      const int near_scale = near(own[s].scale * per_d);
      const int near_min = near(-own[s].offset * per_dmin);
      for (int scale = std::max(near_scale - search.reach, 0);
           scale <= std::min(near_scale + search.reach, Most); ++scale) {
        // Codes at the nearest minimum, then the minimum that suits those codes.
        const AffineSums codes = consider(scale, near_min);
        const float mean = (d * static_cast<float>(scale) * codes.q - sums[s].x) / sums[s].w;
        const int fitted = near(mean * per_dmin);
        for (int min = std::max(fitted - 1, 0); min <= std::min(fitted + 1, Most); ++min) {
          if (min != near_min) consider(scale, min);
        }
      }
      error += sub_error;
      const double scale = now.scales[s], min = now.mins[s];
      uu += scale * scale * sub.qq;
      uv += scale * min * sub.q;
      vv += min * min * sums[s].w;
      ux += scale * sub.qx;
      vx += min * sums[s].x;
    }
    if (error < best_error) {
      best_error = error;
      best = now;
    }
    const double determinant = uu * vv - uv * uv;
    Affine fitted;
    if (determinant > 1e-9 * uu * vv) {
      fitted.scale = static_cast<float>((ux * vv - vx * uv) / determinant);
      fitted.offset = static_cast<float>((ux * uv - vx * uu) / determinant);
    }
    if (!(determinant > 1e-9 * uu * vv) || fitted.offset <= 0) {
      fitted = {uu > 0 ? static_cast<float>(ux / uu) : 0, 0};
      if (dmin > 0) return false;  // a fit without minima is another problem
    }
    *step = fitted;
    return true;
  };

  for (const float ends : {1.0f, 0.97f, 1.03f}) {
    Affine step{most_scale / (Most * ends), most_min / (Most * ends)};
    for (int round = 0; round < search.rounds; ++round) {
      if (!pick(&step)) break;
    }
  }
  return best;
}

}  // namespace jiang
