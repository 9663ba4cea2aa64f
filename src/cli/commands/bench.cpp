// jiang bench: prefill and decode speed beside what the machine could do at most. --suite measures
// many sizes (cli/bench_suite.h); without it, one of each.
#include <algorithm>

#include "base/json_value.h"
#include "base/quantity.h"
#include "cli/bench_measure.h"
#include "cli/bench_suite.h"
#include "cli/commands/table.h"
#include "cli/interrupt.h"
#include "cli/loaded_model.h"
#include "cli/options.h"
#include "cli/output.h"
#include "cli/sanitizer.h"
#include "kernels/table.h"

namespace jiang {
namespace {

struct Phases {
  Rates prefill;
  Rates decode;
};

struct Sizes {
  int32_t n_prompt = 512;
  int32_t n_decode = 64;
  int32_t batch = 1;  // answers decoded together
  int32_t depth = 1;  // of the context before the decoded tokens
  int32_t repeats = 3;
};

// Prompts are long enough then that pages and caches are warm.
constexpr int32_t kWarmUpTokens = 512;

// A deep context is computed once and kept: it is the prompt of each round's prefill, or else the
// same in all rounds.
bool is_context_prefilled(const Sizes& sizes) {
  return sizes.depth == 1 || (sizes.batch == 1 && sizes.depth <= sizes.n_prompt);
}

Result<Phases> measure(Engine& engine, const Sizes& sizes) {
  const auto [n_prompt, n_decode, batch, depth, repeats] = sizes;
  Phases phases;
  const InterruptScope scope;
  ProgressLine progress("measuring");
  const auto total = static_cast<uint64_t>(repeats) + 1;
  for (int32_t i = 0; i <= repeats; ++i) {
    const bool is_warm_up = i == 0;
    const auto salt = static_cast<uint32_t>(i);
    if (n_prompt > 0) {
      const int32_t n = is_warm_up ? std::min(n_prompt, kWarmUpTokens) : n_prompt;
      TRY(const double rate, measure_prefill(engine, n, salt));
      if (!is_warm_up) phases.prefill.values.push_back(rate);
    }
    if (n_decode > 0) {
      const bool is_prefilled = is_context_prefilled(sizes);
      const int32_t warm_depth = is_prefilled ? std::min(depth, kWarmUpTokens) : depth;
      TRY(const double rate,
          measure_decode(
              engine,
              {.batch = batch, .depth = is_warm_up ? warm_depth : depth, .n_decode = n_decode},
              is_prefilled ? salt : 0));
      if (!is_warm_up) phases.decode.values.push_back(rate);
    }
    progress.update_count(static_cast<uint64_t>(i) + 1, total, "rounds");
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

// What the command line asks for beside the sizes.
struct BenchFlags {
  ModelFlags model;
  std::vector<std::string> more_models;
  Sizes sizes;
  bool as_json = false;
  bool suite = false;
  bool quick = false;
  std::optional<std::string> out;
};

Result<int> run_one(const BenchFlags& bench) {
  const ModelFlags& flags = bench.model;
  const auto& [n_prompt, n_decode, batch, depth, repeats] = bench.sizes;
  if (n_prompt == 0 && n_decode == 0) {
    return fail(ErrorKind::invalid_argument, "-p 0 and -n 0 leave nothing to measure");
  }

  EngineOptions engine_options;
  engine_options.max_sequences = batch;
  engine_options.prefix_cache = depth > 1;
  engine_options.lookup = false;  // random weights repeat themselves: that would flatter
  engine_options.context = std::max(n_prompt, n_decode + depth) + 1;
  if (batch == 1 && depth > 1) {
    // Room for what is kept beside what runs: or the context would be computed anew.
    const int32_t other_prompt = is_context_prefilled(bench.sizes) ? 0 : n_prompt;
    engine_options.kv_tokens =
        int64_t{engine_options.context} + other_prompt + n_decode + 4 * kKvBlockTokens;
  }
  engine_options.max_batch_tokens = std::clamp(std::max(n_prompt, batch), 1, 512);
  TRY(const LoadedModel loaded, load(flags, engine_options));
  const ModelConfig& config = loaded.model->config();
  TRY(const Phases phases, measure(*loaded.engine, bench.sizes));
  const auto [read_gb, dot_gop] = measure_limits(*loaded.pool);
  const KvType kv_type = kv_type_named(flags.kv_type).value_or(EngineOptions().kv_type);
  const TokenCosts costs = {
      .macs = count_macs(*loaded.source, config),
      .weight_bytes = static_cast<double>(loaded.model->bytes_per_token()),
      .kv_bytes = static_cast<double>(loaded.model->state_bytes_per_token(kv_type))};

  Json report = {{"model", loaded.path},
                 {"threads", loaded.pool->size()},
                 {"isa", kernels::level_name(kernels::level())},
                 {"repeats", repeats},
                 {"machine", {{"read_gb_per_s", read_gb}, {"dot_gop_per_s", dot_gop}}}};
  std::string text = fmt::format("{}, {} threads, {}\n", loaded.path, loaded.pool->size(),
                                 kernels::level_name(kernels::level()));
  text += fmt::format("machine  reads {:.1f} GB/s, dot products {:.0f} Gop/s\n", read_gb, dot_gop);
  if (n_prompt > 0) {
    const double rate = phases.prefill.median();
    const double gop = prefill_operations(costs, n_prompt) / n_prompt * rate / 1e9;
    report["prefill"] = phase_json(phases.prefill, n_prompt, gop / dot_gop);
    report["prefill"]["gop_per_s"] = gop;
    text += fmt::format(
        "prefill  {} tokens: {:.1f} tokens/s ({:.1f} to {:.1f}), {:.0f} Gop/s, "
        "{:.0f} % of the limit\n",
        n_prompt, rate, phases.prefill.low(), phases.prefill.high(), gop, 100 * gop / dot_gop);
  }
  if (n_decode > 0) {
    const double bytes = decode_bytes(costs, batch, depth, n_decode);
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
  TRY_STATUS(print(bench.as_json ? to_string(report, 2) + "\n" : text));
  return 0;
}

Result<int> run_many(const BenchFlags& bench, const std::vector<std::string>& arguments) {
  SuiteOptions suite{.models = {bench.model.model},
                     .flags = bench.model,
                     .repeats = bench.sizes.repeats,
                     .quick = bench.quick};
  suite.models.insert(suite.models.end(), bench.more_models.begin(), bench.more_models.end());
  const std::string folder = bench.out.value_or("jiang-bench");
  TRY_STATUS(prepare_suite_folder(folder));
  TRY(SuiteReport report, run_suite(suite));
  report.arguments = arguments;
  TRY_STATUS(write_suite(report, folder));
  TRY_STATUS(print(bench.as_json ? to_string(suite_json(report), 2) + "\n" : suite_text(report)));
  note(fmt::format("written to {}: suite.json, roofline.svg", visible_line(folder)));
  return 0;
}

// Options that belong to the other way of measuring.
Status check_mode(const Options& options, const BenchFlags& bench) {
  if (bench.suite) {
    if (!bench.model.draft.empty()) {
      return fail(
          ErrorKind::invalid_argument,
          "--draft cannot go with --suite, which measures plain decoding; leave one of them "
          "out");
    }
    const std::pair<const char*, const char*> sizes[] = {
        {"--prompt-tokens", "-p"}, {"--decode-tokens", "-n"}, {"--batch", "-b"}, {"--depth", "-d"}};
    for (const auto& [name, letter] : sizes) {
      if (!options.given(name)) continue;
      return fail(ErrorKind::invalid_argument,
                  "{} ({}) cannot go with --suite, which has its own sizes; leave one of them out",
                  letter, name);
    }
    return ok();
  }
  if (bench.quick || bench.out) {
    return fail(ErrorKind::invalid_argument, "{} goes with --suite only; add it, or leave {} out",
                bench.quick ? "--quick" : "--out", bench.quick ? "--quick" : "--out");
  }
  if (!bench.more_models.empty()) {
    return fail(ErrorKind::invalid_argument,
                "unexpected argument '{}'; one MODEL is measured at a time, --suite takes several",
                bench.more_models.front());
  }
  return ok();
}

Result<int> run_bench(const std::vector<std::string>& arguments) {
  BenchFlags bench;
  auto& [n_prompt, n_decode, batch, depth, repeats] = bench.sizes;
  Options options("bench");
  options.positional(bench.model.model, "MODEL", Options::Need::required, "the model");
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
  options.flag(bench.suite, "--suite",
               "prefill, decode, batches, contexts, threads and memory instead of -p, -n, -b, -d");
  options.flag(bench.quick, "--quick", "of the suite, leave out what takes longer than a minute");
  options.text(bench.out, "--out", "FOLDER",
               "for suite.json and roofline.svg (default ./jiang-bench)");
  options.flag(bench.as_json, "--json", "as JSON");
  bench.model.add_kv_type_to(options, EngineOptions().kv_type);
  bench.model.add_draft_to(options);
  bench.model.add_threads_to(options);
  options.rest(bench.more_models, "MODEL...",
               "with --suite: more models, or the same in other types");
  TRY(const bool go_on, options.parse(arguments));
  if (!go_on) return 0;
  TRY_STATUS(check_mode(options, bench));
  return bench.suite ? run_many(bench, arguments) : run_one(bench);
}

}  // namespace

const Command kBench = {
    .name = "bench",
    .usage = "usage: jiang bench MODEL... [-p 512] [-n 64] [-t N] [--suite [--quick]] [--json]",
    .summary = "prefill and decode speed beside the machine's limits",
    .examples =
        "  jiang bench model.gguf -p 512 -n 64 --json\n"
        "  JIANG_ISA=avx2 jiang bench model.gguf -t 1\n"
        "  jiang bench model-q4_0.gguf model-q8_0.gguf --suite --out results",
    .run = run_bench,
};

}  // namespace jiang
