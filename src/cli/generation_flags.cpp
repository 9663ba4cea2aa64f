#include "cli/generation_flags.h"

#include <algorithm>

#include "base/json_value.h"
#include "base/suggest.h"
#include "cli/messages.h"
#include "runtime/model_defaults.h"

namespace jiang {
namespace {

constexpr Range<float> kTemperature{0, 100};
constexpr Range<float> kProbability{0, 1};
constexpr Range<float> kRepeat{0.01f, 100};
constexpr Range<float> kAdditive{-100, 100};
constexpr Range<int32_t> kTopK{0, 1 << 30};
constexpr Range<int32_t> kMaxTokens{-1, 1 << 30};
constexpr Range<uint64_t> kSeed{0, UINT64_MAX};

}  // namespace

void GenerationFlags::add_to(Options& options) {
  options.number(max_tokens, "-n,--max-tokens", kMaxTokens,
                 "stop after N tokens, -1: when the context is full (default)");
  options.number(temp, "--temp", kTemperature, "0: always the likeliest token (default 0.8)");
  options.number(top_k, "--top-k", kTopK, "only the N likeliest, 0: all (default 40)");
  options.number(top_p, "--top-p", kProbability,
                 "only the likeliest that sum to N, 1: all (default 0.95)");
  options.number(min_p, "--min-p", kProbability,
                 "only those at least N times as likely as the best (default 0.05)");
  options.number(repeat_penalty, "--repeat-penalty", kRepeat, "1: none (default)");
  options.number(presence_penalty, "--presence-penalty", kAdditive, "0: none (default)");
  options.number(frequency_penalty, "--frequency-penalty", kAdditive, "0: none (default)");
  options.number(seed, "--seed", kSeed, "the same seed gives the same answer (default: random)");
  options.texts(stop, "--stop", "TEXT", "end the answer before TEXT; may be repeated");
}

std::vector<std::string> GenerationFlags::parameter_names() {
  return {
      "max_tokens",        "temp", "top_k", "top_p", "min_p", "repeat_penalty", "presence_penalty",
      "frequency_penalty", "seed", "stop"};
}

Status GenerationFlags::set_defaults(
    const std::vector<std::pair<std::string, std::string>>& parameters) {
  GenerationFlags defaults;
  for (const auto& [name, value] : parameters) {
    if (name == "num_ctx") continue;
    if (name == "stop") {
      defaults.stop.push_back(value);
    } else {
      TRY_STATUS(defaults.set(name, value));
    }
  }
  const auto fill = [](auto& mine, const auto& theirs) {
    if (!mine) mine = theirs;
  };
  fill(max_tokens, defaults.max_tokens);
  fill(temp, defaults.temp);
  fill(top_p, defaults.top_p);
  fill(min_p, defaults.min_p);
  fill(repeat_penalty, defaults.repeat_penalty);
  fill(presence_penalty, defaults.presence_penalty);
  fill(frequency_penalty, defaults.frequency_penalty);
  fill(top_k, defaults.top_k);
  fill(seed, defaults.seed);
  if (stop.empty()) stop = std::move(defaults.stop);
  return ok();
}

Status GenerationFlags::set(const std::string& name, const std::string& value) {
  std::string known = name;
  if (name == "temperature") known = "temp";
  if (name == "num_predict") known = "max_tokens";
  const std::vector<std::string> names = parameter_names();
  if (std::find(names.begin(), names.end(), known) == names.end()) {
    const auto near = suggest(name, names);
    std::string list;
    for (const std::string& one : names) list += (list.empty() ? "" : ", ") + one;
    return near ? fail(ErrorKind::invalid_argument, "no parameter '{}'; did you mean '{}'?", name,
                       *near)
                : fail(ErrorKind::invalid_argument, "no parameter '{}'; there are {}", name, list);
  }
  for (char& c : known) c = c == '_' ? '-' : c;
  // The flags' own parser, so that names and ranges are said once.
  GenerationFlags changed = *this;
  if (known == "stop") changed.stop.clear();
  Options options("");
  changed.add_to(options);
  TRY(const bool parsed, options.parse({"--" + known, value}));
  if (parsed) *this = changed;
  return ok();
}

std::string GenerationFlags::describe(const GenerateOptions& now) const {
  const SamplingParams& s = now.sampling;
  std::string text = fmt::format(
      "max_tokens {}\ntemp {}\ntop_k {}\ntop_p {}\nmin_p {}\nrepeat_penalty {}\n"
      "presence_penalty {}\nfrequency_penalty {}\nseed {}\n",
      now.max_tokens < 0 ? "until the context is full" : std::to_string(now.max_tokens),
      s.temperature, s.top_k, s.top_p, s.min_p, s.repeat_penalty, s.presence_penalty,
      s.frequency_penalty, s.seed ? std::to_string(*s.seed) : "random");
  for (const std::string& one : now.stop) text += fmt::format("stop {}\n", one);
  return text;
}

Result<GenerateOptions> GenerationFlags::apply(const Json& config) const {
  GenerateOptions out;
  SamplingParams& sampling = out.sampling;
  TRY(sampling, sampling_of(config));
  sampling.temperature = temp.value_or(sampling.temperature);
  sampling.top_k = top_k.value_or(sampling.top_k);
  sampling.top_p = top_p.value_or(sampling.top_p);
  sampling.min_p = min_p.value_or(sampling.min_p);
  sampling.repeat_penalty = repeat_penalty.value_or(sampling.repeat_penalty);
  sampling.presence_penalty = presence_penalty.value_or(sampling.presence_penalty);
  sampling.frequency_penalty = frequency_penalty.value_or(sampling.frequency_penalty);
  sampling.seed = seed;
  out.max_tokens = max_tokens.value_or(-1);
  out.stop = stop;
  return out;
}

}  // namespace jiang
