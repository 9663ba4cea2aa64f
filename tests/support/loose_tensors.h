// Any tensors in any format behind TensorSource, for tests of what reads a source without loading a
// model from it (MemorySource is for those).
#pragma once

#include <bit>
#include <cstring>
#include <deque>
#include <random>
#include <string>
#include <vector>

#include "base/json_value.h"
#include "quant/weight_format.h"
#include "weights/tensor_source.h"

namespace jiang {

class LooseTensors final : public TensorSource {
 public:
  Json config_ = Json::object();
  SourceConventions conventions_;
  std::vector<UnusableTensor> unusable_;
  bool is_whole = true;

  // A tensor of these values, in `format`.
  void add(const std::string& name, const Shape& shape, const std::vector<float>& values,
           Format format = Format::f32) {
    const WeightFormat& row = weight_format(format);
    const uint64_t row_bytes = *row.row_bytes(shape.cols());
    std::vector<std::byte>& bytes =
        memory_.emplace_back(row_bytes * static_cast<uint64_t>(shape.rows()));
    for (int64_t i = 0; i < shape.rows(); ++i) {
      row.quantize(bytes.data() + static_cast<uint64_t>(i) * row_bytes,
                   values.data() + i * shape.cols(), shape.cols(), nullptr);
    }
    tensors_.push_back({name, name, format, shape, bytes});
  }
  // Gaussian weights; the same for the same name.
  std::vector<float> add_random(const std::string& name, const Shape& shape,
                                Format format = Format::f32) {
    std::seed_seq seed(name.begin(), name.end());
    std::mt19937 random(seed);
    std::vector<float> values(static_cast<size_t>(shape.elements()));
    // Sum of uniform numbers, the same in every standard library.
    for (float& value : values) {
      value = 0;
      for (int k = 0; k < 6; ++k) value += static_cast<float>(random()) * 0x1p-32f - 0.5f;
      value *= 0.03f;
    }
    add(name, shape, values, format);
    return values;
  }

  const std::string& path() const override { return path_; }
  const Json& config() const override { return config_; }
  const Json& generation_config() const override { return generation_config_; }
  const Metadata* metadata() const override { return nullptr; }
  const SourceConventions& conventions() const override { return conventions_; }
  std::span<const TensorInfo> tensors() const override { return tensors_; }
  std::span<const UnusableTensor> unusable() const override { return unusable_; }
  const TensorInfo* find(std::string_view name) const override {
    for (const TensorInfo& tensor : tensors_) {
      if (tensor.name == name) return &tensor;
    }
    return nullptr;
  }
  bool still_whole() const override { return is_whole; }

 private:
  std::string path_ = "memory/model";
  Json generation_config_ = Json::object();
  std::deque<std::vector<std::byte>> memory_;
  std::vector<TensorInfo> tensors_;
};

}  // namespace jiang
