#include "base/thread_pool.h"

#include <linux/futex.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <exception>
#include <mutex>
#include <optional>
#include <system_error>
#include <thread>
#include <vector>

#include "base/check.h"

namespace jiang {
namespace {

// How long a waiting thread looks before it sleeps: about 50 us, longer than the gap between two
// operations of a step, shorter than anything a person or a battery notices.
constexpr int kSpins = 4000;

inline void relax() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

// A 32-bit counter that threads wait on: spin first, then sleep in the kernel. `sleepers` spares
// the wake-up call when nobody sleeps.
struct alignas(64) Gate {
  std::atomic<uint32_t> value{0};
  std::atomic<uint32_t> sleepers{0};

  void wait_while_equal(uint32_t seen) {
    for (int i = 0; i < kSpins; ++i) {
      if (value.load(std::memory_order_acquire) != seen) return;
      relax();
    }
    sleepers.fetch_add(1);
    while (value.load() == seen) {
      ::syscall(SYS_futex, &value, FUTEX_WAIT_PRIVATE, seen, nullptr, nullptr, 0);
    }
    sleepers.fetch_sub(1);
  }

  void add(uint32_t n) {
    value.fetch_add(n);
    if (sleepers.load() > 0)
      ::syscall(SYS_futex, &value, FUTEX_WAKE_PRIVATE, INT32_MAX, nullptr, nullptr, 0);
  }
};

// Of the calling thread alone: niceness is a thread's in Linux. Being nicer is always allowed.
void add_niceness(int niceness) {
  if (niceness <= 0) return;
  const auto self = static_cast<id_t>(::syscall(SYS_gettid));
  ::setpriority(PRIO_PROCESS, self, ::getpriority(PRIO_PROCESS, self) + niceness);
}

}  // namespace

struct ThreadPool::State {
  explicit State(int nicer) : niceness(nicer) {}

  const int niceness;
  std::mutex turn;  // one run() at a time
  Gate started;     // counts runs
  Gate finished;    // counts workers that finished the current run, over all runs
  std::optional<FunctionRef<void(int)>> work;
  std::atomic<bool> stopping{false};
  std::atomic<bool> failed{false};
  std::exception_ptr
      error;  // of the first thread that failed; written by the one that set `failed`
  std::vector<std::thread> workers;

  void call(int thread) {
    try {
      (*work)(thread);
    } catch (...) {
      if (!failed.exchange(true)) error = std::current_exception();
    }
  }

  void worker_loop(int thread) {
    add_niceness(niceness);
    for (uint32_t run = 0;; ++run) {
      started.wait_while_equal(run);
      if (stopping.load()) return;
      call(thread);
      finished.add(1);
    }
  }
};

ThreadPool::ThreadPool(int n_threads, int niceness) : state_(std::make_unique<State>(niceness)) {
  JIANG_CHECK(n_threads >= 1, "a pool has at least one thread");
  state_->workers.reserve(static_cast<size_t>(n_threads - 1));
  try {
    for (int thread = 1; thread < n_threads; ++thread)
      state_->workers.emplace_back([state = state_.get(), thread] { state->worker_loop(thread); });
  } catch (const std::system_error&) {  // no more are to be had: size() says how many there are
  }
}

ThreadPool::~ThreadPool() {
  state_->stopping.store(true);
  state_->started.add(1);
  for (std::thread& worker : state_->workers) worker.join();
}

int ThreadPool::size() const { return static_cast<int>(state_->workers.size()) + 1; }

void ThreadPool::join_in_niceness() const { add_niceness(state_->niceness); }

void ThreadPool::run(FunctionRef<void(int thread)> work) {
  const std::lock_guard turn(state_->turn);
  const auto n_workers = static_cast<uint32_t>(state_->workers.size());
  state_->work = work;
  const uint32_t target = state_->finished.value.load() + n_workers;
  if (n_workers > 0) state_->started.add(1);
  state_->call(0);
  while (true) {
    const uint32_t now = state_->finished.value.load(std::memory_order_acquire);
    if (now == target) break;
    state_->finished.wait_while_equal(now);
  }
  if (state_->failed.exchange(false)) {
    std::rethrow_exception(std::exchange(state_->error, nullptr));
  }
}

void ThreadPool::parallel_for(size_t n, size_t grain,
                              FunctionRef<void(size_t begin, size_t end)> work) {
  if (n == 0) return;
  const auto threads = static_cast<size_t>(size());
  const size_t chunks = (n + grain - 1) / grain;
  if (threads == 1 || chunks == 1) {
    work(0, n);
    return;
  }
  run([&](int thread) {
    const auto i = static_cast<size_t>(thread);
    const size_t begin = chunks * i / threads * grain;
    const size_t end = std::min(n, chunks * (i + 1) / threads * grain);
    if (begin < end) work(begin, end);
  });
}

void ThreadPool::for_each(size_t n, FunctionRef<void(size_t i, int thread)> work) {
  const auto threads = static_cast<size_t>(size());
  if (threads == 1 || n <= 1) {
    for (size_t i = 0; i < n; ++i) work(i, 0);
    return;
  }
  struct alignas(64) Range {  // a cache line each
    std::atomic<size_t> next;
  };
  std::vector<Range> ranges(threads);
  for (size_t t = 0; t < threads; ++t) ranges[t].next = n * t / threads;
  run([&](int thread) {
    for (size_t other = 0; other < threads; ++other) {
      const size_t owner = (static_cast<size_t>(thread) + other) % threads;
      const size_t end = n * (owner + 1) / threads;
      std::atomic<size_t>& next = ranges[owner].next;
      for (size_t i = next.fetch_add(1, std::memory_order_relaxed); i < end;
           i = next.fetch_add(1, std::memory_order_relaxed)) {
        work(i, thread);
      }
    }
  });
}

}  // namespace jiang
