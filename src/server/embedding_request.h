// Texts or token ids -> vectors, for every dialect's route.
#pragma once

#include <optional>
#include <vector>

#include "runtime/embedding.h"
#include "runtime/model_manager.h"
#include "server/errors.h"

namespace jiang {

// One vector for each input. An input that is too long is an error with both numbers: none is cut.
std::optional<ApiError> embed_inputs(LoadedModelEntry& model,
                                     const std::vector<EmbeddingInput>& inputs,
                                     std::optional<int64_t> dimensions,
                                     std::vector<Embedding>& out);

}  // namespace jiang
