#include "chat/template_traits.h"

#include "base/ascii.h"
#include "base/json_value.h"

namespace jiang {
namespace {

constexpr const char* kNeedle = "qZ7needle";

class Probe {
 public:
  Probe(const ChatTemplate& chat_template, const std::string& bos_token,
        const std::string& eos_token)
      : template_(chat_template),
        context_{{"tools", nullptr},
                 {"documents", nullptr},
                 {"add_generation_prompt", true},
                 {"bos_token", bos_token},
                 {"eos_token", eos_token}} {}

  // The prompt, or "" when the template raises.
  std::string render(Json messages, const Json& tools = nullptr) {
    context_["messages"] = std::move(messages);
    context_["tools"] = tools;
    const auto segments = template_.render(context_);
    return segments ? join(*segments) : "";
  }

 private:
  const ChatTemplate& template_;
  Json context_;
};

Json user(Json content) { return {{"role", "user"}, {"content", std::move(content)}}; }

// A tool is called and answers. Ids of nine letters are what Mistral's templates insist on.
Json tool_chat(Json arguments, Json content) {
  const Json call = {{"id", "abcdefghi"},
                     {"type", "function"},
                     {"function", {{"name", "look"}, {"arguments", std::move(arguments)}}}};
  return Json::array(
      {user("where?"),
       {{"role", "assistant"},
        {"content", std::move(content)},
        {"tool_calls", Json::array({call})}},
       {{"role", "tool"}, {"tool_call_id", "abcdefghi"}, {"name", "look"}, {"content", "here"}}});
}

const Json& look_tool() {
  static const Json tools = Json::array(
      {{{"type", "function"},
        {"function",
         {{"name", "look"},
          {"description", "look around"},
          {"parameters",
           {{"type", "object"},
            {"properties", {{"at", {{"type", "string"}, {"description", "what to look at"}}}}},
            {"required", Json::array({"at"})}}}}}}});
  return tools;
}

}  // namespace

TemplateTraits probe(const ChatTemplate& chat_template, const std::string& bos_token,
                     const std::string& eos_token) {
  Probe probe(chat_template, bos_token, eos_token);
  TemplateTraits traits;
  const std::string text = probe.render(Json::array({user(kNeedle)}));
  const std::string parts =
      probe.render(Json::array({user(Json::array({{{"type", "text"}, {"text", kNeedle}}}))}));
  // A template that knows no lists prints them whole: "[{'type': 'text', ...".
  traits.takes_parts =
      contains(parts, kNeedle) && !contains(parts, "'text'") && !contains(parts, "\"text\"");
  traits.takes_text = contains(text, kNeedle) || !traits.takes_parts;

  const Json object = {{"at", kNeedle}};
  const auto shows = [&](Json arguments, Json content) {
    return contains(probe.render(tool_chat(std::move(arguments), std::move(content)), look_tool()),
                    kNeedle);
  };
  const std::string as_text = fmt::format("{{\"at\": \"{}\"}}", kNeedle);
  traits.arguments_as_text = !shows(object, "") && shows(as_text, "");

  const Json arguments = traits.arguments_as_text ? Json(as_text) : object;
  const std::string with_null = probe.render(tool_chat(arguments, nullptr), look_tool());
  const std::string with_empty = probe.render(tool_chat(arguments, ""), look_tool());
  traits.empty_for_null = contains(with_empty, kNeedle) &&
                          (!contains(with_null, kNeedle) || contains(with_null, "None"));
  return traits;
}

namespace {

Result<std::string> text_of_parts(const Json& parts, size_t index) {
  std::string text;
  for (const Json& part : parts) {
    const Json* piece = part.is_string() ? &part : find_member(part, "text");
    if (!piece || !piece->is_string()) {
      const Json* type = find_member(part, "type");
      return fail(ErrorKind::unsupported,
                  "messages[{}]: this model's chat template takes text only, not a content part of "
                  "type {}",
                  index, type ? to_string(*type) : "null");
    }
    text += piece->get<std::string>();
  }
  return text;
}

Status adapt_content(Json& message, const TemplateTraits& traits, size_t index) {
  const auto content = message.find("content");
  if (content == message.end()) return ok();
  if (content->is_null()) {
    if (traits.empty_for_null) *content = "";
  } else if (content->is_array() && !traits.takes_parts) {
    TRY(*content, text_of_parts(*content, index));
  } else if (content->is_string() && !traits.takes_text) {
    Json text = std::move(*content);
    *content = Json::array({{{"type", "text"}, {"text", std::move(text)}}});
  }
  return ok();
}

// JSON as Python writes it, which is how models saw it in training.
std::string python_json(const Json& value) {
  static const ChatTemplate writer = *ChatTemplate::parse("{{ value | tojson }}");
  const auto text = writer.render({{"value", value}});
  return text ? join(*text) : to_string(value);
}

Status adapt_arguments(Json& message, const TemplateTraits& traits, size_t index) {
  const auto calls = message.find("tool_calls");
  if (calls == message.end() || calls->is_null()) return ok();
  if (!calls->is_array()) {
    return fail(ErrorKind::invalid_argument, "messages[{}]: tool_calls must be a list", index);
  }
  for (Json& call : *calls) {
    const auto function = call.is_object() ? call.find("function") : call.end();
    if (function == call.end() || !function->is_object()) continue;
    const auto arguments = function->find("arguments");
    if (arguments == function->end()) continue;
    if (arguments->is_string() && !traits.arguments_as_text) {
      // Text that is no object (a model's own malformed call, say) stays as it is.
      const auto object = parse_json(arguments->get_ref<const std::string&>(), "arguments");
      if (object && object->is_object()) *arguments = *object;
    } else if (arguments->is_object() && traits.arguments_as_text) {
      *arguments = python_json(*arguments);
    }
  }
  return ok();
}

}  // namespace

Result<Json> adapt_messages(const Json& messages, const TemplateTraits& traits) {
  if (!messages.is_array()) {
    return fail(ErrorKind::invalid_argument, "messages must be a list, not {}",
                messages.type_name());
  }
  Json adapted = messages;
  for (size_t i = 0; i < adapted.size(); ++i) {
    Json& message = adapted[i];
    const Json* role = find_member(message, "role");
    if (!role || !role->is_string()) {
      return fail(ErrorKind::invalid_argument,
                  "messages[{}] must be an object with a role (system, user, assistant or tool)",
                  i);
    }
    TRY_STATUS(adapt_content(message, traits, i));
    TRY_STATUS(adapt_arguments(message, traits, i));
  }
  return adapted;
}

}  // namespace jiang
