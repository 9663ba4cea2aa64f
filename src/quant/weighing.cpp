#include "quant/weighing.h"

#include <cmath>
#include <cstring>

namespace jiang {
namespace {

float tame(float x) {
  if (std::isnan(x)) return 0;
  return std::fmin(std::fmax(x, -65504.0f), 65504.0f);
}

// Scales w to mean 1, so that no sum over it leaves the range of floats.
bool normalise(float* w, int n) {
  double total = 0;
  for (int i = 0; i < n; ++i) total += w[i];
  if (!(total > 0) || !std::isfinite(total)) return false;
  const double factor = n / total;
  for (int i = 0; i < n; ++i) w[i] = static_cast<float>(w[i] * factor);
  return true;
}

}  // namespace

RowToQuantize::RowToQuantize(const float* x, int64_t n, const float* importance)
    : x_(x), importance_(importance) {
  double squares = 0;
  for (int64_t i = 0; i < n; ++i) {
    const double value = tame(x[i]);
    squares += value * value;
  }
  sigma2_ = n ? static_cast<float>(squares / static_cast<double>(n)) : 0;
}

void RowToQuantize::take(float* x, float* w, int64_t first, int n) const {
  for (int i = 0; i < n; ++i) x[i] = tame(x_[first + i]);
  for (int i = 0; i < n; ++i) w[i] = std::sqrt(sigma2_ + x[i] * x[i]);
  if (importance_) {
    alignas(16) float met[256];
    for (int i = 0; i < n; ++i) met[i] = w[i] * importance_[first + i];
    if (normalise(met, n)) {
      std::memcpy(w, met, static_cast<size_t>(n) * sizeof(float));
      return;
    }  // else none of these columns was ever met
  }
  if (normalise(w, n)) return;
  for (int i = 0; i < n; ++i) w[i] = 1;
}

}  // namespace jiang
