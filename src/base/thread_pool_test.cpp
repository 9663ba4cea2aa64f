#include "base/thread_pool.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <stdexcept>
#include <thread>
#include <vector>

namespace jiang {
namespace {

TEST(ThreadPool, EveryIndexIsVisitedOnceForAnyThreadCountAndGrain) {
  for (const int threads : {1, 2, 3, 5}) {
    ThreadPool pool(threads);
    for (const size_t n : {0, 1, 2, 7, 64, 1000}) {
      for (const size_t grain : {1, 3, 16, 2000}) {
        std::vector<std::atomic<int>> visits(n);
        pool.parallel_for(n, grain, [&](size_t begin, size_t end) {
          EXPECT_EQ(begin % grain, 0u);
          for (size_t i = begin; i < end; ++i) ++visits[i];
        });
        for (const auto& count : visits) EXPECT_EQ(count, 1);
      }
    }
  }
}

TEST(ThreadPool, ForEachVisitsEveryIndexOnceOnAThreadOfThePool) {
  for (const int threads : {1, 2, 5}) {
    ThreadPool pool(threads);
    for (const size_t n : {0, 1, 2, 4, 7, 100}) {
      std::vector<std::atomic<int>> visits(n);
      std::atomic<bool> is_of_pool{true};
      pool.for_each(n, [&](size_t i, int thread) {
        visits[i]++;
        if (thread < 0 || thread >= threads) is_of_pool = false;
      });
      for (const auto& count : visits) EXPECT_EQ(count, 1) << threads << " threads, " << n;
      EXPECT_TRUE(is_of_pool);
    }
  }
}

TEST(ThreadPool, RunCallsEveryThread) {
  ThreadPool pool(4);
  std::vector<std::atomic<int>> calls(4);
  for (int i = 0; i < 1000; ++i)
    pool.run([&](int thread) { ++calls[static_cast<size_t>(thread)]; });
  for (const auto& count : calls) EXPECT_EQ(count, 1000);
}

TEST(ThreadPool, AnExceptionReachesTheCallerAndThePoolLivesOn) {
  ThreadPool pool(3);
  EXPECT_THROW(pool.run([](int thread) {
    if (thread == 2) throw std::runtime_error("no");
  }),
               std::runtime_error);
  std::atomic<int> calls{0};
  pool.run([&](int) { ++calls; });
  EXPECT_EQ(calls, 3);
}

TEST(ThreadPool, ItsThreadsAreNicerByWhatItSaysAndItsCallerWhenAsked) {
  const auto niceness_here = [] {
    return ::getpriority(PRIO_PROCESS, static_cast<id_t>(::syscall(SYS_gettid)));
  };
  const int before = niceness_here();
  const int nicer = std::min(3, 19 - before);  // 19 is the nicest
  ThreadPool pool(2, nicer);
  std::array<int, 2> seen{};
  std::thread([&] {  // nobody takes niceness back: not this test's thread
    pool.run([&](int thread) { seen[static_cast<size_t>(thread)] = niceness_here(); });
    EXPECT_EQ(seen[0], before);
    EXPECT_EQ(seen[1], before + nicer);
    pool.join_in_niceness();
    EXPECT_EQ(niceness_here(), before + nicer);
  })
      .join();
}

TEST(ThreadPool, CallersOnSeveralThreadsTakeTurns) {
  ThreadPool pool(2);
  int unguarded = 0;  // thread 0 of each run writes it: a data race if two runs overlapped
  std::vector<std::thread> callers;
  for (int c = 0; c < 4; ++c) {
    callers.emplace_back([&] {
      for (int i = 0; i < 200; ++i)
        pool.run([&](int thread) {
          if (thread == 0) ++unguarded;
        });
    });
  }
  for (auto& caller : callers) caller.join();
  EXPECT_EQ(unguarded, 800);
}

}  // namespace
}  // namespace jiang
