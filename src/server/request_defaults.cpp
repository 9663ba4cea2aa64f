#include "server/request_defaults.h"

#include "base/json_value.h"
#include "server/answer_request.h"

namespace jiang {

void add_prompt_defaults(const ModelDefaults& defaults, ChatRequest& request) {
  if (!request.messages.is_array() || request.messages.empty()) return;
  const bool has_system = request.messages.front()["role"] == "system";
  auto place = request.messages.begin() + (has_system ? 1 : 0);
  if (!has_system && !defaults.system.empty()) {
    place = request.messages.insert(place, Json{{"role", "system"}, {"content", defaults.system}});
    ++place;
  }
  for (const auto& [role, text] : defaults.first) {
    place = request.messages.insert(place, Json{{"role", role}, {"content", text}});
    ++place;
  }
}

void add_sampling(const ModelDefaults& defaults, const SamplingFields& given, size_t choice,
                  ChatRequest& request) {
  request.sampling = given.over(defaults.sampling);
  request.adapters = given.adapters();
  request.ignore_eos = given.ignore_eos;
  if (request.sampling.seed) *request.sampling.seed += choice;
  request.stop = given.stop.empty() ? defaults.stop : given.stop;
  if (request.max_tokens < 0) request.max_tokens = defaults.max_tokens;
}

Status add_settings(const ModelDefaults& defaults, const Json& settings, ChatRequest& request) {
  request.sampling = defaults.sampling;
  request.stop = defaults.stop;
  request.max_tokens = defaults.max_tokens;
  return apply_settings(settings, request);
}

}  // namespace jiang
