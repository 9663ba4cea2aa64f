#include "base/threads.h"

#include <system_error>

namespace jiang {

Status Threads::start(std::function<void()> body) {
  try {
    threads_.reserve(threads_.size() + 1);
    threads_.emplace_back(std::move(body));
  } catch (const std::system_error& failure) {
    return fail(ErrorKind::io,
                "the system starts no more threads: {}; raise the limit of processes (ulimit -u, "
                "pids.max of a container)",
                failure.what());
  }
  return ok();
}

void Threads::join() {
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
}

}  // namespace jiang
