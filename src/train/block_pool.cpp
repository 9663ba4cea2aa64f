#include "train/block_pool.h"

#include <algorithm>
#include <cstdint>

#include "base/check.h"

namespace jiang {
namespace {

constexpr size_t kAlignment = 64;

size_t block_bytes(size_t n_floats) {
  return (std::max<size_t>(n_floats, 1) * sizeof(float) + kAlignment - 1) / kAlignment * kAlignment;
}

}  // namespace

BlockPool::BlockPool(size_t bytes)
    : memory_(bytes), base_(memory_.data()), capacity_(memory_.size()) {}

// Addresses that no object has, so that views of counted memory differ from each other.
BlockPool::BlockPool(CountOnly)
    : base_(reinterpret_cast<std::byte*>(kAlignment)), capacity_(SIZE_MAX / 2) {}

float* BlockPool::take(size_t n_floats) {
  const size_t bytes = block_bytes(n_floats);
  std::vector<float*>& free = free_[bytes];
  if (!free.empty()) {
    float* block = free.back();
    free.pop_back();
    return block;
  }
  JIANG_CHECK(bytes <= capacity_ - used_, "a training step beyond the memory it was measured for");
  auto* block = reinterpret_cast<float*>(base_ + used_);
  used_ += bytes;
  peak_ = std::max(peak_, used_);
  return block;
}

void BlockPool::give_back(float* block, size_t n_floats) {
  free_[block_bytes(n_floats)].push_back(block);
}

void BlockPool::clear() {
  used_ = 0;
  free_.clear();
}

}  // namespace jiang
