// WorkerPool: a few threads for work that may wait: databases, templates, tokenizers. Tasks start
// in the order in which they were posted.
//
// post() may be called from any thread. A task that throws is a bug; it is caught and told to
// `on_exception`.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace jiang {

class WorkerPool {
 public:
  // Throws std::system_error where the system refuses a thread.
  explicit WorkerPool(int n_threads, std::function<void(const std::string&)> on_exception = {});
  ~WorkerPool();
  WorkerPool(const WorkerPool&) = delete;
  WorkerPool& operator=(const WorkerPool&) = delete;

  void post(std::function<void()> task);
  // Finishes what was posted and ends the threads, once; the destructor does so, too. What is
  // posted later is dropped: pools whose tasks post to each other stop first, all of them, and then
  // go.
  void stop();
  size_t n_waiting() const;

 private:
  void loop();

  const std::function<void(const std::string&)> on_exception_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::function<void()>> tasks_;
  bool is_stopping_ = false;
  bool has_stopped_ = false;          // nobody would run a task
  std::vector<std::thread> threads_;  // last: they use all the others
};

}  // namespace jiang
