#include "server/ollama_request.h"

#include <algorithm>
#include <cstdlib>

#include "base/json_value.h"
#include "server/openai_request.h"

namespace jiang {
namespace {

// Go's durations: "1h30m", "-1s"; and "0" and "-1" are seconds.
std::optional<double> duration_seconds(const std::string& text) {
  constexpr std::pair<std::string_view, double> kUnits[] = {
      {"ms", 1e-3}, {"us", 1e-6}, {"ns", 1e-9}, {"h", 3600}, {"m", 60}, {"s", 1}};
  const char* at = text.c_str();
  const double sign = *at == '-' ? -1 : 1;
  if (*at == '-') ++at;
  double total = 0;
  bool has_part = false;
  while (*at) {
    char* end = nullptr;
    const double number = *at >= '0' && *at <= '9' ? std::strtod(at, &end) : -1;
    if (!(number >= 0 && number <= 1e9)) return std::nullopt;
    at = end;
    double scale = 0;
    for (const auto& [unit, seconds] : kUnits) {
      if (!std::string_view(at).starts_with(unit)) continue;
      scale = seconds;
      at += unit.size();
      break;
    }
    if (scale == 0) {
      if (*at || has_part) return std::nullopt;
      scale = 1;
    }
    total += number * scale;
    has_part = true;
  }
  return has_part ? std::optional(sign * total) : std::nullopt;
}

std::optional<ApiError> convert_calls(Json& calls, size_t& n_calls,
                                      std::vector<std::string>& open_calls) {
  if (!calls.is_array()) return bad_request("tool_calls must be a list", "messages");
  for (Json& call : calls) {
    const Json* function = call.is_object() ? find_member(call, "function") : nullptr;
    if (!function || !function->is_object())
      return bad_request("a tool call must have a function", "messages");
    Json converted = *function;
    if (const Json* arguments = find_member(converted, "arguments");
        arguments && !arguments->is_string()) {
      converted["arguments"] = to_string(*arguments);
    }
    const Json* given = find_member(call, "id");
    const std::string id =
        given && given->is_string() ? given->get<std::string>() : fmt::format("call_{}", n_calls);
    ++n_calls;
    open_calls.push_back(id);
    call = {{"id", id}, {"type", "function"}, {"function", std::move(converted)}};
  }
  return std::nullopt;
}

// Which call a tool's answer belongs to: the one that it names, or the first that is open.
void name_call(Json& message, std::vector<std::string>& open_calls) {
  if (const Json* name = find_member(message, "tool_name")) message["name"] = *name;
  message.erase("tool_name");
  auto call = open_calls.begin();
  if (const Json* id = find_member(message, "tool_call_id"); id && id->is_string())
    call = std::find(open_calls.begin(), open_calls.end(), id->get<std::string>());
  if (call == open_calls.end()) return;
  message["tool_call_id"] = *call;
  open_calls.erase(call);
}

}  // namespace

void OllamaOptions::fields(Fields& f) {
  f.number("temperature", sampling.temperature, 0, 100);
  f.integer("top_k", sampling.top_k, 0, INT32_MAX);
  f.number("top_p", sampling.top_p, 0, 1);
  f.number("min_p", sampling.min_p, 0, 1);
  f.number("repeat_penalty", sampling.repeat_penalty, 0.01, 100);
  f.number("presence_penalty", sampling.presence_penalty, -100, 100);
  f.number("frequency_penalty", sampling.frequency_penalty, -100, 100);
  f.integer("repeat_last_n", sampling.penalty_window, -1, INT32_MAX);
  f.integer("seed", sampling.seed, 0, INT64_MAX);
  f.texts("stop", sampling.stop, 16);
  f.integer("num_predict", num_predict, -2, INT32_MAX);
  f.integer("num_ctx", num_ctx, 1, INT32_MAX);
  f.unsupported("mirostat", 0);
  f.unsupported("typical_p", 1.0);
  f.unsupported("tfs_z", 1.0);
  f.unsupported("penalize_newline", true);
  for (const char* name :
       {"num_thread", "num_batch", "num_gpu", "main_gpu", "use_mmap", "use_mlock", "numa",
        "num_keep", "low_vram", "vocab_only", "mirostat_tau", "mirostat_eta"}) {
    f.without_effect(name);
  }
}

std::optional<ApiError> read_keep_alive(const Json& value,
                                        std::optional<std::chrono::seconds>& out) {
  if (value.is_null()) return std::nullopt;
  std::optional<double> seconds;
  if (value.is_number()) seconds = value.get<double>();
  if (value.is_string()) seconds = duration_seconds(value.get<std::string>());
  if (!seconds || !(*seconds > -1e10 && *seconds < 1e10)) {
    return bad_request("keep_alive must be seconds, or a duration such as \"5m\"", "keep_alive",
                       "invalid_value");
  }
  const auto whole = static_cast<int64_t>(*seconds);
  // A part of a second is not "at once", and a part below none is still for ever.
  out = std::chrono::seconds(whole != 0 || *seconds == 0 ? whole : *seconds > 0 ? 1 : -1);
  return std::nullopt;
}

std::optional<ApiError> read_ollama_format(const Json& value, ResponseFormat& out) {
  if (value.is_null() || value == "") return std::nullopt;
  if (value == "json") {
    out.kind = ResponseFormat::Kind::json_object;
    return std::nullopt;
  }
  if (!value.is_object()) {
    return bad_request("format must be \"json\" or a JSON schema", "format", "invalid_value");
  }
  out.kind = ResponseFormat::Kind::json_schema;
  out.schema = value;
  return std::nullopt;
}

std::optional<ApiError> read_think(const Json& value, std::optional<bool>& out) {
  if (value.is_null()) return std::nullopt;
  if (value.is_boolean()) {
    out = value.get<bool>();
  } else if (value == "low" || value == "medium" || value == "high") {
    out = true;
  } else {
    return bad_request("think must be true, false, or low, medium, high", "think", "invalid_value");
  }
  return std::nullopt;
}

std::optional<ApiError> convert_ollama_messages(Json& messages) {
  size_t n_calls = 0;
  std::vector<std::string> open_calls;
  for (Json& message : messages) {
    if (!message.is_object()) return bad_request("a message must be an object", "messages");
    if (const Json* images = find_member(message, "images"); images && !images->empty()) {
      return bad_request("images cannot be read: no model here sees", "messages", "unsupported");
    }
    message.erase("images");
    if (const Json* thinking = find_member(message, "thinking"))
      message["reasoning_content"] = *thinking;
    message.erase("thinking");
    if (find_member(message, "tool_calls") != nullptr) {
      if (auto error = convert_calls(message["tool_calls"], n_calls, open_calls)) return error;
    }
    const Json* role = find_member(message, "role");
    if (role != nullptr && *role == "tool") name_call(message, open_calls);
  }
  return check_messages(messages);
}

}  // namespace jiang
