// Merged models: a source whose weights have adapters added to them, W + scale * b a. The rest of
// the source is passed on as it is.
#pragma once

#include <memory>
#include <vector>

#include "base/result.h"
#include "base/thread_pool.h"
#include "weights/adapter_file.h"

namespace jiang {

struct ScaledAdapter {
  AdapterFile file;
  float scale = 1;
};

// Matrices that an adapter changes become f32 in memory. An error if one of an adapter's matrices
// has no weight in the model, or another shape.
Result<std::shared_ptr<const TensorSource>> merge_adapters(
    std::shared_ptr<const TensorSource> model, std::vector<ScaledAdapter> adapters,
    int64_t head_dim, ThreadPool& pool);

}  // namespace jiang
