// The short try of a model that was just made or fetched: it loads, its tokenizer fits, and a few
// tokens come out of it with finite numbers.
#pragma once

#include <string>

#include "base/result.h"

namespace jiang {

Status check_model(const std::string& path, int threads);

}  // namespace jiang
