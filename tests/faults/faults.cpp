#include "tests/faults/faults.h"

#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>

#include <atomic>
#include <cstdlib>
#include <new>

namespace jiang {
namespace {

constexpr size_t kLeast = 256;
std::atomic<int64_t> left[2];  // until it fails; 0: never
std::atomic<bool> has_struck = false;
thread_local int spared = 0;

bool strikes(Fault fault) {
  std::atomic<int64_t>& counter = left[static_cast<size_t>(fault)];
  if (counter.load(std::memory_order_relaxed) <= 0 || spared > 0) return false;
  if (counter.fetch_sub(1) != 1) return false;
  has_struck.store(true);
  return true;
}

void* allocate(size_t bytes, size_t alignment) {
  if (bytes >= kLeast && strikes(Fault::allocation)) return nullptr;
  if (bytes == 0) bytes = 1;
  return alignment <= alignof(std::max_align_t)
             ? std::malloc(bytes)
             : std::aligned_alloc(alignment, (bytes + alignment - 1) / alignment * alignment);
}

void* allocate_or_throw(size_t bytes, size_t alignment) {
  void* memory = allocate(bytes, alignment);
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}

}  // namespace

void fail_the(int64_t n, Fault fault) {
  has_struck.store(false);
  left[static_cast<size_t>(fault)].store(n);
}

bool end_of_faults() {
  for (auto& counter : left) counter.store(0);
  return has_struck.load();
}

Spared::Spared() { ++spared; }
Spared::~Spared() { --spared; }

}  // namespace jiang

void* operator new(size_t n) { return jiang::allocate_or_throw(n, 1); }
void* operator new[](size_t n) { return jiang::allocate_or_throw(n, 1); }
void* operator new(size_t n, const std::nothrow_t&) noexcept { return jiang::allocate(n, 1); }
void* operator new[](size_t n, const std::nothrow_t&) noexcept { return jiang::allocate(n, 1); }
void* operator new(size_t n, std::align_val_t a) {
  return jiang::allocate_or_throw(n, static_cast<size_t>(a));
}
void* operator new[](size_t n, std::align_val_t a) {
  return jiang::allocate_or_throw(n, static_cast<size_t>(a));
}
void operator delete(void* p) noexcept { std::free(p); }
void operator delete[](void* p) noexcept { std::free(p); }
void operator delete(void* p, size_t) noexcept { std::free(p); }
void operator delete[](void* p, size_t) noexcept { std::free(p); }
void operator delete(void* p, const std::nothrow_t&) noexcept { std::free(p); }
void operator delete[](void* p, const std::nothrow_t&) noexcept { std::free(p); }
void operator delete(void* p, std::align_val_t) noexcept { std::free(p); }
void operator delete[](void* p, std::align_val_t) noexcept { std::free(p); }
void operator delete(void* p, size_t, std::align_val_t) noexcept { std::free(p); }
void operator delete[](void* p, size_t, std::align_val_t) noexcept { std::free(p); }

extern "C" int pthread_create(pthread_t* thread, const pthread_attr_t* attributes,
                              void* (*start)(void*), void* argument) {
  typedef int (*Create)(pthread_t*, const pthread_attr_t*, void* (*)(void*), void*);
  static const auto create = reinterpret_cast<Create>(dlsym(RTLD_NEXT, "pthread_create"));
  if (jiang::strikes(jiang::Fault::thread)) return EAGAIN;
  return create(thread, attributes, start, argument);
}

// Read by the leak sanitizer. A constructor of nlohmann::json that throws halfway forgets what it
// had.
extern "C" const char* __lsan_default_suppressions();
extern "C" const char* __lsan_default_suppressions() { return "leak:nlohmann::\n"; }
