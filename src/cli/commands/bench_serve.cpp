// jiang bench serve: what a running server gives to many clients at once.
#include <algorithm>

#include "base/json_value.h"
#include "cli/commands/table.h"
#include "cli/load_client.h"
#include "cli/options.h"
#include "cli/output.h"

namespace jiang {
namespace {

// A place to meet: "http://127.0.0.1:8080", "localhost:8080".
Status read_url(std::string url, LoadPlan& plan) {
  const std::string scheme = "http://";
  if (url.compare(0, scheme.size(), scheme) == 0) url.erase(0, scheme.size());
  const size_t slash = std::min(url.find('/'), url.size());
  std::string base = url.substr(slash);
  while (!base.empty() && base.back() == '/') base.pop_back();
  plan.path = base + plan.path;
  const size_t colon = url.rfind(':', slash);
  const int port = colon < slash ? std::atoi(url.substr(colon + 1, slash - colon - 1).c_str()) : 80;
  plan.host = url.substr(0, std::min(colon, slash));
  if (plan.host.empty() || port < 1 || port > 65535)
    return fail(ErrorKind::invalid_argument, "{}: must be like http://127.0.0.1:8080", url);
  plan.port = static_cast<uint16_t>(port);
  return ok();
}

Json percentiles(const std::vector<double>& seconds) {
  return {{"p50", percentile(seconds, 50) * 1000},
          {"p90", percentile(seconds, 90) * 1000},
          {"p99", percentile(seconds, 99) * 1000}};
}

std::string line(const char* name, const Json& times) {
  return fmt::format("{:<22} p50 {:8.1f} ms   p90 {:8.1f} ms   p99 {:8.1f} ms\n", name,
                     times["p50"].get<double>(), times["p90"].get<double>(),
                     times["p99"].get<double>());
}

struct Objective {
  double first_token_ms = 0;  // 0: any
  double per_token_ms = 0;
};

Json summarize(const LoadReport& report, const Objective& objective) {
  std::vector<double> first, per_token, whole, refused;
  int64_t n_ok = 0, n_refused = 0, n_failed = 0, n_good = 0, n_tokens = 0, n_with_retry = 0;
  for (const LoadSample& sample : report.samples) {
    if (sample.status == 429 || sample.status == 503) {
      ++n_refused;
      n_with_retry += sample.has_retry_after ? 1 : 0;
      refused.push_back(sample.whole);
      continue;
    }
    if (sample.status != 200 || !sample.is_whole) {
      ++n_failed;
      continue;
    }
    ++n_ok;
    n_tokens += sample.tokens;
    first.push_back(sample.first_token);
    if (sample.tokens > 1) per_token.push_back(sample.per_token());
    whole.push_back(sample.whole);
    const bool is_good =
        (objective.first_token_ms == 0 || sample.first_token * 1000 <= objective.first_token_ms) &&
        (objective.per_token_ms == 0 || sample.per_token() * 1000 <= objective.per_token_ms);
    n_good += is_good ? 1 : 0;
  }
  const double seconds = std::max(report.seconds, 1e-9);
  return {{"seconds", report.seconds},
          {"answered", n_ok},
          {"refused", n_refused},
          {"refused_with_retry_after", n_with_retry},
          {"failed", n_failed},
          {"requests_per_second", static_cast<double>(n_ok) / seconds},
          {"goodput_per_second", static_cast<double>(n_good) / seconds},
          {"tokens_per_second", static_cast<double>(n_tokens) / seconds},
          {"time_to_first_token_ms", percentiles(first)},
          {"time_per_token_ms", percentiles(per_token)},
          {"whole_answer_ms", percentiles(whole)},
          {"refusal_ms", percentiles(refused)}};
}

Result<int> run_bench_serve(const std::vector<std::string>& arguments) {
  LoadPlan plan;
  std::string url;
  std::optional<float> rate, seconds, slo_first, slo_token;
  bool as_json = false;
  Options options("bench serve");
  options.positional(url, "URL", Options::Need::required, "of a running jiang serve");
  options.text(plan.model, "--model", "NAME", "(default: the server's)");
  options.text(plan.key, "--key", "KEY", "an API key");
  options.number(plan.clients, "--clients", Range<int32_t>{1, 10000},
                 "closed loop: so many requests are always under way (default 8)");
  options.number(rate, "--rate", Range<float>{0.001F, 100000},
                 "open loop: so many requests a second, whatever the server does");
  options.number(seconds, "--seconds", Range<float>{0.1F, 86400},
                 "how long requests begin (default 10)");
  options.number(plan.requests, "--requests", Range<int32_t>{1, 1 << 30}, "begin at most so many");
  options.number(plan.max_tokens, "-n,--max-tokens", Range<int32_t>{1, 1 << 20},
                 "of each answer (default 64)");
  options.flag(plan.ignore_eos, "--ignore-eos", "answers have all their tokens");
  options.number(plan.prompt_words, "--prompt-words", Range<int32_t>{0, 100000}, "(default 32)");
  options.number(slo_first, "--slo-ttft", Range<float>{0, 1e9F},
                 "ms: answers that begin later do not count as good");
  options.number(slo_token, "--slo-tpot", Range<float>{0, 1e9F}, "ms a token, likewise");
  options.flag(as_json, "--json", "as JSON");
  TRY(const bool go_on, options.parse(arguments));
  if (!go_on) return 0;
  TRY_STATUS(read_url(url, plan));
  if (rate) plan.rate = *rate;
  if (seconds) plan.seconds = *seconds;
  TRY(const LoadReport report, run_load(plan));
  if (report.samples.empty() || std::all_of(report.samples.begin(), report.samples.end(),
                                            [](const auto& s) { return s.status == 0; })) {
    return fail(ErrorKind::io, "{}:{} does not answer; is 'jiang serve' running there?", plan.host,
                plan.port);
  }
  const Json summary = summarize(report, {slo_first.value_or(0), slo_token.value_or(0)});
  if (as_json) {
    TRY_STATUS(print(to_string(summary, 2) + "\n"));
    return 0;
  }
  const std::string load = plan.rate > 0 ? fmt::format("{} requests/s", plan.rate)
                                         : fmt::format("{} clients", plan.clients);
  TRY_STATUS(print(fmt::format("{}, {:.1f} s: {} answered, {} refused, {} failed\n"
                               "{:.2f} answers/s, {:.2f} good ones/s, {:.1f} tokens/s\n",
                               load, report.seconds, summary["answered"].get<int64_t>(),
                               summary["refused"].get<int64_t>(), summary["failed"].get<int64_t>(),
                               summary["requests_per_second"].get<double>(),
                               summary["goodput_per_second"].get<double>(),
                               summary["tokens_per_second"].get<double>()) +
                   line("time to first token", summary["time_to_first_token_ms"]) +
                   line("time per token", summary["time_per_token_ms"]) +
                   line("whole answer", summary["whole_answer_ms"]) +
                   line("refusals", summary["refusal_ms"])));
  return 0;
}

}  // namespace

const Command kBenchServe = {
    .name = "bench serve",
    .usage = "usage: jiang bench serve URL [--clients N | --rate R] [OPTIONS]",
    .summary = "what a server gives to many clients at once",
    .examples =
        "  jiang bench serve http://127.0.0.1:8080 --clients 8 -n 64\n"
        "  jiang bench serve localhost:8080 --rate 20 --seconds 60 --slo-ttft 2000 --json",
    .run = run_bench_serve,
};

}  // namespace jiang
