#include "runtime/model_defaults.h"

#include <algorithm>
#include <cstdlib>

#include "base/json_value.h"

namespace jiang {
namespace {

struct NumberRow {
  const char* name;  // in a Modelfile
  const char* key;   // in generation_config.json; null: it has no such thing
  float SamplingParams::*member;
  double least;
  double most;
};
constexpr NumberRow kNumbers[] = {
    {"temperature", "temperature", &SamplingParams::temperature, 0, 100},
    {"top_p", "top_p", &SamplingParams::top_p, 0, 1},
    {"min_p", "min_p", &SamplingParams::min_p, 0, 1},
    {"repeat_penalty", "repetition_penalty", &SamplingParams::repeat_penalty, 0.01, 100},
    {"presence_penalty", nullptr, &SamplingParams::presence_penalty, -100, 100},
    {"frequency_penalty", nullptr, &SamplingParams::frequency_penalty, -100, 100},
};
constexpr int64_t kMaxTopK = 1 << 30;

// Names and values were checked when the model was created; num_ctx is the loader's.
void apply_parameter(const std::string& name, const std::string& value, ModelDefaults& out) {
  for (const NumberRow& row : kNumbers) {
    if (name == row.name) out.sampling.*row.member = std::strtof(value.c_str(), nullptr);
  }
  const auto whole = [&] { return std::strtoll(value.c_str(), nullptr, 10); };
  if (name == "top_k") out.sampling.top_k = static_cast<int32_t>(whole());
  if (name == "seed") out.sampling.seed = static_cast<uint64_t>(whole());
  if (name == "num_predict") out.max_tokens = static_cast<int32_t>(whole());
  if (name == "stop") out.stop.push_back(value);
}

}  // namespace

Result<SamplingParams> sampling_of(const Json& config) {
  SamplingParams sampling;
  if (!config.is_object()) return sampling;
  TRY(const bool samples, get_bool_or(config, "do_sample", true, "generation_config"));
  if (!samples) return sampling;
  for (const NumberRow& row : kNumbers) {
    if (row.key == nullptr || find_member(config, row.key) == nullptr) continue;
    TRY(const double value, get_number(config, row.key, "generation_config"));
    if (!(value >= row.least && value <= row.most)) {
      return fail(ErrorKind::bad_file,
                  "the model's generation_config says {} = {}, outside {} to {}; give the flag",
                  row.key, value, row.least, row.most);
    }
    sampling.*row.member = static_cast<float>(value);
  }
  TRY(const int64_t top_k, get_int_or(config, "top_k", sampling.top_k, "generation_config"));
  // Below 0 is another spelling of "off".
  sampling.top_k = static_cast<int32_t>(std::clamp<int64_t>(top_k, 0, kMaxTopK));
  return sampling;
}

Result<ModelDefaults> model_defaults(const Json& generation_config, const ModelSettings& settings) {
  ModelDefaults out;
  TRY(out.sampling, sampling_of(generation_config));
  for (const auto& [name, value] : settings.parameters) apply_parameter(name, value, out);
  out.system = settings.system;
  out.first = settings.messages;
  return out;
}

}  // namespace jiang
