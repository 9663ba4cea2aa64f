// What this machine can do at best, measured: `jiang bench` and `jiang doctor` print these beside
// every figure of their own. Each takes about a quarter of a second and disturbs what runs beside
// it.
#pragma once

#include "base/thread_pool.h"

namespace jiang {

// Bytes per second, in units of 1e9, that all threads of the pool together read from memory: a
// buffer well beyond the last-level cache, the best of several passes. 0 if memory for the buffer
// could not be had.
double measure_read_gb_per_s(ThreadPool& pool);

// Operations per second, in units of 1e9, of the dot-product instructions of the chosen ISA level
// on all threads. A multiply-accumulate is two operations.
double measure_dot_gop_per_s(ThreadPool& pool);

}  // namespace jiang
