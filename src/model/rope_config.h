// Rope frequencies from config.json: rope_theta and the scalings that stretch a context.
#pragma once

#include "model/architecture.h"

namespace jiang {

// theta^(-2i / rotary_dim), unscaled.
RopeTable plain_rope(double theta, int32_t rotary_dim);

// "rope_theta" and "rope_scaling" (none, linear, dynamic, llama3, yarn, longrope), and GGUF's
// tensor of divisors "rope_freqs". Needs config.max_position_embeddings.
Result<RopeTable> read_rope(const ConfigInput& input, const ModelConfig& config,
                            int32_t rotary_dim);

}  // namespace jiang
