// Linear: y = x W^T + b over packed weights. The one place where adapters (LoRA) live: models and
// kernels do not know them.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "ops/packed_matrix.h"

namespace jiang {

// y += scale * b (a x), for the rows that ask for it.
struct LinearAdapter {
  int64_t rank = 0;              // 0: this adapter has nothing for this linear
  std::vector<float> a;          // (rank, in_features)
  std::vector<float> b_columns;  // (rank, out_features): b transposed, with the adapter's own scale
};

// Which adapters a row of a batch goes through, and how much of each. Shared by requests.
struct AdapterMix {
  struct Part {
    int32_t adapter = 0;  // index of Linear::adapters
    float scale = 1;
    bool operator==(const Part&) const = default;
  };
  std::vector<Part> parts;
  bool operator==(const AdapterMix&) const = default;
};

struct Linear {
  std::string name;  // HF name of the weight without ".weight": importance matrices key on it
  PackedMatrix weight;
  std::vector<float> bias;              // (rows), or empty
  std::vector<LinearAdapter> adapters;  // those that were loaded with the model

  int64_t in_features() const { return weight.cols(); }
  int64_t out_features() const { return weight.rows(); }
  bool is_empty() const { return weight.rows() == 0; }
};

}  // namespace jiang
