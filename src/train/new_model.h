// A model with random weights, to be trained: the tensors of Llama, Qwen2 and Qwen3.
#pragma once

#include <memory>

#include "base/json.h"
#include "base/result.h"
#include "weights/tensor_source.h"

namespace jiang {

// `config`: HF's config.json with vocab_size. Normal weights of deviation 0.02, those that write
// into the residual stream divided by sqrt(2 * layers) (Radford et al., 2019, section 2.3). The
// same seed gives the same weights on every machine of one architecture.
// How many numbers the weights of `config` are.
Result<uint64_t> count_new_model(const Json& config);
Result<std::shared_ptr<const TensorSource>> make_new_model(const Json& config, uint64_t seed);

}  // namespace jiang
