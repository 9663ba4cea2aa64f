#include "tests/support/memory_source.h"

namespace jiang {

MemorySource::MemorySource(TinyModel model, SourceConventions conventions)
    : model_(std::move(model)), conventions_(conventions) {
  // An HF checkpoint of GPT-2 stores its projections as (in, out).
  if (model_.gguf_architecture == "gpt2" && model_.fixture == "gpt2")
    conventions_.conv1d_transposed = true;
  for (const TinyTensor& t : model_.tensors) {
    const std::vector<uint64_t> dims(t.shape.begin(), t.shape.end());
    tensors_.push_back({.name = t.name,
                        .source_name = t.name,
                        .format = Format::f32,
                        .shape = *Shape::make(dims, t.name),
                        .bytes = std::as_bytes(std::span(t.values))});
  }
}

const TensorInfo* MemorySource::find(std::string_view hf_name) const {
  for (const TensorInfo& tensor : tensors_) {
    if (tensor.name == hf_name) return &tensor;
  }
  return nullptr;
}

}  // namespace jiang
