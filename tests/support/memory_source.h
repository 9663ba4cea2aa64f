// A TensorSource in memory, of f32 tensors: models that never were a file, and damaged ones.
#pragma once

#include <memory>
#include <set>
#include <string>
#include <vector>

#include "tests/support/tiny_model.h"
#include "weights/tensor_source.h"

namespace jiang {

class MemorySource final : public TensorSource {
 public:
  explicit MemorySource(TinyModel model, SourceConventions conventions = {});

  const std::string& path() const override { return path_; }
  const Json& config() const override { return model_.config; }
  const Json& generation_config() const override { return generation_config_; }
  const Metadata* metadata() const override { return nullptr; }
  const SourceConventions& conventions() const override { return conventions_; }
  std::span<const TensorInfo> tensors() const override { return tensors_; }
  const TensorInfo* find(std::string_view hf_name) const override;
  bool still_whole() const override { return true; }
  void forget(std::span<const std::byte> bytes) const override { forgotten.insert(bytes.data()); }

  mutable std::set<const std::byte*> forgotten;  // tensors that were given back

 private:
  std::string path_ = "memory";
  TinyModel model_;
  Json generation_config_ = Json::object();
  SourceConventions conventions_;
  std::vector<TensorInfo> tensors_;
};

}  // namespace jiang
