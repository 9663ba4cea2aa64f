// What `jiang bench` measures, and how it counts (docs/decisions): one multiply-accumulate is two
// operations. Prefill counts the MACs of matmuls and attention and one row of logits, against the
// measured dot-product rate; decode counts the bytes of weights and KV once a token, against the
// measured read bandwidth.
//
// The counting is pure; the measuring runs requests of an Engine from one thread and gives up at
// Ctrl-C (inside an InterruptScope).
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "base/result.h"
#include "base/thread_pool.h"
#include "cli/model_report.h"
#include "engine/engine.h"

namespace jiang {

struct Rates {
  std::vector<double> values;  // tokens per second, one a run; none: not measured

  double median() const;
  double low() const;
  double high() const;
};

// What the machine does at best, of all threads of a pool together.
struct MachineLimits {
  double read_gb_per_s = 0;
  double dot_gop_per_s = 0;
};
MachineLimits measure_limits(ThreadPool& pool);
// The better of each: a limit is what was reached once.
MachineLimits better_of(const MachineLimits& a, const MachineLimits& b);

// What one token of a model costs.
struct TokenCosts {
  MacCount macs;
  double weight_bytes = 0;  // read by a decode step, embedding rows aside
  double kv_bytes = 0;      // of one token of context, all layers
};

double prefill_operations(const TokenCosts& costs, int32_t n_prompt);
// Weights once and the context so far once for each pass of `rows` tokens.
double prefill_bytes(const TokenCosts& costs, int32_t n_prompt, int32_t rows);
// Of `batch` answers that grow from `depth` to depth + n_decode tokens together, a token of one of
// them, on the average.
double decode_bytes(const TokenCosts& costs, int32_t batch, int32_t depth, int32_t n_decode);
double decode_operations(const TokenCosts& costs, int32_t depth, int32_t n_decode);

// Ids that any vocabulary has. Another salt is another prompt, so that no cache can help; the same
// salt begins alike, so that one can.
std::vector<TokenId> bench_prompt(int32_t n, int32_t vocab, uint32_t salt);

// Called about four times a second while requests run; may be empty.
using BenchTick = std::function<void()>;

// One request: a prompt, then an answer of exactly max_tokens.
Result<RequestStats> run_bench_request(Engine& engine, std::vector<TokenId> prompt,
                                       int32_t max_tokens, const BenchTick& tick = {});

// Tokens per second of `batch` answers of n_decode tokens each, decoded together; an error where
// the engine lets them take turns. The first token comes out of the prefill and is not counted.
struct DecodeSizes {
  int32_t batch = 1;
  int32_t depth = 1;  // tokens of context before the first decoded one
  int32_t n_decode = 64;
};
Result<double> measure_decode(Engine& engine, const DecodeSizes& sizes, uint32_t salt,
                              const BenchTick& tick = {});
Result<double> measure_prefill(Engine& engine, int32_t n_prompt, uint32_t salt,
                               const BenchTick& tick = {});

// The most memory that this process has held at once so far, in bytes (VmHWM); nullopt: the system
// does not say. reset_peak_memory() makes it what is held now; false: the system cannot.
std::optional<uint64_t> peak_memory_bytes();
bool reset_peak_memory();

}  // namespace jiang
