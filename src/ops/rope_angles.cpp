#include "ops/rope_angles.h"

#include <algorithm>
#include <cmath>

namespace jiang {

const RopeAngles& RopeAngleCache::get(std::span<const int32_t> positions, const RopeTable& table) {
  // Compared by value: tables and positions of different steps may share an address.
  for (int i = 0; i < 2; ++i) {
    const Entry& entry = entries_[i];
    if (entry.attention_factor == table.attention_factor && entry.inv_freq == table.inv_freq &&
        std::equal(positions.begin(), positions.end(), entry.positions.begin(),
                   entry.positions.end())) {
      newest_ = i;
      return entry.angles;
    }
  }
  newest_ = 1 - newest_;
  Entry& entry = entries_[newest_];
  entry.positions.assign(positions.begin(), positions.end());
  entry.inv_freq = table.inv_freq;
  entry.attention_factor = table.attention_factor;
  const size_t pairs = table.inv_freq.size();
  entry.angles.cos.resize(positions.size() * pairs);
  entry.angles.sin.resize(positions.size() * pairs);
  size_t at = 0;
  for (const int32_t position : positions) {
    for (const float inv_freq : table.inv_freq) {
      // In double: at position 100,000 a float angle is off by up to 0.004.
      const double angle = static_cast<double>(position) * static_cast<double>(inv_freq);
      entry.angles.cos[at] = static_cast<float>(std::cos(angle)) * table.attention_factor;
      entry.angles.sin[at++] = static_cast<float>(std::sin(angle)) * table.attention_factor;
    }
  }
  return entry.angles;
}

}  // namespace jiang
