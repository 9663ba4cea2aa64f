// ReservedMemory: address space that costs memory only where it is touched. Arena: a bump allocator
// over it, whose blocks are freed all at once by going back to a mark.
#pragma once

#include <cstddef>
#include <memory>

#include "tensor/tensor.h"

namespace jiang {

struct UnmapMemory {
  size_t bytes = 0;
  void operator()(std::byte* memory) const;
};

// Zeroed pages from the kernel, without a promise of swap behind them. Throws std::bad_alloc when
// even the addresses cannot be had.
class ReservedMemory {
 public:
  ReservedMemory() = default;
  explicit ReservedMemory(size_t bytes);
  std::byte* data() const { return data_.get(); }
  size_t size() const { return data_.get_deleter().bytes; }

 private:
  std::unique_ptr<std::byte, UnmapMemory> data_;
};

class Arena {
 public:
  // Blocks begin on cache lines, so that no two threads write to one.
  static constexpr size_t kAlignment = 64;

  explicit Arena(size_t bytes) : memory_(bytes), base_(memory_.data()), capacity_(memory_.size()) {}
  // An arena without memory: it only counts, and what it returns must not be touched.
  struct CountOnly {};
  explicit Arena(CountOnly);

  // BugError beyond the capacity.
  TensorView matrix(int64_t rows, int64_t cols);
  std::byte* bytes(size_t count);

  size_t mark() const { return used_; }
  void release(size_t mark);
  size_t peak() const { return peak_; }

 private:
  ReservedMemory memory_;
  std::byte* base_;
  size_t capacity_;
  size_t used_ = 0;
  size_t peak_ = 0;
};

}  // namespace jiang
