#include "hub/transfer.h"

#include <algorithm>
#include <chrono>
#include <random>
#include <thread>

namespace jiang {

double steady_seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

Error Transfer::cancelled_error() {
  return Error{ErrorKind::cancelled,
               "stopped; what was fetched is kept, and the next pull goes on from there"};
}

HttpRequestOptions Transfer::request(std::function<bool()> stop) const {
  HttpRequestOptions request;
  request.url = file.url;
  request.headers = file.headers;
  request.headers.emplace_back("Accept-Encoding", "identity");
  request.connect_seconds = options.connect_seconds;
  request.stall_seconds = options.stall_seconds;
  request.max_bytes = ~uint64_t{0};
  request.cancelled = [this, stop = std::move(stop)] { return (stop && stop()) || is_cancelled(); };
  return request;
}

Status Transfer::pause(int attempt, double at_least, const std::function<bool()>& stop) const {
  static thread_local std::minstd_rand random(std::random_device{}());
  const double jitter = 0.5 + static_cast<double>(random() % 1000) / 1000;
  const double first = options.backoff_seconds;
  const double longest = std::max(first, std::min(30.0, first * 60));
  const double wait = std::max(std::min(longest, first * (1 << std::min(attempt, 10))) * jitter,
                               std::min(at_least, 120.0));
  const double until = steady_seconds() + wait;
  while (steady_seconds() < until) {
    if ((stop && stop()) || is_cancelled()) return cancelled_error();
    std::this_thread::sleep_for(
        std::chrono::duration<double>(std::clamp(until - steady_seconds(), 0.0, kDownloadTick)));
  }
  return ok();
}

void Transfer::report(DownloadPhase phase, uint64_t done) {
  shown = std::max(shown, done);
  if (options.on_progress) {
    options.on_progress({phase, shown, bytes ? *bytes : file.bytes.value_or(0)});
  }
}

}  // namespace jiang
