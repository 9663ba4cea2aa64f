#include "server/rate_limit.h"

#include <algorithm>
#include <cmath>

namespace jiang {

RateLimit::Bucket& RateLimit::refilled(const std::string& who) {
  const auto now = now_();
  const auto refill = [&](Bucket& bucket) {
    const double minutes = std::chrono::duration<double, std::ratio<60>>(now - bucket.at).count();
    bucket.left = std::min<double>(per_minute_, bucket.left + minutes * per_minute_);
    bucket.at = now;
  };
  if (buckets_.size() >= kMaxBuckets && buckets_.count(who) == 0) {
    for (auto& [name, bucket] : buckets_) refill(bucket);
    std::erase_if(buckets_, [&](const auto& entry) { return entry.second.left >= per_minute_; });
    // All are in use: a flood of addresses. One of the fullest goes.
    if (buckets_.size() >= kMaxBuckets) {
      buckets_.erase(std::max_element(
          buckets_.begin(), buckets_.end(),
          [](const auto& a, const auto& b) { return a.second.left < b.second.left; }));
    }
  }
  const auto [at, is_new] =
      buckets_.try_emplace(who, Bucket{.left = static_cast<double>(per_minute_), .at = now});
  if (!is_new) refill(at->second);
  return at->second;
}

int RateLimit::wait_of(const Bucket& bucket) const {
  if (bucket.left >= 1 - 1e-9) return 0;  // tenths that were added one by one
  return std::max(1, static_cast<int>(std::ceil((1 - bucket.left) * 60 / per_minute_ - 1e-6)));
}

int RateLimit::wait(const std::string& who) {
  if (per_minute_ <= 0) return 0;
  const std::lock_guard lock(mutex_);
  return buckets_.count(who) == 0 ? 0 : wait_of(refilled(who));
}

int RateLimit::take(const std::string& who) {
  if (per_minute_ <= 0) return 0;
  const std::lock_guard lock(mutex_);
  Bucket& bucket = refilled(who);
  const int seconds = wait_of(bucket);
  if (seconds == 0) bucket.left -= 1;
  return seconds;
}

}  // namespace jiang
