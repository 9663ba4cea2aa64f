// BlockPool: memory of one training step. Blocks are given back and taken again by size (the layers
// of a model ask for the same few sizes), so a step touches little memory and what it touches is
// warm.
#pragma once

#include <cstddef>
#include <map>
#include <vector>

#include "ops/arena.h"

namespace jiang {

class BlockPool {
 public:
  explicit BlockPool(size_t bytes);
  // Only counts: what it returns must not be touched.
  struct CountOnly {};
  explicit BlockPool(CountOnly);

  // BugError beyond the capacity (the caller measured the step with CountOnly).
  float* take(size_t n_floats);
  void give_back(float* block, size_t n_floats);
  void clear();

  size_t peak() const { return peak_; }  // bytes

 private:
  ReservedMemory memory_;
  std::byte* base_;
  size_t capacity_;
  size_t used_ = 0;
  size_t peak_ = 0;
  std::map<size_t, std::vector<float*>> free_;  // by bytes
};

}  // namespace jiang
