// jiang bench: prefill and decode speed beside what the machine could do at most.
//
// Counting (docs/decisions): one multiply-accumulate is two operations. Prefill counts the MACs of
// matmuls and attention and one row of logits, against the measured dot-product rate; decode counts
// the bytes of weights and KV once a token, against the measured read bandwidth.
#include <algorithm>
#include <cmath>

#include "base/json_value.h"
#include "base/quantity.h"
#include "cli/commands/table.h"
#include "cli/interrupt.h"
#include "cli/loaded_model.h"
#include "cli/messages.h"
#include "cli/model_report.h"
#include "cli/options.h"
#include "cli/output.h"
#include "kernels/table.h"
#include "ops/probes.h"

namespace jiang {
namespace {

struct Rates {
  std::vector<double> values;  // tokens per second, one a repeat

  double median() const {
    std::vector<double> sorted = values;
    std::sort(sorted.begin(), sorted.end());
    const size_t n = sorted.size();
    return n % 2 == 1 ? sorted[n / 2] : (sorted[n / 2 - 1] + sorted[n / 2]) / 2;
  }
  double low() const { return *std::min_element(values.begin(), values.end()); }
  double high() const { return *std::max_element(values.begin(), values.end()); }
};

struct Phases {
  Rates prefill;
  Rates decode;
};

// Ids that any vocabulary has; never twice the same prompt, so that no cache can help.
std::vector<TokenId> prompt_ids(int32_t n, int32_t vocab, uint32_t salt) {
  std::vector<TokenId> ids;
  uint32_t state = 12345 + salt;
  for (int32_t i = 0; i < n; ++i) {
    state = state * 1664525 + 1013904223;
    ids.push_back(static_cast<TokenId>((state >> 8) % static_cast<uint32_t>(vocab)));
  }
  return ids;
}

// The stats of one request that runs to its full length.
Result<RequestStats> run_request(Engine& engine, std::vector<TokenId> prompt, int32_t max_tokens) {
  Request request;
  request.prompt = std::move(prompt);
  request.max_tokens = max_tokens;
  request.sampling.temperature = 0;
  TRY(Stream stream, engine.submit(std::move(request)));
  while (stream.next()) {
    if (interrupted()) return Error{ErrorKind::cancelled, message(Phrase::interrupted)};
  }
  if (stream.finish()->error) return *stream.finish()->error;
  return stream.finish()->stats;
}

// Tokens per second of `batch` answers of `n_decode` tokens each, decoded together. The first token
// comes out of the prefill and is not counted.
Result<double> decode_batch(Engine& engine, int32_t batch, int32_t depth, int32_t n_decode,
                            uint32_t salt) {
  const int32_t vocab = engine.model().config().vocab_size;
  std::vector<Stream> streams;
  for (int32_t i = 0; i < batch; ++i) {
    Request request;
    request.prompt = prompt_ids(depth, vocab, salt + static_cast<uint32_t>(i) * 1000);
    request.max_tokens = n_decode + 1;
    request.sampling.temperature = 0;
    TRY(Stream stream, engine.submit(std::move(request)));
    streams.push_back(std::move(stream));
  }
  double seconds = 0;
  for (Stream& stream : streams) {
    while (stream.next()) {
      if (interrupted()) return Error{ErrorKind::cancelled, message(Phrase::interrupted)};
    }
    if (stream.finish()->error) return *stream.finish()->error;
    seconds = std::max(seconds, stream.finish()->stats.decode_seconds);
  }
  return batch * n_decode / seconds;
}

struct Sizes {
  int32_t n_prompt = 512;
  int32_t n_decode = 64;
  int32_t batch = 1;  // answers decoded together
  int32_t depth = 1;  // of the context before the decoded tokens
  int32_t repeats = 3;
};

Result<Phases> measure(Engine& engine, const Sizes& sizes) {
  const auto [n_prompt, n_decode, batch, depth, repeats] = sizes;
  const int32_t vocab = engine.model().config().vocab_size;
  Phases phases;
  const InterruptScope scope;
  ProgressLine progress("measuring");
  const auto total = static_cast<uint64_t>(repeats) + 1;
  for (int32_t i = 0; i <= repeats; ++i) {
    const auto salt = static_cast<uint32_t>(i);
    double prefill = 0;
    double decode = 0;
    if (n_prompt > 0) {
      TRY(const RequestStats stats, run_request(engine, prompt_ids(n_prompt, vocab, salt), 1));
      prefill = n_prompt / stats.prefill_seconds;
    }
    if (n_decode > 0) {
      // A deep context is computed once and kept.
      TRY(decode, decode_batch(engine, batch, depth, n_decode, depth > 1 ? 0 : salt));
    }
    progress.update_count(static_cast<uint64_t>(i) + 1, total, "rounds");
    if (i == 0) continue;  // pages and caches become warm
    if (n_prompt > 0) phases.prefill.values.push_back(prefill);
    if (n_decode > 0) phases.decode.values.push_back(decode);
  }
  return phases;
}

Json phase_json(const Rates& rates, int32_t tokens, double fraction) {
  return {{"tokens", tokens},
          {"tokens_per_second", rates.median()},
          {"min", rates.low()},
          {"max", rates.high()},
          {"fraction_of_limit", fraction}};
}

Result<int> run_bench(const std::vector<std::string>& arguments) {
  ModelFlags flags;
  Sizes sizes;
  auto& [n_prompt, n_decode, batch, depth, repeats] = sizes;
  bool as_json = false;
  Options options("bench");
  options.positional(flags.model, "MODEL", Options::Need::required, "the model");
  options.number(n_prompt, "-p,--prompt-tokens", Range<int32_t>{0, 1 << 20},
                 "tokens to prefill (default 512), 0: none");
  options.number(n_decode, "-n,--decode-tokens", Range<int32_t>{0, 1 << 20},
                 "tokens to decode (default 64), 0: none");
  options.number(batch, "-b,--batch", Range<int32_t>{1, 256},
                 "answers decoded together; their tokens are counted together (default 1)");
  options.number(depth, "-d,--depth", Range<int32_t>{1, 1 << 20},
                 "tokens of context that decoding begins with (default 1)");
  options.number(repeats, "-r,--repeats", Range<int32_t>{1, 1000},
                 "rounds after one to warm up (default 3)");
  options.flag(as_json, "--json", "as JSON");
  flags.add_kv_type_to(options, EngineOptions().kv_type);
  flags.add_draft_to(options);
  flags.add_threads_to(options);
  TRY(const bool go_on, options.parse(arguments));
  if (!go_on) return 0;
  if (n_prompt == 0 && n_decode == 0) {
    return fail(ErrorKind::invalid_argument, "-p 0 and -n 0 leave nothing to measure");
  }

  EngineOptions engine_options;
  engine_options.max_sequences = batch;
  engine_options.prefix_cache = depth > 1;
  engine_options.lookup = false;  // random weights repeat themselves: that would flatter
  engine_options.context = std::max(n_prompt, n_decode + depth) + 1;
  engine_options.max_batch_tokens = std::clamp(std::max(n_prompt, batch), 1, 512);
  TRY(const LoadedModel loaded, load(flags, engine_options));
  const ModelConfig& config = loaded.model->config();
  TRY(const Phases phases, measure(*loaded.engine, sizes));
  const double read_gb = measure_read_gb_per_s(*loaded.pool);
  const double dot_gop = measure_dot_gop_per_s(*loaded.pool);

  Json report = {{"model", loaded.path},
                 {"threads", loaded.pool->size()},
                 {"isa", kernels::level_name(kernels::level())},
                 {"repeats", repeats},
                 {"machine", {{"read_gb_per_s", read_gb}, {"dot_gop_per_s", dot_gop}}}};
  std::string text = fmt::format("{}, {} threads, {}\n", loaded.path, loaded.pool->size(),
                                 kernels::level_name(kernels::level()));
  text += fmt::format("machine  reads {:.1f} GB/s, dot products {:.0f} Gop/s\n", read_gb, dot_gop);
  if (n_prompt > 0) {
    const MacCount macs = count_macs(*loaded.source, config);
    const auto n = static_cast<double>(n_prompt);
    const double operations = 2 * (n * static_cast<double>(macs.per_token) +
                                   n * (n + 1) / 2 * static_cast<double>(macs.attention_per_pair) +
                                   static_cast<double>(macs.head));
    const double rate = phases.prefill.median();
    const double gop = operations / n * rate / 1e9;
    report["prefill"] = phase_json(phases.prefill, n_prompt, gop / dot_gop);
    report["prefill"]["gop_per_s"] = gop;
    text += fmt::format(
        "prefill  {} tokens: {:.1f} tokens/s ({:.1f} to {:.1f}), {:.0f} Gop/s, "
        "{:.0f} % of the limit\n",
        n_prompt, rate, phases.prefill.low(), phases.prefill.high(), gop, 100 * gop / dot_gop);
  }
  if (n_decode > 0) {
    // The context grows by n_decode: half of them on average.
    const KvType kv_type = kv_type_named(flags.kv_type).value_or(EngineOptions().kv_type);
    const double bytes = static_cast<double>(loaded.model->bytes_per_token()) / batch +
                         static_cast<double>(loaded.model->state_bytes_per_token(kv_type)) *
                             (depth + (n_decode - 1) / 2.0);
    const double rate = phases.decode.median();
    const double gb = bytes * rate / 1e9;
    report["decode"] = phase_json(phases.decode, n_decode, gb / read_gb);
    report["decode"]["bytes_per_token"] = bytes;
    report["decode"]["gb_per_s"] = gb;
    text += fmt::format(
        "decode   {} tokens: {:.1f} tokens/s ({:.1f} to {:.1f}), {} a token, "
        "{:.1f} GB/s, {:.0f} % of the limit\n",
        n_decode, rate, phases.decode.low(), phases.decode.high(),
        human_bytes(static_cast<uint64_t>(bytes)), gb, 100 * gb / read_gb);
  }
  TRY_STATUS(print(as_json ? to_string(report, 2) + "\n" : text));
  return 0;
}

}  // namespace

const Command kBench = {
    .name = "bench",
    .usage = "usage: jiang bench MODEL [-p 512] [-n 64] [-t N] [--json]",
    .summary = "prefill and decode speed beside the machine's limits",
    .examples =
        "  jiang bench model.gguf -p 512 -n 64 --json\n"
        "  JIANG_ISA=avx2 jiang bench model.gguf -t 1",
    .run = run_bench,
};

}  // namespace jiang
