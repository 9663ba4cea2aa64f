// Rotary position embedding (Su et al., arXiv 2104.09864): which pairs turn, and how fast.
#pragma once

#include <cstdint>
#include <vector>

namespace jiang {

struct RopeTable {
  // Angle of pair i at position p: p * inv_freq[i]. (rotary_dim / 2)
  std::vector<float> inv_freq;
  // cos and sin are multiplied by this (YaRN and long rope's attention factor).
  float attention_factor = 1;
  // Dimensions of each head beyond rotary_dim pass unchanged.
  int32_t rotary_dim = 0;
  // Pairs (2i, 2i + 1) instead of (i, i + rotary_dim / 2).
  bool interleaved = false;
};

}  // namespace jiang
