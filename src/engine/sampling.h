// How the next token is drawn.
#pragma once

#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "base/token.h"

namespace jiang {

// Steps run in the order of this struct, over candidates sorted by logit.
struct SamplingParams {
  std::vector<std::pair<TokenId, float>> logit_bias = {};  // added to the logit
  float repeat_penalty = 1;  // logit / p (positive) or * p (negative) for tokens seen in the window
  float presence_penalty = 0;         // logit - p for tokens seen in the window
  float frequency_penalty = 0;        // logit - p * count
  int32_t penalty_window = 64;        // last tokens that count, prompt included; -1: all
  float temperature = 0.8f;           // 0: greedy, the lowest id of equals
  int32_t top_k = 40;                 // 0: off
  float top_p = 0.95f;                // 1: off
  float min_p = 0.05f;                // 0: off
  std::optional<uint64_t> seed = {};  // absent: a random one, told in the finish event
};

}  // namespace jiang
