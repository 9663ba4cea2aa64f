#include "server/worker_pool.h"

#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <thread>

namespace jiang {
namespace {

TEST(WorkerPool, StoppingFinishesWhatWasPostedAndDropsWhatComesLater) {
  std::atomic<int> ran = 0;
  WorkerPool pool(2);
  for (int i = 0; i < 100; ++i) pool.post([&] { ++ran; });
  pool.stop();
  EXPECT_EQ(ran, 100);
  const auto held = std::make_shared<int>(1);
  pool.post([&ran, held] { ++ran; });
  EXPECT_EQ(held.use_count(), 1) << "dropped at once";
  pool.stop();
  EXPECT_EQ(ran, 100);
}

TEST(WorkerPool, PoolsThatPostToEachOtherStopInAnyOrder) {
  for (int round = 0; round < 50; ++round) {
    auto first = std::make_unique<WorkerPool>(2);
    auto second = std::make_unique<WorkerPool>(1);
    const auto held = std::make_shared<int>(0);
    for (int i = 0; i < 20; ++i) {
      first->post([&, held] { second->post([&, held] { first->post([held] {}); }); });
    }
    second->stop();
    first->stop();
    EXPECT_EQ(held.use_count(), 1) << "no task is left, to be dropped when a pool is gone";
  }
}

TEST(WorkerPool, GoesAsSoonAsItsLastTaskIsDone) {
  for (int round = 0; round < 200; ++round) {
    WorkerPool posting(1);
    std::atomic<bool> done = false;
    auto pool = std::make_unique<WorkerPool>(1);
    posting.post([&] { pool->post([&] { done = true; }); });
    while (!done) std::this_thread::yield();
    pool.reset();
  }
}

}  // namespace
}  // namespace jiang
