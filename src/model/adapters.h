// Adapters that are loaded with a model: read, checked against its linears, and put beside them.
#pragma once

#include <span>
#include <string>

#include "base/result.h"
#include "model/model.h"

namespace jiang {

// Part of loading: nobody else has the model yet. Errors name the adapter's matrix that fits no
// linear of the model's layers.
Status attach_adapters(const Model& model, std::span<const std::string> paths,
                       const SourceConventions& conventions);

}  // namespace jiang
