// What a model becomes in GGUF: names, order, and the ways in which GGUF stores tensors unlike
// Hugging Face (weights/gguf_names.h has the conventions). Formats are not its business.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/metadata.h"
#include "base/result.h"
#include "weights/tensor_source.h"

namespace jiang {

enum class Rearrange : uint8_t {
  none,
  interleave_heads,  // rows of each head: halves -> adjacent pairs, for rope
  add_one,           // Gemma's norms
  transpose,         // GPT-2's Conv1D
};

struct PlannedTensor {
  std::string name;                    // GGUF spelling
  Shape shape;                         // as written
  const TensorInfo* source = nullptr;  // or
  std::vector<float> values;           // what HF keeps in config.json: always f32
  Rearrange rearrange = Rearrange::none;
  int64_t n_heads = 0;  // for interleave_heads
};

struct ExportPlan {
  Metadata metadata;
  std::vector<PlannedTensor> tensors;
  std::vector<std::string> left_out;  // HF names that GGUF has no place for
};

// Borrows from `source`. `extra` overrides keys of the metadata.
Result<ExportPlan> plan_export(const TensorSource& source, const Metadata& extra);

// Rows [first, first + count) of the tensor as written, as floats. out (count, cols)
void read_rows(float* out, const PlannedTensor& tensor, int64_t first, int64_t count);

}  // namespace jiang
