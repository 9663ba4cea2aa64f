// Linear: y = x W^T + b over packed weights. The one place where adapters (LoRA) will live: models
// and kernels do not know them.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "ops/packed_matrix.h"

namespace jiang {

struct Linear {
  std::string name;  // HF name of the weight without ".weight": importance matrices key on it
  PackedMatrix weight;
  std::vector<float> bias;  // (rows), or empty

  int64_t in_features() const { return weight.cols(); }
  int64_t out_features() const { return weight.rows(); }
  bool is_empty() const { return weight.rows() == 0; }
};

}  // namespace jiang
