#include "tensor/tensor.h"

#include <cstdlib>
#include <cstring>
#include <new>

#include "base/large_pages.h"

namespace jiang {

AlignedBuffer::AlignedBuffer(size_t bytes) : size_(bytes) {
  const size_t rounded = (bytes + 63) / 64 * 64;
  if (rounded < bytes) throw std::bad_alloc();
  void* memory = std::aligned_alloc(64, rounded ? rounded : 64);
  if (!memory) throw std::bad_alloc();
  advise_large_pages(memory, rounded);
  std::memset(memory, 0, rounded);
  data_.reset(static_cast<std::byte*>(memory));
}

void AlignedBuffer::Free::operator()(std::byte* memory) const { std::free(memory); }

}  // namespace jiang
