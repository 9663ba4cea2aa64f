// A client that loads a server: many streams at once from one thread, each timed by its tokens.
//
// Closed loop: `clients` requests are always under way. Open loop: requests come at `rate` a
// second (Poisson, seeded), whatever the server does.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"

namespace jiang {

struct LoadPlan {
  std::string host = "127.0.0.1";
  uint16_t port = 8080;
  std::string path = "/v1/chat/completions";
  std::string key = {};    // "": none
  std::string model = {};  // "": the server's default
  int32_t clients = 8;     // 0: open loop
  double rate = 0;         // requests a second; 0: closed loop
  double seconds = 10;     // new requests begin within this time
  int32_t requests = 0;    // at most; 0: as many as the time allows
  int32_t max_tokens = 64;
  bool ignore_eos = false;  // a field that jiang, llama.cpp and vLLM know
  int32_t prompt_words = 32;
  uint64_t seed = 1;
  double request_timeout = 120;
};

struct LoadSample {
  int status = 0;           // 0: the connection failed
  bool is_whole = false;    // ended with [DONE] and without an error event
  double first_token = -1;  // seconds from sending the request
  double whole = -1;        // to its end
  int32_t tokens = 0;
  bool has_retry_after = false;
  // Seconds for each token after the first.
  double per_token() const { return tokens > 1 ? (whole - first_token) / (tokens - 1) : 0; }
};

struct LoadReport {
  std::vector<LoadSample> samples;
  double seconds = 0;  // from the first request to the last answer
};

Result<LoadReport> run_load(const LoadPlan& plan);

// Of values in any order; p from 0 to 100. 0 when there are none.
double percentile(std::vector<double> values, double p);

}  // namespace jiang
