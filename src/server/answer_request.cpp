#include "server/answer_request.h"

#include <cmath>

#include "base/sha256.h"
#include "base/unicode.h"

namespace jiang {
namespace {

constexpr size_t kTitleCharacters = 30;
constexpr size_t kMaxStops = 4;
constexpr size_t kMaxStopBytes = 1000;

struct NumberField {
  const char* key;
  float SamplingParams::*member;
  double least;
  double most;
};
constexpr NumberField kNumbers[] = {
    {"temperature", &SamplingParams::temperature, 0, 2},
    {"top_p", &SamplingParams::top_p, 0, 1},
    {"min_p", &SamplingParams::min_p, 0, 1},
    {"presence_penalty", &SamplingParams::presence_penalty, -2, 2},
    {"frequency_penalty", &SamplingParams::frequency_penalty, -2, 2},
    {"repeat_penalty", &SamplingParams::repeat_penalty, 0.1, 10},
};

Error refuse(std::string_view key, std::string_view why) {
  return fail(ErrorKind::invalid_argument, "settings.{}: {}", key, why);
}

Status apply_integers(const Json& settings, ChatRequest& request) {
  const auto integer = [&](const char* key, int64_t least, int64_t most,
                           const std::function<void(int64_t)>& take) -> Status {
    const Json* value = find_member(settings, key);
    if (!value) return ok();
    const bool whole = value->is_number_integer() &&
                       !(value->is_number_unsigned() && value->get<uint64_t>() > INT64_MAX);
    if (!whole || value->get<int64_t>() < least || value->get<int64_t>() > most) {
      return refuse(key, fmt::format("must be a whole number from {} to {}", least, most));
    }
    take(value->get<int64_t>());
    return ok();
  };
  TRY_STATUS(integer("top_k", 0, 1000000,
                     [&](int64_t v) { request.sampling.top_k = static_cast<int32_t>(v); }));
  TRY_STATUS(integer("max_tokens", 1, INT32_MAX,
                     [&](int64_t v) { request.max_tokens = static_cast<int32_t>(v); }));
  TRY_STATUS(integer("seed", 0, INT64_MAX,
                     [&](int64_t v) { request.sampling.seed = static_cast<uint64_t>(v); }));
  return ok();
}

Status apply_stop(const Json& value, ChatRequest& request) {
  const Json list = value.is_array() ? value : Json::array({value});
  if (list.size() > kMaxStops) return refuse("stop", "at most 4 texts");
  request.stop.clear();
  for (const Json& one : list) {
    if (!one.is_string() || one.get_ref<const std::string&>().empty() ||
        one.get_ref<const std::string&>().size() > kMaxStopBytes) {
      return refuse("stop", "must be a text, or a list of up to 4 that are not empty");
    }
    request.stop.push_back(one.get<std::string>());
  }
  return ok();
}

std::string with_attachments(const Message& message) {
  std::string text;
  for (const Attachment& attachment : message.attachments) {
    text += fmt::format("{}:\n```\n{}\n```\n\n", attachment.name, attachment.text);
  }
  return text + message.content;
}

}  // namespace

Status apply_settings(const Json& settings, ChatRequest& request) {
  if (settings.is_null()) return ok();
  if (!settings.is_object()) {
    return fail(ErrorKind::invalid_argument, "settings: must be an object");
  }
  for (const NumberField& field : kNumbers) {
    const Json* value = find_member(settings, field.key);
    if (!value) continue;
    const double number = value->is_number() ? value->get<double>() : NAN;
    if (!(number >= field.least && number <= field.most)) {
      return refuse(field.key,
                    fmt::format("must be a number from {} to {}", field.least, field.most));
    }
    request.sampling.*field.member = static_cast<float>(number);
  }
  TRY_STATUS(apply_integers(settings, request));
  if (const Json* stop = find_member(settings, "stop")) TRY_STATUS(apply_stop(*stop, request));
  if (const Json* thinking = find_member(settings, "thinking")) {
    if (!thinking->is_boolean()) return refuse("thinking", "must be true or false");
    request.thinking = thinking->get<bool>();
  }
  return ok();
}

Json messages_of_path(const std::vector<Message>& path, std::string_view system) {
  Json messages = Json::array();
  if (!system.empty()) messages.push_back({{"role", "system"}, {"content", system}});
  for (const Message& message : path) {
    const std::string text = with_attachments(message);
    if (text.empty() || message.role == "tool") continue;
    // Many templates want user and assistant by turns: what an empty answer left side by side is
    // one question.
    if (message.role == "user" && !messages.empty() && messages.back()["role"] == "user") {
      messages.back()["content"] = messages.back()["content"].get<std::string>() + "\n\n" + text;
      continue;
    }
    messages.push_back({{"role", message.role}, {"content", text}});
  }
  return messages;
}

std::string prompt_hash(const Json& messages) { return sha256_hex(to_string(messages)); }

std::string title_of(std::string_view content) {
  const size_t begin = content.find_first_not_of(" \t\r\n");
  if (begin == std::string_view::npos) return "";
  content.remove_prefix(begin);
  content = content.substr(0, content.find_first_of("\r\n"));
  size_t end = 0;
  for (size_t i = 0; i < kTitleCharacters && end < content.size(); ++i) {
    end += grapheme_length(content.substr(end));
  }
  std::string title(content.substr(0, end));
  while (!title.empty() && title.back() == ' ') title.pop_back();
  return title;
}

}  // namespace jiang
