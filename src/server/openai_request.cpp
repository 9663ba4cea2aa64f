#include "server/openai_request.h"

#include <algorithm>

#include "base/json_value.h"
#include "base/secret.h"

namespace jiang {
namespace {

std::optional<ApiError> check_content(Json& message, const std::string& where) {
  const auto content = message.find("content");
  const bool is_absent = content == message.end() || content->is_null();
  if (is_absent) {
    const bool has_calls = find_member(message, "tool_calls") != nullptr;
    if (message["role"] == "assistant" && has_calls) return std::nullopt;
    return bad_request(where + ".content is missing", where + ".content");
  }
  if (content->is_string()) return std::nullopt;
  if (!content->is_array() || content->empty()) {
    return bad_request(where + ".content must be a string or a list of parts", where + ".content",
                       "invalid_type");
  }
  for (Json& part : *content) {
    const Json* type = part.is_object() ? find_member(part, "type") : nullptr;
    if (type == nullptr || !type->is_string())
      return bad_request(where + ".content has a part without a type", where + ".content");
    if (*type == "text") {
      const Json* text = find_member(part, "text");
      if (text == nullptr || !text->is_string())
        return bad_request(where + ".content has a text part without text", where + ".content");
      continue;
    }
    if (*type == "refusal") continue;
    return bad_request(where + ".content has a part of type " + type->get<std::string>() +
                           "; this model takes text only",
                       where + ".content", "unsupported");
  }
  return std::nullopt;
}

std::optional<ApiError> check_calls(const Json& message, const std::string& where) {
  const Json* calls = find_member(message, "tool_calls");
  if (calls == nullptr) return std::nullopt;
  if (!calls->is_array())
    return bad_request(where + ".tool_calls must be a list", where + ".tool_calls");
  for (const Json& call : *calls) {
    const Json* function = call.is_object() ? find_member(call, "function") : nullptr;
    const Json* name = function && function->is_object() ? find_member(*function, "name") : nullptr;
    if (name == nullptr || !name->is_string()) {
      return bad_request(where + ".tool_calls has a call without function.name",
                         where + ".tool_calls");
    }
  }
  return std::nullopt;
}

bool is_name(const std::string& name) {
  return !name.empty() && name.size() <= 64 && std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-';
  });
}

bool has_tool(const Json& tools, const std::string& name) {
  return tools.is_array() && std::any_of(tools.begin(), tools.end(), [&](const Json& tool) {
           return tool["function"]["name"] == name;
         });
}

}  // namespace

std::optional<ApiError> check_messages(Json& messages) {
  if (!messages.is_array() || messages.empty())
    return bad_request("messages must be a list of at least one message", "messages");
  for (size_t i = 0; i < messages.size(); ++i) {
    Json& message = messages[i];
    const std::string where = fmt::format("messages[{}]", i);
    if (!message.is_object())
      return bad_request(where + " must be an object", where, "invalid_type");
    const Json* role = find_member(message, "role");
    if (role == nullptr || !role->is_string())
      return bad_request(where + ".role is missing", where + ".role");
    const auto name = role->get<std::string>();
    if (name == "developer") {
      message["role"] = "system";
    } else if (name == "function") {
      message["role"] = "tool";
    } else if (name != "system" && name != "user" && name != "assistant" && name != "tool") {
      return bad_request(where + ".role must be one of system, developer, user, assistant, tool",
                         where + ".role", "invalid_value");
    }
    if (auto error = check_content(message, where)) return error;
    if (auto error = check_calls(message, where)) return error;
  }
  return std::nullopt;
}

std::optional<ApiError> check_tools(const Json& tools) {
  if (tools.is_null()) return std::nullopt;
  if (!tools.is_array()) return bad_request("tools must be a list", "tools", "invalid_type");
  for (size_t i = 0; i < tools.size(); ++i) {
    const std::string where = fmt::format("tools[{}]", i);
    const Json& tool = tools[i];
    const Json* type = tool.is_object() ? find_member(tool, "type") : nullptr;
    if (type == nullptr || *type != "function")
      return bad_request(where + ".type must be function", where + ".type", "unsupported");
    const Json* function = find_member(tool, "function");
    const Json* name = function && function->is_object() ? find_member(*function, "name") : nullptr;
    if (name == nullptr || !name->is_string() || !is_name(name->get<std::string>())) {
      return bad_request(where + ".function.name must be 1 to 64 letters, digits, _ or -",
                         where + ".function.name");
    }
    const Json* parameters = find_member(*function, "parameters");
    if (parameters != nullptr && !parameters->is_object() && !parameters->is_boolean())
      return bad_request(where + ".function.parameters must be a JSON Schema",
                         where + ".function.parameters", "invalid_type");
  }
  return std::nullopt;
}

