// Threads that work for the scope they belong to.
#pragma once

#include <cstddef>
#include <functional>
#include <thread>
#include <vector>

#include "base/result.h"

namespace jiang {

// Joined when they go: a failure on the way out of the function that started them waits for them
// and ends no process. A body that does not end by itself must have been told to before that.
// Not thread-safe.
class Threads {
 public:
  Threads() = default;
  ~Threads() { join(); }
  Threads(const Threads&) = delete;
  Threads& operator=(const Threads&) = delete;

  // ErrorKind::io where the system refuses a thread; the body does not run then.
  [[nodiscard]] Status start(std::function<void()> body);
  void join();
  size_t size() const { return threads_.size(); }

 private:
  std::vector<std::thread> threads_;
};

}  // namespace jiang
