#include "base/large_pages.h"

#include <pthread.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <string>
#include <system_error>

#include "base/machine.h"
#include "base/numa.h"

namespace jiang {
namespace {

constexpr size_t kLarge = size_t{2} << 20;
constexpr size_t kPiece = 16 * kLarge;
// A first answer may be under way: copying beside it took a quarter longer to its first token.
constexpr std::chrono::seconds kPatience{2};
constexpr int kNiceness = 5;

uintptr_t round_up(uintptr_t n) { return (n + kLarge - 1) / kLarge * kLarge; }
uintptr_t round_down(uintptr_t n) { return n / kLarge * kLarge; }

// "always [madvise] never"
bool are_granted() {
  std::ifstream file("/sys/kernel/mm/transparent_hugepage/enabled");
  std::string line;
  return std::getline(file, line) && line.find("[never]") == std::string::npos;
}

// [at, at + n), both multiples of kLarge, read-only. False: it is as it was.
bool replace(uintptr_t at, size_t n) {
  const size_t reserved = n + kLarge;
  void* const memory = ::mmap(nullptr, reserved, PROT_READ | PROT_WRITE,
                              MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) return false;
  const auto begin = reinterpret_cast<uintptr_t>(memory);
  const uintptr_t copy = round_up(begin);
  const auto pointer = [](uintptr_t address) { return reinterpret_cast<void*>(address); };
  spread_over_nodes(pointer(copy), n);
  ::madvise(pointer(copy), n, MADV_HUGEPAGE);
  std::memcpy(pointer(copy), pointer(at), n);
  // One system call takes the old pages away and puts the new ones there: readers wait for it.
  const bool is_moved =
      ::mprotect(pointer(copy), n, PROT_READ) == 0 &&
      ::mremap(pointer(copy), n, n, MREMAP_MAYMOVE | MREMAP_FIXED, pointer(at)) != MAP_FAILED;
  if (!is_moved) {
    ::munmap(memory, reserved);
    return false;
  }
  if (copy > begin) ::munmap(memory, copy - begin);
  if (begin + reserved > copy + n) ::munmap(pointer(copy + n), begin + reserved - copy - n);
  return true;
}

}  // namespace

void advise_large_pages(void* memory, size_t bytes) {
  const auto begin = round_up(reinterpret_cast<uintptr_t>(memory));
  const auto end = round_down(reinterpret_cast<uintptr_t>(memory) + bytes);
  if (begin >= end) return;
  spread_over_nodes(reinterpret_cast<void*>(begin), end - begin);
  ::madvise(reinterpret_cast<void*>(begin), end - begin, MADV_HUGEPAGE);
}

LargePageCopy::~LargePageCopy() {
  is_stopping_.store(true);
  finish();
}

void LargePageCopy::start(std::span<const std::byte> mapped) {
  try {
    thread_ = std::thread([this, mapped] { run(mapped); });
  } catch (const std::system_error&) {  // then the mapping stays as it is
  }
}

size_t LargePageCopy::finish() {
  {
    const std::lock_guard lock(mutex_);
    is_awaited_ = true;
  }
  woken_.notify_all();
  if (thread_.joinable()) thread_.join();
  return copied_.load();
}

void LargePageCopy::run(std::span<const std::byte> mapped) {
  pthread_setname_np(pthread_self(), "jiang-pages");
  {
    std::unique_lock lock(mutex_);
    woken_.wait_for(lock, kPatience, [&] { return is_awaited_; });
  }
  if (is_stopping_.load()) return;
  if (!are_granted() || inspect_machine().available_bytes < 2 * mapped.size()) return;
  const auto self = static_cast<id_t>(::syscall(SYS_gettid));
  ::setpriority(PRIO_PROCESS, self, ::getpriority(PRIO_PROCESS, self) + kNiceness);
  const auto begin = reinterpret_cast<uintptr_t>(mapped.data());
  const uintptr_t end = round_down(begin + mapped.size());
  for (uintptr_t at = round_up(begin); at < end && !is_stopping_.load();) {
    const size_t n = std::min<size_t>(kPiece, end - at);
    if (!replace(at, n)) return;
    at += n;
    copied_ += n;
  }
}

}  // namespace jiang
