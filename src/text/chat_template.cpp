#include "text/chat_template.h"

#include <algorithm>
#include <chrono>

#include "base/json_value.h"
#include "text/jinja/interpreter.h"
#include "text/jinja/parser.h"

namespace jiang {
namespace {

using jinja::Origin;
using jinja::Value;

// The model's own special tokens, not its user's words.
bool is_token_name(std::string_view key) { return key.ends_with("_token"); }

// A role is a word between special tokens, and many templates build the token itself from it:
// '<|' + message.role + '|>'. A plain word cannot forge anything, so it counts as template text.
bool is_plain_word(std::string_view text) {
  constexpr size_t kLongestRole = 32;
  return text.size() <= kLongestRole && std::all_of(text.begin(), text.end(), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                  c == '_';
         });
}

Result<Value> message_value(const Json& message) {
  TRY(Value value, jinja::from_json(message));
  if (!value.is(jinja::Kind::dict)) return value;
  for (auto& [key, field] : value.as<jinja::DictObject>().entries) {
    if (key.bytes() == "role" && field.is(jinja::Kind::string) && is_plain_word(field.bytes())) {
      field = Value::string(field.bytes(), Origin::from_template);
    }
  }
  return value;
}

Result<Value> messages_value(const Json& messages) {
  jinja::Values values;
  for (const Json& message : messages) {
    TRY(Value value, message_value(message));
    values.push_back(std::move(value));
  }
  return Value::list(std::move(values));
}

Result<Value> context_value(std::string_view key, const Json& json) {
  if (key == "messages" && json.is_array()) return messages_value(json);
  return jinja::from_json(json, is_token_name(key) ? Origin::from_template : Origin::data);
}

std::tm local_time() {
  const std::time_t seconds =
      std::chrono::system_clock::to_time_t(std::chrono::system_clock::now());
  std::tm now{};
  localtime_r(&seconds, &now);
  return now;
}

}  // namespace

struct ChatTemplate::Program {
  jinja::Program program;
};

std::string join(const std::vector<PromptSegment>& segments) {
  std::string text;
  for (const PromptSegment& segment : segments) text += segment.text;
  return text;
}

Result<ChatTemplate> ChatTemplate::parse(std::string_view source) {
  TRY(jinja::Program program, jinja::parse(source));
  ChatTemplate result;
  result.program_ = std::make_shared<Program>(Program{std::move(program)});
  return result;
}

Result<std::vector<PromptSegment>> ChatTemplate::render(const Json& context, TemplateLimits limits,
                                                        const std::tm* now) const {
  if (!context.is_object()) {
    return fail(ErrorKind::invalid_argument, "a template's context must be a JSON object, not {}",
                context.type_name());
  }
  jinja::Interpreter interpreter(program_->program,
                                 {.max_steps = limits.max_steps,
                                  .max_calls = limits.max_depth,
                                  .max_output_bytes = limits.max_output_bytes},
                                 now ? *now : local_time());
  for (const auto& [key, json] : context.items()) {
    TRY(Value value, context_value(key, json));
    interpreter.set_variable(key, std::move(value));
  }
  TRY(const jinja::Text text, interpreter.render());
  std::vector<PromptSegment> segments;
  text.for_each_run([&](std::string_view run, Origin origin) {
    segments.push_back({std::string(run), origin == Origin::from_template});
  });
  return segments;
}

}  // namespace jiang
