// Parameters: the float matrices that a training run changes, and which parts of a model they are.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/result.h"
#include "model/model.h"
#include "ops/linear.h"
#include "tensor/tensor.h"

namespace jiang {

struct Parameter {
  std::string name;  // HF name of the tensor
  int64_t rows = 0;  // a vector is one row
  int64_t cols = 0;
  bool is_vector = false;
  bool decays = true;       // weight decay: matrices, not norms and biases
  float stored_offset = 0;  // added when it was loaded (Gemma's norms), taken off when written
  Tensor value;
  Tensor gradient;
  Tensor mean, square;  // of AdamW

  size_t size() const { return static_cast<size_t>(rows * cols); }
};

// Weights that stay as they are, plus scale * B A: LoRA (Hu et al., arXiv 2106.09685).
struct Adapter {
  Parameter* a = nullptr;  // (rank, in)
  Parameter* b = nullptr;  // (out, rank)
  float scale = 1;         // alpha / rank
  float dropout = 0;       // of the adapter's input, while training
};

// What the tape looks up when the model's forward names its own parts. Everything else is frozen.
struct Bindings {
  std::unordered_map<const Linear*, Parameter*> weights;
  std::unordered_map<const float*, Parameter*> vectors;  // by the first element in the model
  std::unordered_map<const WeightMatrix*, Parameter*> tables;
  std::unordered_map<const Linear*, Adapter> adapters;
};

class ParameterSet {
 public:
  Parameter& add(std::string name, int64_t rows, int64_t cols);
  // Every part of the model, with the model's values. A tied head shares the embedding's.
  void add_all(const Model& model, ThreadPool& pool);

  Parameter* find(std::string_view name) const;
  const std::vector<std::unique_ptr<Parameter>>& all() const { return all_; }
  size_t count() const;  // of numbers
  void clear_gradients(ThreadPool& pool);

  Bindings bindings;

 private:
  std::vector<std::unique_ptr<Parameter>> all_;
};

}  // namespace jiang
