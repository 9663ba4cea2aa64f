#include "server/worker_pool.h"

#include <pthread.h>

#include <exception>

namespace jiang {

WorkerPool::WorkerPool(int n_threads, std::function<void(const std::string&)> on_exception)
    : on_exception_(std::move(on_exception)) {
  try {
    for (int i = 0; i < n_threads; ++i) threads_.emplace_back([this] { loop(); });
  } catch (...) {
    stop();
    throw;
  }
}

WorkerPool::~WorkerPool() { stop(); }

void WorkerPool::stop() {
  {
    const std::lock_guard lock(mutex_);
    is_stopping_ = true;
    changed_.notify_all();
  }
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
  std::deque<std::function<void()>> late;  // dropped under no lock
  const std::lock_guard lock(mutex_);
  has_stopped_ = true;
  late.swap(tasks_);
}

void WorkerPool::post(std::function<void()> task) {
  const std::lock_guard lock(mutex_);
  if (has_stopped_) return;
  tasks_.push_back(std::move(task));
  // Under the lock: when the task is done, the pool may go.
  changed_.notify_one();
}

size_t WorkerPool::n_waiting() const {
  const std::lock_guard lock(mutex_);
  return tasks_.size();
}

void WorkerPool::loop() {
  pthread_setname_np(pthread_self(), "jiang-worker");
  while (true) {
    std::function<void()> task;
    {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [this] { return is_stopping_ || !tasks_.empty(); });
      if (tasks_.empty()) return;
      task = std::move(tasks_.front());
      tasks_.pop_front();
    }
    try {
      task();
      task = nullptr;  // its captures may throw, too, and belong to the task
    } catch (const std::exception& exception) {
      if (on_exception_) on_exception_(exception.what());
    }
  }
}

}  // namespace jiang
