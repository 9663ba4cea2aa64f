// A model in GGUF: one file, or the parts of a split one, behind TensorSource.
#pragma once

#include <memory>
#include <string>

#include "base/result.h"
#include "weights/tensor_source.h"

namespace jiang {

// Any part NAME-00002-of-00005.gguf opens all of them.
Result<std::shared_ptr<const TensorSource>> open_gguf(const std::string& path);

}  // namespace jiang
