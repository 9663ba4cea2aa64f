#include "ops/arena.h"

#include <sys/mman.h>

#include <cstdint>
#include <new>

#include "base/check.h"
#include "base/checked.h"
#include "base/large_pages.h"

namespace jiang {

ReservedMemory::ReservedMemory(size_t bytes) {
  if (bytes == 0) return;
  void* memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) throw std::bad_alloc();
  advise_large_pages(memory, bytes);
  data_ = {static_cast<std::byte*>(memory), UnmapMemory{bytes}};
}

void UnmapMemory::operator()(std::byte* memory) const { munmap(memory, bytes); }

// Any address that is aligned and not null will do: it is added to, never followed.
Arena::Arena(CountOnly)
    : base_(reinterpret_cast<std::byte*>(uintptr_t{1} << 20)), capacity_(SIZE_MAX >> 1) {}

std::byte* Arena::bytes(size_t count) {
  const auto rounded = checked_align(count, kAlignment);
  JIANG_CHECK(rounded && *rounded <= capacity_ - used_,
              "the workspace is too small for this batch: " + std::to_string(used_) + " of " +
                  std::to_string(capacity_) + " bytes used, " + std::to_string(count) +
                  " more wanted");
  std::byte* memory = base_ + used_;
  used_ += *rounded;
  if (used_ > peak_) peak_ = used_;
  return memory;
}

TensorView Arena::matrix(int64_t rows, int64_t cols) {
  JIANG_CHECK(rows >= 0 && cols > 0, "a matrix has columns");
  const auto elements = checked_mul(static_cast<uint64_t>(rows), static_cast<uint64_t>(cols));
  const auto size = elements ? checked_mul(*elements, sizeof(float)) : std::nullopt;
  JIANG_CHECK(size.has_value(), "a matrix beyond the address space");
  return {reinterpret_cast<float*>(bytes(*size)), rows, cols, cols};
}

void Arena::release(size_t mark) {
  JIANG_CHECK(mark <= used_, "marks are released in reverse order");
  used_ = mark;
}

}  // namespace jiang
