#include "server/sampling_fields.h"

#include <charconv>
#include <cstdint>

namespace jiang {
namespace {

constexpr int kMostAdapters = 64;

// nullopt: not a token's id.
std::optional<TokenId> token_id(const std::string& text) {
  TokenId id = -1;
  const auto end = text.data() + text.size();
  const auto parsed = std::from_chars(text.data(), end, id);
  if (parsed.ec != std::errc() || parsed.ptr != end || id < 0) return std::nullopt;
  return id;
}

bool is_adapter(const Json& part) {
  if (!part.is_object()) return false;
  for (const auto& [name, value] : part.items()) {
    if (name == "id" && value.is_number_integer() && value >= 0 && value < kMostAdapters) continue;
    if (name == "scale" && value.is_number() && value >= -1000 && value <= 1000) continue;
    return false;
  }
  return part.contains("id");
}

}  // namespace

void SamplingFields::fields(Fields& f) {
  f.number("temperature", temperature, 0, 2);
  f.number("top_p", top_p, 0, 1);
  f.integer("top_k", top_k, 0, INT32_MAX);
  f.number("min_p", min_p, 0, 1);
  f.number("repeat_penalty", repeat_penalty, 0.01, 10);
  f.number("presence_penalty", presence_penalty, -2, 2);
  f.number("frequency_penalty", frequency_penalty, -2, 2);
  f.integer("seed", seed, INT64_MIN, INT64_MAX);
  f.object("logit_bias", logit_bias);
  f.texts("stop", stop, 4);
  f.flag("ignore_eos", ignore_eos);
  f.list("lora", lora);
  for (const Json& part : lora) {
    if (!is_adapter(part)) {
      return f.fail("lora", "must be a list of {\"id\": 0, \"scale\": 1}, of ids from 0 to 63",
                    "invalid_value");
    }
  }
  if (!logit_bias.is_object()) return;
  for (const auto& [key, value] : logit_bias.items()) {
    if (!token_id(key))
      return f.fail("logit_bias", "must have token ids as its names", "invalid_value");
    const double bias = value.is_number() ? value.get<double>() : 1000;
    if (!(bias >= -100 && bias <= 100))
      return f.fail("logit_bias", "must have numbers from -100 to 100", "invalid_value");
  }
}

SamplingParams SamplingFields::over(SamplingParams params) const {
  if (temperature) params.temperature = static_cast<float>(*temperature);
  if (top_p) params.top_p = static_cast<float>(*top_p);
  if (top_k) params.top_k = static_cast<int32_t>(*top_k);
  if (min_p) params.min_p = static_cast<float>(*min_p);
  if (repeat_penalty) params.repeat_penalty = static_cast<float>(*repeat_penalty);
  if (presence_penalty) params.presence_penalty = static_cast<float>(*presence_penalty);
  if (frequency_penalty) params.frequency_penalty = static_cast<float>(*frequency_penalty);
  if (penalty_window) params.penalty_window = static_cast<int32_t>(*penalty_window);
  if (seed) params.seed = static_cast<uint64_t>(*seed);
  if (logit_bias.is_object()) {
    for (const auto& [key, value] : logit_bias.items())
      params.logit_bias.emplace_back(token_id(key).value_or(0), value.get<float>());
  }
  return params;
}

std::optional<AdapterMix> SamplingFields::adapters() const {
  if (!lora.is_array()) return std::nullopt;
  AdapterMix mix;
  for (const Json& part : lora)
    mix.parts.push_back({part["id"].get<int32_t>(), part.value("scale", 1.0f)});
  return mix;
}

}  // namespace jiang
