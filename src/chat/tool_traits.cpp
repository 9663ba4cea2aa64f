#include "chat/tool_traits.h"

#include <algorithm>

#include "base/ascii.h"
#include "base/json_value.h"

namespace jiang {
namespace {

constexpr const char* kName = "qZ7look";
constexpr const char* kDescription = "qZ7description";

std::string rendered(const ChatModel& chat, const Json& messages, const Json& tools) {
  const auto segments = chat.render(messages, tools, false, nullptr);
  return segments ? join(*segments) : "";
}

constexpr const char* kIntroduction =
    "You can call these tools, each described by a JSON object:\n";
constexpr const char* kInstruction =
    "\nTo call a tool, write nothing but\n"
    "<tool_call>\n{\"name\": \"NAME\", \"arguments\": {...}}\n</tool_call>\n"
    "once per call, with arguments as the tool's parameters say. Its result comes in "
    "<tool_response>. Answer in plain words when no tool is needed.";

std::string text_of(const Json* content) {
  if (content == nullptr) return "";
  if (content->is_string()) return content->get<std::string>();
  std::string text;
  if (!content->is_array()) return to_string(*content);
  for (const Json& part : *content) {
    const Json* piece = part.is_object() ? find_member(part, "text") : nullptr;
    if (piece && piece->is_string()) text += piece->get<std::string>();
  }
  return text;
}

Result<std::string> calls_in_words(const Json& calls, size_t index) {
  std::string text;
  for (const Json& call : calls) {
    const Json* function = call.is_object() ? find_member(call, "function") : nullptr;
    const Json* name = function ? find_member(*function, "name") : nullptr;
    const Json* arguments = function ? find_member(*function, "arguments") : nullptr;
    if (!name || !name->is_string()) {
      return fail(ErrorKind::invalid_argument, "messages[{}]: a tool call has no function name",
                  index);
    }
    const std::string as_text = !arguments               ? "{}"
                                : arguments->is_string() ? arguments->get<std::string>()
                                                         : to_string(*arguments);
    if (!text.empty()) text += "\n";
    text += write_call(plain_dialect(), name->get<std::string>(), as_text, 0);
  }
  return text;
}

}  // namespace

ToolTraits tool_traits(const ChatModel& chat) {
  ToolTraits traits;
  if (!chat.has_template()) return traits;
  const Json tools = Json::array(
      {{{"type", "function"},
        {"function",
         {{"name", kName},
          {"description", kDescription},
          {"parameters", {{"type", "object"}, {"properties", {{"at", {{"type", "string"}}}}}}}}}}});
  // Ids of nine letters are what Mistral's templates insist on.
  const Json call = {{"id", "abcdefghi"},
                     {"type", "function"},
                     {"function", {{"name", kName}, {"arguments", {{"at", "here"}}}}}};
  const Json question = {{"role", "user"}, {"content", "where?"}};
  const Json answer = {{"role", "assistant"}, {"content", ""}, {"tool_calls", Json::array({call})}};
  const Json result = {
      {"role", "tool"}, {"tool_call_id", "abcdefghi"}, {"name", kName}, {"content", "found"}};
  const bool knows_tools = contains(rendered(chat, Json::array({question}), tools), kDescription);
  const Dialect* dialect =
      recognize_dialect(rendered(chat, Json::array({question, answer, result}), tools), kName);
  if (!knows_tools || dialect == nullptr) return traits;
  return {.dialect = dialect, .by_template = true};
}

bool have_calls(const Json& messages) {
  if (!messages.is_array()) return false;
  return std::any_of(messages.begin(), messages.end(), [](const Json& message) {
    if (!message.is_object()) return false;
    const Json* role = find_member(message, "role");
    return (role && *role == "tool") || find_member(message, "tool_calls") != nullptr;
  });
}

Result<Json> tools_in_words(const Json& messages, const Json& tools) {
  if (!messages.is_array()) return messages;  // its error comes from the template
  Json out = Json::array();
  for (size_t i = 0; i < messages.size(); ++i) {
    Json message = messages[i];
    const Json* role = message.is_object() ? find_member(message, "role") : nullptr;
    const Json* content = role ? find_member(message, "content") : nullptr;
    const Json* calls = role ? find_member(message, "tool_calls") : nullptr;
    if (role && *role == "tool") {
      const std::string text = "<tool_response>\n" + text_of(content) + "\n</tool_response>";
      // Results of one turn are one message: many templates want turns to alternate.
      const bool joins =
          i > 0 && messages[i - 1].is_object() && messages[i - 1].value("role", Json()) == "tool";
      if (joins) {
        Json& last = out.back()["content"];
        last = last.get<std::string>() + "\n" + text;
        continue;
      }
      message = {{"role", "user"}, {"content", text}};
    } else if (calls && calls->is_array()) {
      TRY(const std::string text, calls_in_words(*calls, i));
      const std::string before = text_of(content);
      message = {
          {"role", "assistant"},
          {"content", before.empty() || text.empty() ? before + text : before + "\n" + text}};
    }
    out.push_back(std::move(message));
  }
  if (tools.is_null() || tools.empty()) return out;
  std::string words = kIntroduction;
  for (const Json& tool : tools) {
    const Json* function = tool.is_object() ? find_member(tool, "function") : nullptr;
    words += to_string(function ? *function : tool) + "\n";
  }
  words += kInstruction;
  const bool has_system =
      !out.empty() && out[0].is_object() && out[0].value("role", Json()) == "system";
  if (has_system) {
    out[0]["content"] = text_of(find_member(out[0], "content")) + "\n\n" + words;
  } else {
    out.insert(out.begin(), Json{{"role", "system"}, {"content", words}});
  }
  return out;
}

}  // namespace jiang
