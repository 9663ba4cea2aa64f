#include "server/anthropic_request.h"

#include "base/json_value.h"
#include "server/openai_request.h"

namespace jiang {
namespace {

std::string text_at(const Json& object, const char* name) {
  const Json* value = find_member(object, name);
  return value && value->is_string() ? value->get<std::string>() : "";
}

ApiError unsupported(const std::string& where, const std::string& type) {
  return bad_request(where + ".type " + (type.empty() ? "is missing" : type + " is not supported"),
                     where + ".type", "unsupported");
}

void add_line(std::string& text, const std::string& line) {
  if (!text.empty() && !line.empty()) text += "\n";
  text += line;
}

// Text, or a list of text blocks, as one text.
std::optional<ApiError> read_text(const Json& content, const std::string& where, std::string& out) {
  if (content.is_string()) {
    out = content.get<std::string>();
    return std::nullopt;
  }
  if (!content.is_array())
    return bad_request(where + " must be text or a list of blocks", where, "invalid_type");
  for (size_t i = 0; i < content.size(); ++i) {
    const std::string place = fmt::format("{}[{}]", where, i);
    const Json& block = content[i];
    if (!block.is_object()) return bad_request(place + " must be an object", place, "invalid_type");
    const Json* text = find_member(block, "text");
    if (text_at(block, "type") != "text") return unsupported(place, text_at(block, "type"));
    if (text == nullptr || !text->is_string())
      return bad_request(place + ".text must be a string", place + ".text");
    add_line(out, text->get<std::string>());
  }
  return std::nullopt;
}

// One turn of the user: answers of tools, then what was said.
std::optional<ApiError> read_user(const Json& blocks, const std::string& where, Json& messages) {
  std::string text;
  for (size_t i = 0; i < blocks.size(); ++i) {
    const std::string place = fmt::format("{}[{}]", where, i);
    const Json& block = blocks[i];
    if (!block.is_object()) return bad_request(place + " must be an object", place, "invalid_type");
    const std::string type = text_at(block, "type");
    if (type == "text") {
      std::string words;
      if (auto error = read_text(Json::array({block}), where, words)) return error;
      add_line(text, words);
    } else if (type == "tool_result") {
      const std::string id = text_at(block, "tool_use_id");
      if (id.empty()) return bad_request(place + ".tool_use_id is missing", place + ".tool_use_id");
      std::string answer;
      if (const Json* content = find_member(block, "content")) {
        if (auto error = read_text(*content, place + ".content", answer)) return error;
      }
      const Json* is_error = find_member(block, "is_error");
      if (is_error != nullptr && *is_error == true) answer = "Error: " + answer;
      messages.push_back({{"role", "tool"}, {"tool_call_id", id}, {"content", answer}});
    } else {
      return unsupported(place, type);
    }
  }
  if (!text.empty()) messages.push_back({{"role", "user"}, {"content", text}});
  return std::nullopt;
}

std::optional<ApiError> read_assistant(const Json& blocks, const std::string& where,
                                       Json& messages) {
  std::string text, thinking;
  Json calls = Json::array();
  for (size_t i = 0; i < blocks.size(); ++i) {
    const std::string place = fmt::format("{}[{}]", where, i);
    const Json& block = blocks[i];
    if (!block.is_object()) return bad_request(place + " must be an object", place, "invalid_type");
    const std::string type = text_at(block, "type");
    if (type == "text") {
      std::string words;
      if (auto error = read_text(Json::array({block}), where, words)) return error;
      text += words;
    } else if (type == "thinking") {
      add_line(thinking, text_at(block, "thinking"));
    } else if (type == "redacted_thinking") {
      continue;  // another server's secret
    } else if (type == "tool_use") {
      const Json* input = find_member(block, "input");
      if (text_at(block, "name").empty())
        return bad_request(place + ".name is missing", place + ".name");
      calls.push_back(
          {{"id", text_at(block, "id")},
           {"type", "function"},
           {"function",
            {{"name", text_at(block, "name")}, {"arguments", input ? to_string(*input) : "{}"}}}});
    } else {
      return unsupported(place, type);
    }
  }
  Json message = {{"role", "assistant"}, {"content", text}};
  if (!thinking.empty()) message["reasoning_content"] = thinking;
  if (!calls.empty()) message["tool_calls"] = std::move(calls);
  messages.push_back(std::move(message));
  return std::nullopt;
}

std::optional<ApiError> read_messages(const Json& turns, Json& messages) {
  if (turns.empty()) return bad_request("messages must have at least one message", "messages");
  for (size_t i = 0; i < turns.size(); ++i) {
    const std::string where = fmt::format("messages[{}]", i);
    const Json& turn = turns[i];
    if (!turn.is_object()) return bad_request(where + " must be an object", where, "invalid_type");
    const std::string role = text_at(turn, "role");
    if (role != "user" && role != "assistant") {
      return bad_request(where + ".role must be user or assistant; system is a field of its own",
                         where + ".role", "invalid_value");
    }
    const Json* content = find_member(turn, "content");
    if (content == nullptr || !(content->is_string() || content->is_array())) {
      return bad_request(where + ".content must be text or a list of blocks", where + ".content",
                         "invalid_type");
    }
    if (content->is_string()) {
      messages.push_back({{"role", role}, {"content", *content}});
      continue;
    }
    if (auto error = role == "user" ? read_user(*content, where + ".content", messages)
                                    : read_assistant(*content, where + ".content", messages)) {
      return error;
    }
  }
  return std::nullopt;
}

// The checks are OpenAI's; its names are not what the client wrote.
ApiError in_own_words(ApiError error) {
  for (std::string* text : {&error.message, &error.param}) {
    for (const auto& [theirs, ours] :
         {std::pair<std::string_view, std::string_view>{".function.parameters", ".input_schema"},
          {".function.name", ".name"}}) {
      if (const size_t at = text->find(theirs); at != std::string::npos)
        text->replace(at, theirs.size(), ours);
    }
  }
  return error;
}

std::optional<ApiError> read_anthropic_tools(const Json& tools, Json& out) {
  for (size_t i = 0; i < tools.size(); ++i) {
    const std::string where = fmt::format("tools[{}]", i);
    const Json& tool = tools[i];
    if (!tool.is_object()) return bad_request(where + " must be an object", where, "invalid_type");
    // Tools with another type run at the provider, or need what only its models were taught.
    const std::string type = text_at(tool, "type");
    if (!type.empty() && type != "custom") return unsupported(where, type);
    Json function = Json::object();
    if (const Json* name = find_member(tool, "name")) function["name"] = *name;
    if (const Json* about = find_member(tool, "description")) function["description"] = *about;
    if (const Json* schema = find_member(tool, "input_schema")) function["parameters"] = *schema;
    out.push_back({{"type", "function"}, {"function", std::move(function)}});
  }
  if (auto error = check_tools(out)) return in_own_words(std::move(*error));
  return std::nullopt;
}

std::optional<ApiError> read_choice(const Json& choice, const Json& tools, ChatRequest& out) {
  Json theirs;
  if (!choice.is_null()) {
    const std::string type = text_at(choice, "type");
    if (type == "auto" || type == "none") {
      theirs = type;
    } else if (type == "any") {
      theirs = "required";
    } else if (type == "tool" && !text_at(choice, "name").empty()) {
      theirs = {{"type", "function"}, {"function", {{"name", text_at(choice, "name")}}}};
    } else {
      return bad_request("tool_choice.type must be auto, any, none, or tool with a name",
                         "tool_choice.type", "invalid_value");
    }
    const Json* alone = find_member(choice, "disable_parallel_tool_use");
    out.parallel_tool_calls = alone == nullptr || *alone != true;
  }
  return read_tool_choice(theirs, tools, out.tool_choice);
}

std::optional<ApiError> read_thinking(const Json& thinking, ChatRequest& out,
                                      std::vector<std::string>& ignored) {
  if (thinking.is_null()) return std::nullopt;
  const std::string type = text_at(thinking, "type");
  if (type == "disabled") {
    out.thinking = false;
  } else if (type == "enabled") {
    out.thinking = true;
  } else if (type != "adaptive") {  // as the model likes
    return bad_request("thinking.type must be enabled, disabled or adaptive", "thinking.type",
                       "invalid_value");
  }
  for (const char* name : {"budget_tokens", "display"}) {
    if (find_member(thinking, name) != nullptr) ignored.push_back(std::string("thinking.") + name);
  }
  return std::nullopt;
}

std::optional<ApiError> read_output(const Json& config, ChatRequest& out,
                                    std::vector<std::string>& ignored) {
  if (config.is_null()) return std::nullopt;
  if (find_member(config, "effort") != nullptr) ignored.emplace_back("output_config.effort");
  const Json* format = find_member(config, "format");
  if (format == nullptr) return std::nullopt;
  const Json* schema = format->is_object() ? find_member(*format, "schema") : nullptr;
  if (!format->is_object() || text_at(*format, "type") != "json_schema" || schema == nullptr ||
      !(schema->is_object() || schema->is_boolean())) {
    return bad_request("output_config.format must be {\"type\": \"json_schema\", \"schema\": ...}",
                       "output_config.format", "invalid_value");
  }
  out.format = {.kind = ResponseFormat::Kind::json_schema, .schema = *schema};
  return std::nullopt;
}

}  // namespace

void AnthropicPrompt::fields(Fields& f) {
  f.text("model", model);
  f.list("messages", messages);
  f.json("system", system);
  f.list("tools", tools);
  f.object("tool_choice", tool_choice);
  f.object("thinking", thinking);
  f.object("output_config", output_config);
  f.unsupported("mcp_servers");
  f.unsupported("container");
  for (const char* name : {"cache_control", "context_management", "betas"}) f.without_effect(name);
}

void AnthropicBody::fields(Fields& f) {
  AnthropicPrompt::fields(f);
  f.integer("max_tokens", max_tokens, 1, INT32_MAX);
  f.number("temperature", temperature, 0, 1);
  f.number("top_p", top_p, 0, 1);
  f.integer("top_k", top_k, 0, INT32_MAX);
  f.texts("stop_sequences", stop_sequences, 16);
  f.flag("stream", stream);
  for (const char* name : {"metadata", "service_tier", "inference_geo"}) f.without_effect(name);
  if (!max_tokens && !f.has_failed()) f.fail("max_tokens", "is missing", "missing_field");
}

std::optional<ApiError> read_anthropic_prompt(const AnthropicPrompt& body, ChatRequest& out,
                                              std::vector<std::string>& ignored) {
  Json messages = Json::array();
  if (!body.system.is_null()) {
    std::string system;
    if (auto error = read_text(body.system, "system", system)) return error;
    if (!system.empty()) messages.push_back({{"role", "system"}, {"content", system}});
  }
  if (auto error = read_messages(body.messages, messages)) return error;
  Json tools = Json::array();
  if (!body.tools.is_null()) {
    if (auto error = read_anthropic_tools(body.tools, tools)) return error;
  }
  if (auto error = read_choice(body.tool_choice, tools, out)) return error;
  if (auto error = read_thinking(body.thinking, out, ignored)) return error;
  if (auto error = read_output(body.output_config, out, ignored)) return error;
  if (auto error = check_messages(messages)) return error;
  // An assistant's last message is how the answer begins.
  const Json& last = messages.back();
  out.continues_last = last["role"] == "assistant" && find_member(last, "tool_calls") == nullptr;
  out.messages = std::move(messages);
  if (!tools.empty()) out.tools = std::move(tools);
  return std::nullopt;
}

SamplingFields AnthropicBody::sampling() const {
  SamplingFields sampling;
  sampling.temperature = temperature;
  sampling.top_p = top_p;
  sampling.top_k = top_k;
  sampling.stop = stop_sequences;
  return sampling;
}

std::optional<ApiError> read_anthropic_body(const AnthropicBody& body, ChatRequest& out,
                                            std::vector<std::string>& ignored) {
  out.max_tokens = static_cast<int32_t>(body.max_tokens.value_or(-1));
  return read_anthropic_prompt(body, out, ignored);
}

}  // namespace jiang
