// The cosines and sines that rope() turns by, kept between calls: every layer of a step asks for
// the same ones.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "ops/rope.h"

namespace jiang {

struct RopeAngles {
  std::vector<float> cos, sin;  // (rows, rotary_dim / 2), times the attention factor
};

class RopeAngleCache {
 public:
  // Valid until the next call.
  const RopeAngles& get(std::span<const int32_t> positions, const RopeTable& table);

 private:
  struct Entry {
    std::vector<int32_t> positions;
    std::vector<float> inv_freq;
    float attention_factor = 0;
    RopeAngles angles;
  };
  Entry entries_[2];  // Gemma 3 alternates between two tables
  int newest_ = 0;
};

}  // namespace jiang
