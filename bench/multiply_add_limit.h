// The most multiply-adds per second that these threads reach, measured: what a bench is held
// beside.
#pragma once

#include <algorithm>
#include <chrono>
#include <vector>

#include "base/thread_pool.h"
#include "kernels/training.h"

namespace jiang::bench {

inline double seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

// Giga floating-point operations; a multiply-add is two.
inline double limit_gflops(ThreadPool& pool) {
  double best = 0;
  for (int pass = 0; pass < 5; ++pass) {
    std::vector<int64_t> done(static_cast<size_t>(pool.size()));
    const double start = seconds();
    pool.run([&](int thread) {
      done[static_cast<size_t>(thread)] = kernels::training_table().fma_rounds(3'000'000);
    });
    double all = 0;
    for (const int64_t n : done) all += static_cast<double>(n);
    best = std::max(best, 2 * all / (seconds() - start) / 1e9);
  }
  return best;
}

}  // namespace jiang::bench
