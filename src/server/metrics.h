// Metrics: what /metrics tells Prometheus. Counting is a few atomic additions; any thread.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <string>
#include <string_view>

#include "chat/backend.h"
#include "runtime/model_manager.h"
#include "server/http_server.h"

namespace jiang {

class Histogram {
 public:
  void observe(double seconds);
  void print(std::string& out, std::string_view name, std::string_view help) const;

 private:
  // Seconds, from a token on a fast machine to a long prompt on a slow one.
  static constexpr std::array<double, 14> kBounds = {0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1,
                                                     0.25,  0.5,    1,     2.5,  5,     10,   60};
  std::array<std::atomic<uint64_t>, kBounds.size() + 1> counts_ = {};
  std::atomic<uint64_t> sum_micros_ = 0;
};

struct Metrics {
  std::atomic<uint64_t> answers = 0;    // generations that ended
  std::atomic<uint64_t> cancelled = 0;  // of those, by their client
  std::atomic<uint64_t> failed = 0;
  std::atomic<uint64_t> refused = 0;  // for want of room in the queue
  std::atomic<int64_t> active = 0;    // generations now
  std::atomic<uint64_t> prompt_tokens = 0;
  std::atomic<uint64_t> cached_tokens = 0;
  std::atomic<uint64_t> generated_tokens = 0;
  Histogram queue_seconds;
  Histogram first_token_seconds;  // from the request to the first token
  Histogram token_seconds;        // between two tokens of an answer, on average

  void count(const RequestStats& stats, double first_token);
};

// The text of Prometheus' exposition format.
std::string prometheus_text(const Metrics& metrics, const HttpCounters& http,
                            const ModelManager& models, int32_t n_waiting);

}  // namespace jiang
