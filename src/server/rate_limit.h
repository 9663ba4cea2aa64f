// RateLimit: so many a minute for each account or address, as a token bucket: up to a minute's
// worth at once, and then as they come back. Thread-safe.
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <mutex>
#include <string>
#include <unordered_map>

namespace jiang {

class RateLimit {
 public:
  using Clock = std::chrono::steady_clock;
  // Of more accounts than this the fullest buckets are forgotten.
  static constexpr size_t kMaxBuckets = 10000;

  // 0: no limit.
  explicit RateLimit(int per_minute, std::function<Clock::time_point()> now = Clock::now)
      : per_minute_(per_minute), now_(std::move(now)) {}

  // Seconds to wait until one is there, 0: there is one. Takes none.
  int wait(const std::string& who);
  // Takes one if it is there; else the seconds to wait.
  int take(const std::string& who);

 private:
  struct Bucket {
    double left;
    Clock::time_point at;
  };
  Bucket& refilled(const std::string& who);
  int wait_of(const Bucket& bucket) const;

  const int per_minute_;
  const std::function<Clock::time_point()> now_;
  std::mutex mutex_;
  std::unordered_map<std::string, Bucket> buckets_;  // a full one need not be here
};

}  // namespace jiang
