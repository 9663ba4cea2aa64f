#include "cli/bench_measure.h"

#include <algorithm>
#include <chrono>
#include <fstream>
#include <limits>
#include <string>

#include "cli/interrupt.h"
#include "cli/messages.h"
#include "ops/probes.h"

namespace jiang {
namespace {

constexpr double kTickSeconds = 0.25;

// Reads an answer to its end.
Result<RequestStats> drain(Stream& stream, const BenchTick& tick) {
  while (!stream.finish()) {
    if (interrupted()) return Error{ErrorKind::cancelled, message(Phrase::interrupted)};
    if (!stream.next_within(kTickSeconds) && tick) tick();
  }
  if (stream.finish()->error) return *stream.finish()->error;
  return stream.finish()->stats;
}

Result<Stream> submit_bench_request(Engine& engine, std::vector<TokenId> prompt,
                                    int32_t max_tokens) {
  Request request;
  request.prompt = std::move(prompt);
  request.max_tokens = max_tokens;
  request.sampling.temperature = 0;
  return engine.submit(std::move(request));
}

}  // namespace

double Rates::median() const {
  std::vector<double> sorted = values;
  std::sort(sorted.begin(), sorted.end());
  const size_t n = sorted.size();
  return n % 2 == 1 ? sorted[n / 2] : (sorted[n / 2 - 1] + sorted[n / 2]) / 2;
}
double Rates::low() const { return *std::min_element(values.begin(), values.end()); }
double Rates::high() const { return *std::max_element(values.begin(), values.end()); }

MachineLimits measure_limits(ThreadPool& pool) {
  const double read = measure_read_gb_per_s(pool);
  return {.read_gb_per_s = read, .dot_gop_per_s = measure_dot_gop_per_s(pool)};
}

MachineLimits better_of(const MachineLimits& a, const MachineLimits& b) {
  return {.read_gb_per_s = std::max(a.read_gb_per_s, b.read_gb_per_s),
          .dot_gop_per_s = std::max(a.dot_gop_per_s, b.dot_gop_per_s)};
}

double prefill_operations(const TokenCosts& costs, int32_t n_prompt) {
  const auto n = static_cast<double>(n_prompt);
  return 2 * (n * static_cast<double>(costs.macs.per_token) +
              n * (n + 1) / 2 * static_cast<double>(costs.macs.attention_per_pair) +
              static_cast<double>(costs.macs.head));
}

double prefill_bytes(const TokenCosts& costs, int32_t n_prompt, int32_t rows) {
  double bytes = 0;
  for (int32_t begin = 0; begin < n_prompt; begin += rows) {
    bytes += costs.weight_bytes + costs.kv_bytes * std::min(begin + rows, n_prompt);
  }
  return bytes;
}

double decode_bytes(const TokenCosts& costs, int32_t batch, int32_t depth, int32_t n_decode) {
  // The context grows by n_decode: half of them on average.
  return costs.weight_bytes / batch + costs.kv_bytes * (depth + (n_decode - 1) / 2.0);
}

double decode_operations(const TokenCosts& costs, int32_t depth, int32_t n_decode) {
  return 2 * (static_cast<double>(costs.macs.per_token + costs.macs.head) +
              static_cast<double>(costs.macs.attention_per_pair) * (depth + (n_decode + 1) / 2.0));
}

std::vector<TokenId> bench_prompt(int32_t n, int32_t vocab, uint32_t salt) {
  std::vector<TokenId> ids;
  uint32_t state = 12345 + salt;
  for (int32_t i = 0; i < n; ++i) {
    state = state * 1664525 + 1013904223;
    ids.push_back(static_cast<TokenId>((state >> 8) % static_cast<uint32_t>(vocab)));
  }
  return ids;
}

Result<RequestStats> run_bench_request(Engine& engine, std::vector<TokenId> prompt,
                                       int32_t max_tokens, const BenchTick& tick) {
  TRY(Stream stream, submit_bench_request(engine, std::move(prompt), max_tokens));
  return drain(stream, tick);
}

Result<double> measure_decode(Engine& engine, const DecodeSizes& sizes, uint32_t salt,
                              const BenchTick& tick) {
  const auto [batch, depth, n_decode] = sizes;
  const int32_t vocab = engine.model().config().vocab_size;
  std::vector<Stream> streams;
  std::vector<double> submitted;  // seconds since the first
  const auto start = std::chrono::steady_clock::now();
  for (int32_t i = 0; i < batch; ++i) {
    submitted.push_back(
        std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
    TRY(Stream stream,
        submit_bench_request(engine,
                             bench_prompt(depth, vocab, salt + static_cast<uint32_t>(i) * 1000),
                             n_decode + 1));
    streams.push_back(std::move(stream));
  }
  double seconds = 0, last_begin = 0, first_end = std::numeric_limits<double>::infinity();
  for (size_t i = 0; i < streams.size(); ++i) {
    TRY(const RequestStats stats, drain(streams[i], tick));
    seconds = std::max(seconds, stats.decode_seconds);
    const double begin = submitted[i] + stats.queue_seconds + stats.prefill_seconds;
    last_begin = std::max(last_begin, begin);
    first_end = std::min(first_end, begin + stats.decode_seconds);
  }
  // Answers that take turns each decode in a part of the time: their rates do not add up.
  if (last_begin > first_end) {
    return fail(ErrorKind::too_large,
                "{} answers of {} tokens did not all decode at once: there is no room for them "
                "(measure fewer, or a smaller context), or the first was done before the last "
                "began (measure longer ones)",
                batch, n_decode);
  }
  return batch * n_decode / seconds;
}

Result<double> measure_prefill(Engine& engine, int32_t n_prompt, uint32_t salt,
                               const BenchTick& tick) {
  const int32_t vocab = engine.model().config().vocab_size;
  TRY(const RequestStats stats,
      run_bench_request(engine, bench_prompt(n_prompt, vocab, salt), 1, tick));
  return n_prompt / stats.prefill_seconds;
}

std::optional<uint64_t> peak_memory_bytes() {
  std::ifstream status("/proc/self/status");
  std::string word;
  while (status >> word) {
    uint64_t kilobytes = 0;
    if (word == "VmHWM:" && status >> kilobytes) return kilobytes * 1024;
  }
  return std::nullopt;
}

bool reset_peak_memory() {
  std::ofstream clear("/proc/self/clear_refs");
  clear << "5";  // proc(5): resets the peak resident set size
  clear.flush();
  return clear.good();
}

}  // namespace jiang
