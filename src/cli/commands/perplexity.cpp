// jiang perplexity: how well a model predicts a text, and how far it is from another model.
//
// As llama.cpp measures it: consecutive chunks of n tokens, the second half of each is scored, so
// that every scored token has at least n/2 tokens before it. f32 KV.
#include <algorithm>
#include <cmath>

#include "base/json_value.h"
#include "cli/commands/table.h"
#include "cli/evaluation_text.h"
#include "cli/interrupt.h"
#include "cli/loaded_model.h"
#include "cli/messages.h"
#include "cli/options.h"
#include "cli/output.h"

namespace jiang {
namespace {

constexpr int32_t kPerplexityChunk = 512;

// log(sum(exp(row)))
double log_sum_exp(const float* row, int64_t n) {
  float maximum = row[0];
  for (int64_t i = 1; i < n; ++i) maximum = std::max(maximum, row[i]);
  double sum = 0;
  for (int64_t i = 0; i < n; ++i) sum += std::exp(static_cast<double>(row[i] - maximum));
  return maximum + std::log(sum);
}

// KL(p || q) = sum p (log p - log q), of two rows of logits.
double divergence(const float* p, double p_total, const float* q, double q_total, int64_t n) {
  double sum = 0;
  for (int64_t i = 0; i < n; ++i) {
    const double log_p = p[i] - p_total;
    sum += std::exp(log_p) * (log_p - (q[i] - q_total));
  }
  return sum;
}

struct Score {
  double log_likelihood = 0;  // of the token that came
  double divergence = 0;      // from the other model
  bool same_top = false;
};

struct Totals {
  std::vector<double> negative_log_likelihoods;
  std::vector<double> divergences;
  int64_t same_top = 0;

