#include "server/metrics.h"

#include <algorithm>

namespace jiang {
namespace {

void print_metric(std::string& out, std::string_view name, std::string_view type,
                  std::string_view help, double value) {
  out += fmt::format("# HELP jiang_{} {}\n# TYPE jiang_{} {}\njiang_{} {}\n", name, help, name,
                     type, name, value);
}

// A label's value: backslash, quote and line break are escaped.
std::string label(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '\\' || c == '"') out += '\\';
    if (c == '\n') {
      out += "\\n";
    } else {
      out += c;
    }
  }
  return out;
}

struct ModelMetric {
  const char* name;
  const char* type;
  const char* help;
  double (*value)(const ModelStatus&);
};

constexpr ModelMetric kModelMetrics[] = {
    {"model_loaded", "gauge", "1 when the model is in memory",
     [](const ModelStatus& m) { return m.loaded ? 1.0 : 0.0; }},
    {"model_memory_bytes", "gauge", "memory of weights, state and workspace",
     [](const ModelStatus& m) { return static_cast<double>(m.memory_bytes); }},
    {"model_running_sequences", "gauge", "sequences in the batch",
     [](const ModelStatus& m) { return static_cast<double>(m.stats.running); }},
    {"model_waiting_sequences", "gauge", "sequences that wait in the engine",
     [](const ModelStatus& m) { return static_cast<double>(m.stats.waiting); }},
    {"model_free_state_tokens", "gauge", "tokens of state memory that are free",
     [](const ModelStatus& m) { return static_cast<double>(m.stats.free_state_tokens); }},
    {"model_steps_total", "counter", "steps of the engine",
     [](const ModelStatus& m) { return static_cast<double>(m.stats.steps); }},
    {"model_prompt_tokens_total", "counter", "prompt tokens of admitted requests",
     [](const ModelStatus& m) { return static_cast<double>(m.stats.prompt_tokens); }},
    {"model_cached_tokens_total", "counter", "of those, taken from the prefix cache",
     [](const ModelStatus& m) { return static_cast<double>(m.stats.cached_tokens); }},
    {"model_generated_tokens_total", "counter", "tokens generated",
     [](const ModelStatus& m) { return static_cast<double>(m.stats.generated_tokens); }},
};

// By where the guesses come from: the text itself, a draft model.
struct GuessMetric {
  const char* name;
  const char* help;
  uint64_t GuessCount::*count;
};

constexpr GuessMetric kGuessMetrics[] = {
    {"model_guessed_tokens_total", "tokens fed before they were drawn", &GuessCount::guessed},
    {"model_right_guesses_total", "of those, drawn indeed", &GuessCount::right},
};

}  // namespace

void Histogram::observe(double seconds) {
  const auto bound = std::lower_bound(kBounds.begin(), kBounds.end(), seconds);
  ++counts_[static_cast<size_t>(bound - kBounds.begin())];
  sum_micros_ += static_cast<uint64_t>(std::max(0.0, seconds) * 1e6);
}

void Histogram::print(std::string& out, std::string_view name, std::string_view help) const {
  out += fmt::format("# HELP jiang_{} {}\n# TYPE jiang_{} histogram\n", name, help, name);
  uint64_t total = 0;
  for (size_t i = 0; i < counts_.size(); ++i) {
    total += counts_[i].load();
    const std::string bound = i < kBounds.size() ? fmt::format("{}", kBounds[i]) : "+Inf";
    out += fmt::format("jiang_{}_bucket{{le=\"{}\"}} {}\n", name, bound, total);
  }
  out += fmt::format("jiang_{}_sum {}\njiang_{}_count {}\n", name,
                     static_cast<double>(sum_micros_.load()) / 1e6, name, total);
}

void Metrics::count(const RequestStats& stats, double first_token) {
  ++answers;
  prompt_tokens += static_cast<uint64_t>(stats.prompt_tokens);
  cached_tokens += static_cast<uint64_t>(stats.cached_tokens);
  generated_tokens += static_cast<uint64_t>(stats.generated_tokens);
  queue_seconds.observe(stats.queue_seconds);
  if (first_token >= 0) first_token_seconds.observe(first_token);
  if (stats.generated_tokens > 1)
    token_seconds.observe(stats.decode_seconds / (stats.generated_tokens - 1));
}

std::string prometheus_text(const Metrics& metrics, const HttpCounters& http,
                            const ModelManager& models, int32_t n_waiting) {
  std::string out;
  const auto counter = [&](std::string_view name, std::string_view help, uint64_t value) {
    print_metric(out, name, "counter", help, static_cast<double>(value));
  };
  print_metric(out, "connections", "gauge", "open connections", http.connections);
  counter("connections_total", "connections accepted", http.accepted);
  counter("connections_refused_total", "connections over a limit", http.refused_connections);
  counter("requests_total", "HTTP requests", http.requests);
  counter("answers_total", "generations that ended", metrics.answers.load());
  counter("answers_cancelled_total", "generations that their client left",
          metrics.cancelled.load());
  counter("answers_failed_total", "generations that ended with an error", metrics.failed.load());
  counter("answers_refused_total", "requests refused by a full queue", metrics.refused.load());
  print_metric(out, "answers_active", "gauge", "generations under way",
               static_cast<double>(metrics.active.load()));
  print_metric(out, "queue_length", "gauge", "requests that wait for a slot", n_waiting);
  counter("prompt_tokens_total", "prompt tokens of ended generations",
          metrics.prompt_tokens.load());
  counter("cached_tokens_total", "of those, from the prefix cache", metrics.cached_tokens.load());
  counter("generated_tokens_total", "tokens of ended generations", metrics.generated_tokens.load());
  metrics.queue_seconds.print(out, "queue_seconds", "time in the engine's queue");
  metrics.first_token_seconds.print(out, "time_to_first_token_seconds",
                                    "from the request to the first token");
  metrics.token_seconds.print(out, "time_per_token_seconds",
                              "mean time between the tokens of an answer");

  const std::vector<ModelStatus> list = models.list();
  for (const ModelMetric& metric : kModelMetrics) {
    out += fmt::format("# HELP jiang_{} {}\n# TYPE jiang_{} {}\n", metric.name, metric.help,
                       metric.name, metric.type);
    for (const ModelStatus& model : list)
      out += fmt::format("jiang_{}{{model=\"{}\"}} {}\n", metric.name, label(model.name),
                         metric.value(model));
  }
  for (const GuessMetric& metric : kGuessMetrics) {
    out += fmt::format("# HELP jiang_{} {}\n# TYPE jiang_{} counter\n", metric.name, metric.help,
                       metric.name);
    for (const ModelStatus& model : list) {
      for (size_t i = 0; i < kGuessKindNames.size(); ++i) {
        out += fmt::format("jiang_{}{{model=\"{}\",source=\"{}\"}} {}\n", metric.name,
                           label(model.name), kGuessKindNames[i],
                           model.stats.guesses.of_kind[i].*metric.count);
      }
    }
  }
  return out;
}

}  // namespace jiang
