// ThreadPool: the compute threads of the process. A step of a model calls run() hundreds of times,
// so the threads spin briefly before they sleep. Results never depend on the number of threads:
// work is split by output, and each output is computed by one thread in one order.
#pragma once

#include <cstddef>
#include <memory>

#include "base/function_ref.h"

namespace jiang {

class ThreadPool {
 public:
  // `n_threads` >= 1 counts the caller: ThreadPool(1) starts no thread. Where the system refuses
  // some, the pool has those that it got. `niceness` is added to that of the threads started
  // (nice(2)): where others have short work to do, they go first.
  explicit ThreadPool(int n_threads, int niceness = 0);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int size() const;

  // Adds the pool's niceness to the calling thread's, once, for one that spends its life in run().
  void join_in_niceness() const;

  // Calls work(thread) once for every thread in [0, size()), the caller being thread 0, and returns
  // when all have finished. Callers on several threads take turns. The first exception is rethrown.
  void run(FunctionRef<void(int thread)> work);

  // Splits [0, n) into at most size() contiguous ranges whose borders are multiples of `grain`.
  void parallel_for(size_t n, size_t grain, FunctionRef<void(size_t begin, size_t end)> work);

  // Calls work(i, thread) for every i in [0, n). Each thread begins with a range of its own, the
  // one that parallel_for gives it, whose data may still lie in its cache, and then takes what is
  // left of the others': for units that take different times.
  void for_each(size_t n, FunctionRef<void(size_t i, int thread)> work);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace jiang
