#include "ops/probes.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstring>

#include "kernels/table.h"

namespace jiang {
namespace {

constexpr int kPasses = 6;

double seconds_of(ThreadPool& pool, FunctionRef<void(int)> work) {
  const auto start = std::chrono::steady_clock::now();
  pool.run(work);
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

size_t probe_bytes() {
  long cache = -1;
#ifdef _SC_LEVEL3_CACHE_SIZE
  cache = sysconf(_SC_LEVEL3_CACHE_SIZE);
#endif
  return std::clamp<size_t>(cache > 0 ? 8 * static_cast<size_t>(cache) : 0, 256u << 20, 1u << 30);
}

}  // namespace

double measure_read_gb_per_s(ThreadPool& pool) {
  const size_t bytes = probe_bytes();
  void* memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return 0;
  const size_t share = bytes / static_cast<size_t>(pool.size()) / 4096 * 4096;
  const auto part = [&](int thread) {
    return static_cast<std::byte*>(memory) + static_cast<size_t>(thread) * share;
  };
  // Untouched pages would all be the same page of zeros.
  pool.run([&](int thread) { std::memset(part(thread), thread + 1, share); });
  std::atomic<uint64_t> sink = 0;
  double best = 1e30;
  for (int pass = 0; pass < kPasses; ++pass) {
    best = std::min(best, seconds_of(pool, [&](int thread) {
                      sink +=
                          kernels::table().read_bytes(part(thread), static_cast<int64_t>(share));
                    }));
  }
  munmap(memory, bytes);
  return static_cast<double>(share) * pool.size() / best / 1e9;
}

double measure_dot_gop_per_s(ThreadPool& pool) {
  const auto dot_rounds = kernels::table().dot_rounds;
  // As many rounds as take about 20 ms.
  int64_t rounds = 1000;
  while (seconds_of(pool, [&](int) { dot_rounds(rounds); }) < 0.01 && rounds < (int64_t{1} << 40))
    rounds *= 2;
  double best = 1e30;
  std::atomic<int64_t> macs = 0;
  for (int pass = 0; pass < kPasses; ++pass) {
    macs = 0;
    best = std::min(best, seconds_of(pool, [&](int) { macs += dot_rounds(rounds); }));
  }
  return 2.0 * static_cast<double>(macs) / best / 1e9;
}

}  // namespace jiang
