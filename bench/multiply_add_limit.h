// The most multiply-adds per second that these threads reach, measured: what a bench is held
// beside.
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <vector>

#include "base/thread_pool.h"
#include "kernels/bf16.h"
#include "kernels/training.h"

namespace jiang::bench {

inline double seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

// Giga floating-point operations; a multiply-add is two. `rounds(n)` does n rounds and says how
// many multiply-adds these were.
template <class Rounds>
double measured_gflops(ThreadPool& pool, const Rounds& rounds) {
  double best = 0;
  int64_t n = 1000;
  for (int pass = 0; pass < 8; ++pass) {
    std::vector<int64_t> done(static_cast<size_t>(pool.size()));
    const double start = seconds();
    pool.run([&](int thread) { done[static_cast<size_t>(thread)] = rounds(n); });
    const double took = seconds() - start;
    double all = 0;
    for (const int64_t one : done) all += static_cast<double>(one);
    best = std::max(best, 2 * all / took / 1e9);
    if (took < 0.05) n *= took < 0.005 ? 10 : 2;
  }
  return best;
}

struct Limits {
  double f32 = 0;
  double bf16 = 0;  // by the instructions that this level multiplies bf16 with
};

inline double limit_gflops(ThreadPool& pool) {
  return measured_gflops(pool, [](int64_t n) { return kernels::training_table().fma_rounds(n); });
}

inline Limits print_limits(ThreadPool& pool) {
  const kernels::Bf16Table& bf16 = kernels::bf16_table();
  Limits limits;
  limits.f32 = limit_gflops(pool);
  limits.bf16 = measured_gflops(pool, [&](int64_t n) { return bf16.rounds(n); });
  fmt::print("{} threads, {}: at most {:.0f} GFLOP/s of f32 multiply-adds", pool.size(),
             kernels::level_name(kernels::level()), limits.f32);
  const kernels::Bf16Table* dots = kernels::bf16_table_of(kernels::Level::avx512_vnni);
  if (dots && dots->is_native && dots->multiply != bf16.multiply) {
    fmt::print(", {:.0f} of bf16 by {}",
               measured_gflops(pool, [&](int64_t n) { return dots->rounds(n); }), dots->name);
  }
  fmt::print(", {:.0f} of bf16 by {}\n", limits.bf16, bf16.name);
  return limits;
}

}  // namespace jiang::bench