  double perplexity() const { return std::exp(mean(negative_log_likelihoods)); }
  // Of the perplexity: the standard error of the mean, through exp().
  double perplexity_error() const {
    return perplexity() * standard_error(negative_log_likelihoods);
  }
  static double mean(const std::vector<double>& values) {
    double sum = 0;
    for (const double x : values) sum += x;
    return values.empty() ? 0 : sum / static_cast<double>(values.size());
  }
  static double standard_error(const std::vector<double>& values) {
    if (values.size() < 2) return 0;
    const double center = mean(values);
    double squares = 0;
    for (const double x : values) squares += (x - center) * (x - center);
    const auto n = static_cast<double>(values.size());
    return std::sqrt(squares / (n - 1) / n);
  }
};

Status score_chunk(const std::vector<TokenId>& ids, const LoadedModel& loaded,
                   const LoadedModel* other, Totals& totals) {
  TRY(const Tensor logits, loaded.engine->evaluate(ids, OutputKind::logits));
  Tensor reference;
  if (other) {
    TRY(reference, other->engine->evaluate(ids, OutputKind::logits));
  }
  const TensorView q = logits.view();
  const TensorView p = reference.view();
  // Position i predicts token i + 1.
  const size_t first = ids.size() / 2;
  const size_t n_scored = ids.size() - 1 - first;
  std::vector<Score> scores(n_scored);
  loaded.pool->parallel_for(n_scored, 1, [&](size_t begin, size_t end) {
    for (size_t i = begin; i < end; ++i) {
      const auto position = static_cast<int64_t>(first + i);
      const float* row = q.row(position);
      const double total = log_sum_exp(row, q.cols);
      scores[i].log_likelihood = row[ids[first + i + 1]] - total;
      if (!other) continue;
      const float* base = p.row(position);
      scores[i].divergence = divergence(base, log_sum_exp(base, p.cols), row, total, q.cols);
      scores[i].same_top =
          std::max_element(row, row + q.cols) - row == std::max_element(base, base + p.cols) - base;
    }
  });
  for (const Score& score : scores) {
    if (!std::isfinite(score.log_likelihood) || !std::isfinite(score.divergence)) {
      return fail(ErrorKind::bad_numbers, "{} computes logits that are no numbers on this text",
                  loaded.path);
    }
    totals.negative_log_likelihoods.push_back(-score.log_likelihood);
    if (other) totals.divergences.push_back(score.divergence);
    totals.same_top += score.same_top;
  }
  return ok();
}

Result<int> run_perplexity(const std::vector<std::string>& arguments) {
  ModelFlags flags;
  std::string file;
  std::optional<std::string> against;
  int32_t chunk = 0;
  int32_t max_chunks = 0;
  bool as_json = false;
  Options options("perplexity");
  options.positional(flags.model, "MODEL", Options::Need::required, "the model to measure");
  options.positional(file, "FILE", Options::Need::required, "a text");
  options.text(against, "--against", "OTHER",
               "the model to compare with: mean KL(OTHER || MODEL), top-1 agreement");
  options.number(chunk, "-c,--ctx", Range<int32_t>{4, 1 << 20},
                 "tokens of a chunk (default 512, or the trained context if that is less)");
  options.number(max_chunks, "--chunks", Range<int32_t>{0, 1 << 30}, "at most N chunks, 0: all");
  options.flag(as_json, "--json", "as JSON");
  flags.add_kv_type_to(options, KvType::f32);
  flags.add_threads_to(options);
  TRY(const bool go_on, options.parse(arguments));
  if (!go_on) return 0;

  TRY(const LoadedModel loaded, load(flags, evaluation_engine_options()));
  std::optional<LoadedModel> other;
  if (against) {
    ModelFlags other_flags = flags;
    other_flags.model = *against;
    other_flags.kv_type.clear();  // the truth keeps f32
    TRY(other, load(other_flags, evaluation_engine_options()));
    if (other->model->config().vocab_size != loaded.model->config().vocab_size) {
      return fail(
          ErrorKind::invalid_argument,
          "--against: the vocabularies differ ({} and {} tokens); their tokens are not comparable",
          loaded.model->config().vocab_size, other->model->config().vocab_size);
    }
  }
  const int32_t trained = loaded.model->config().max_position_embeddings;
  if (chunk == 0) chunk = trained > 0 ? std::min(kPerplexityChunk, trained) : kPerplexityChunk;
  TRY(const auto chunks, evaluation_chunks(file, *loaded.text.tokenizer, chunk, max_chunks));

  Totals totals;
  {
    const InterruptScope scope;
    ProgressLine progress("scoring");
    for (size_t i = 0; i < chunks.size(); ++i) {
      if (interrupted()) return Error{ErrorKind::cancelled, message(Phrase::interrupted)};
      TRY_STATUS(score_chunk(chunks[i], loaded, other ? &*other : nullptr, totals));
      progress.update_count(i + 1, chunks.size(),
                            fmt::format("chunks, perplexity {:.3f}", totals.perplexity()));
    }
  }
  const auto n = static_cast<double>(totals.negative_log_likelihoods.size());
  Json report = {{"model", loaded.path},
                 {"file", file},
                 {"chunks", chunks.size()},
                 {"chunk_tokens", chunk},
                 {"scored_tokens", totals.negative_log_likelihoods.size()},
                 {"perplexity", totals.perplexity()},
                 {"perplexity_error", totals.perplexity_error()}};
  if (other) {
    report["against"] = other->path;
    report["mean_kl_divergence"] = Totals::mean(totals.divergences);
    report["kl_divergence_error"] = Totals::standard_error(totals.divergences);
    report["max_kl_divergence"] =
        *std::max_element(totals.divergences.begin(), totals.divergences.end());
    report["top1_agreement"] = static_cast<double>(totals.same_top) / n;
  }
  if (as_json) {
    TRY_STATUS(print(to_string(report, 2) + "\n"));
    return 0;
  }
  std::string text = fmt::format(
      "perplexity      {:.4f} +- {:.4f} ({} chunks of {}, {} tokens scored)\n", totals.perplexity(),
      totals.perplexity_error(), chunks.size(), chunk, totals.negative_log_likelihoods.size());
  if (other) {
    text +=
        fmt::format("mean KL         {:.6f} +- {:.6f} nats from {}\ntop-1 agreement {:.2f} %\n",
                    Totals::mean(totals.divergences), Totals::standard_error(totals.divergences),
                    other->path, 100 * static_cast<double>(totals.same_top) / n);
  }
  TRY_STATUS(print(text));
  return 0;
}

}  // namespace

const Command kPerplexity = {
    .name = "perplexity",
    .usage = "usage: jiang perplexity MODEL FILE [--against OTHER] [OPTIONS]",
    .summary = "how well a model predicts a text, and how far it is from another",
    .examples =
        "  jiang perplexity model-q4_0.gguf wiki.test.raw --json\n"
        "  jiang perplexity model-q4_0.gguf wiki.test.raw --against model-f16.gguf",
    .run = run_perplexity,
};

}  // namespace jiang
