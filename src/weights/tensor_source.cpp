#include "weights/tensor_source.h"

#include "base/file.h"
#include "weights/gguf_source.h"

namespace jiang {

Result<std::shared_ptr<const TensorSource>> open_tensor_source(const std::string& path) {
  return open_gguf(path);
}

}  // namespace jiang