bool looks_like_ids(const Json& value) {
  return value.is_array() && !value.empty() && value.front().is_number();
}

std::optional<std::vector<TokenId>> read_token_ids(const Json& value) {
  if (!looks_like_ids(value)) return std::nullopt;
  std::vector<TokenId> ids;
  ids.reserve(value.size());
  for (const Json& id : value) {
    const int64_t number = id.is_number_integer() ? id.get<int64_t>() : -1;
    if (number < 0 || number > INT32_MAX) return std::nullopt;
    ids.push_back(static_cast<TokenId>(number));
  }
  return ids;
}

std::optional<ApiError> read_tool_choice(const Json& choice, const Json& tools, ToolChoice& out) {
  const bool has_tools = tools.is_array() && !tools.empty();
  using Kind = ToolChoice::Kind;
  out.kind = has_tools ? Kind::automatic : Kind::none;
  if (choice.is_null()) return std::nullopt;
  if (choice == "none") {
    out.kind = Kind::none;
    return std::nullopt;
  }
  if (choice == "auto") return std::nullopt;
  if (choice == "required") {
    out.kind = Kind::required;
  } else {
    const Json* function = choice.is_object() ? find_member(choice, "function") : nullptr;
    const Json* name = function && function->is_object() ? find_member(*function, "name") : nullptr;
    if (name == nullptr || !name->is_string()) {
      return bad_request(
          "tool_choice must be none, auto, required or {\"type\": \"function\", \"function\": "
          "{\"name\": ...}}",
          "tool_choice", "invalid_value");
    }
    out.kind = Kind::named;
    out.name = name->get<std::string>();
  }
  if (!has_tools)
    return bad_request("tool_choice asks for a call and there are no tools", "tool_choice");
  if (out.kind == Kind::named && !has_tool(tools, out.name))
    return bad_request("tool_choice names a tool that is not in tools", "tool_choice");
  return std::nullopt;
}

std::optional<ApiError> read_response_format(const Json& format, ResponseFormat& out) {
  if (format.is_null()) return std::nullopt;
  const Json* type = format.is_object() ? find_member(format, "type") : nullptr;
  if (type == nullptr) return bad_request("response_format.type is missing", "response_format");
  if (*type == "text") return std::nullopt;
  if (*type == "json_object") {
    out.kind = ResponseFormat::Kind::json_object;
    return std::nullopt;
  }
  if (*type != "json_schema") {
    return bad_request("response_format.type must be text, json_object or json_schema",
                       "response_format.type", "invalid_value");
  }
  // The whole, or as llama.cpp's clients write it, the schema beside the type.
  const Json* outer = find_member(format, "json_schema");
  if (outer != nullptr && !outer->is_object()) {
    return bad_request("response_format.json_schema must be an object",
                       "response_format.json_schema", "invalid_type");
  }
  const Json* schema = find_member(outer != nullptr ? *outer : format, "schema");
  if (schema == nullptr || !(schema->is_object() || schema->is_boolean())) {
    return bad_request("response_format.json_schema.schema must be a JSON Schema",
                       "response_format.json_schema.schema");
  }
  if (outer != nullptr) {
    const Json* name = find_member(*outer, "name");
    if (name != nullptr && (!name->is_string() || !is_name(name->get<std::string>()))) {
      return bad_request("response_format.json_schema.name must be 1 to 64 letters, digits, _ or -",
                         "response_format.json_schema.name");
    }
  }
  out.kind = ResponseFormat::Kind::json_schema;
  out.schema = *schema;
  return std::nullopt;
}

std::string make_id(const char* prefix) { return prefix + random_token(18); }

Json openai_usage(const RequestStats& stats) {
  return {{"prompt_tokens", stats.prompt_tokens},
          {"completion_tokens", stats.generated_tokens},
          {"total_tokens", stats.prompt_tokens + stats.generated_tokens},
          {"prompt_tokens_details", {{"cached_tokens", stats.cached_tokens}}}};
}

void add_usage(RequestStats& total, const RequestStats& stats) {
  // The choices of one request share a prompt; it is counted once.
  total.prompt_tokens = stats.prompt_tokens;
  total.cached_tokens = total.generated_tokens == 0
                            ? stats.cached_tokens
                            : std::min(total.cached_tokens, stats.cached_tokens);
  total.generated_tokens += stats.generated_tokens;
}

const char* openai_finish_reason(ChatFinishReason reason) {
  switch (reason) {
    case ChatFinishReason::length:
      return "length";
    case ChatFinishReason::tool_calls:
      return "tool_calls";
    default:
      return "stop";
  }
}

}  // namespace jiang
