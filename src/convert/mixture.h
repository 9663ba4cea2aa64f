// Mixtures: which format each matrix gets when their sum has a budget, so that the expected
// divergence from the original is least.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "quant/weight_format.h"

namespace jiang {

struct MixtureChoice {
  Format format;
  uint64_t bytes = 0;
  double cost = 0;  // divergence that it is expected to add
};

// The formats that a mixture may give a matrix with rows of `cols`.
std::vector<Format> mixture_formats(int64_t cols);

// One choice of each matrix (its index in `matrices[i]`). From the smallest of each, always the
// step that lessens the cost most for its bytes is taken while it fits: the best there is, but for
// what one last step would not fill of the budget. nullopt: the smallest ones are more than the
// budget. Equal steps are taken in the order of the matrices, so the result is one.
std::optional<std::vector<size_t>> choose_mixture(
    std::span<const std::vector<MixtureChoice>> matrices, uint64_t budget_bytes);

}  // namespace jiang
