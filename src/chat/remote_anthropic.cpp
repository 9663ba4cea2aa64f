#include <algorithm>
#include <map>

#include "base/json_value.h"
#include "chat/remote_protocol.h"

namespace jiang {
namespace {

constexpr int32_t kDefaultMaxTokens = 4096;  // the protocol wants a number
constexpr int32_t kThinkingTokens = 2048;

std::string text_at(const Json& object, const char* name) {
  const Json* value = object.is_object() ? find_member(object, name) : nullptr;
  return value && value->is_string() ? value->get<std::string>() : "";
}

int32_t count_at(const Json& object, const char* name) {
  const Json* value = object.is_object() ? find_member(object, name) : nullptr;
  return value && value->is_number_integer() ? value->get<int32_t>() : 0;
}

class AnthropicReader final : public RemoteReader {
 public:
  Status read(const Json& event, std::deque<ChatEvent>& out) override {
    const std::string type = text_at(event, "type");
    if (type == "error") {
      const Json* error = find_member(event, "error");
      return fail(ErrorKind::io, "{}", error ? text_at(*error, "message") : to_string(event));
    }
    if (type == "message_start") {
      const Json* message = find_member(event, "message");
      if (message && message->is_object()) read_usage(*message);
    } else if (type == "content_block_start") {
      const Json* block = find_member(event, "content_block");
      if (block && text_at(*block, "type") == "tool_use") {
        const auto index = static_cast<int32_t>(calls_.size());
        calls_[count_at(event, "index")] = index;
        out.push_back(ToolCallDelta{
            .index = index, .id = text_at(*block, "id"), .name = text_at(*block, "name")});
      }
    } else if (type == "content_block_delta") {
      read_delta(event, out);
    } else if (type == "message_delta") {
      read_usage(event);
      const Json* delta = find_member(event, "delta");
      const std::string reason = delta ? text_at(*delta, "stop_reason") : "";
      if (reason.empty()) return ok();
      has_ended = true;
      finish.reason = reason == "max_tokens" ? ChatFinishReason::length
                      : reason == "tool_use" ? ChatFinishReason::tool_calls
                                             : ChatFinishReason::stop;
      if (reason == "stop_sequence") finish.stop_string = text_at(*delta, "stop_sequence");
    }
    return ok();
  }

 private:
  void read_usage(const Json& holder) {
    const Json* usage = find_member(holder, "usage");
    if (!usage || !usage->is_object()) return;
    if (find_member(*usage, "input_tokens"))
      finish.stats.prompt_tokens = count_at(*usage, "input_tokens");
    if (find_member(*usage, "cache_read_input_tokens"))
      finish.stats.cached_tokens = count_at(*usage, "cache_read_input_tokens");
    finish.stats.generated_tokens = count_at(*usage, "output_tokens");
  }

  void read_delta(const Json& event, std::deque<ChatEvent>& out) {
    const Json* delta = find_member(event, "delta");
    if (!delta) return;
    const std::string type = text_at(*delta, "type");
    if (type == "text_delta") out.push_back(TextDelta{text_at(*delta, "text"), {}});
    if (type == "thinking_delta") out.push_back(ReasoningDelta{text_at(*delta, "thinking")});
    if (type != "input_json_delta") return;
    const auto call = calls_.find(count_at(event, "index"));
    if (call == calls_.end()) return;
    std::string part = text_at(*delta, "partial_json");
    if (!part.empty())
      out.push_back(ToolCallDelta{.index = call->second, .arguments = std::move(part)});
  }

  std::map<int32_t, int32_t> calls_;  // content block -> number of the call
};

Json text_block(const std::string& text) { return {{"type", "text"}, {"text", text}}; }

// OpenAI's content (null, text, parts) as blocks.
Result<Json> blocks_of(const Json* content, size_t index) {
  Json blocks = Json::array();
  if (!content) return blocks;
  if (content->is_string()) {
    if (!content->get_ref<const std::string&>().empty())
      blocks.push_back(text_block(content->get<std::string>()));
    return blocks;
  }
  if (!content->is_array())
    return fail(ErrorKind::invalid_argument, "messages[{}].content is neither text nor parts",
                index);
  for (const Json& part : *content) {
    if (text_at(part, "type") != "text") {
      return fail(ErrorKind::unsupported, "messages[{}]: only parts of text are supported", index);
    }
    blocks.push_back(text_block(text_at(part, "text")));
  }
  return blocks;
}

Result<Json> tool_use_of(const Json& call, size_t index) {
  const Json* function = call.is_object() ? find_member(call, "function") : nullptr;
  if (!function)
    return fail(ErrorKind::invalid_argument, "messages[{}]: a tool call has no function", index);
  Json input = Json::object();
  const Json* arguments = find_member(*function, "arguments");
  if (arguments && arguments->is_string()) {
    TRY(input, parse_json(arguments->get_ref<const std::string&>(),
                          fmt::format("messages[{}]: arguments", index)));
  } else if (arguments) {
    input = *arguments;
  }
  return Json{{"type", "tool_use"},
              {"id", text_at(call, "id")},
              {"name", text_at(*function, "name")},
              {"input", std::move(input)}};
}

// Fills `system` and returns the turns: roles alternate, results of tools are the user's.
Result<Json> turns_of(const Json& messages, std::string& system) {
  Json turns = Json::array();
  const auto add = [&](const char* role, const Json& blocks) {
    if (blocks.empty()) return;
    if (!turns.empty() && turns.back()["role"] == role) {
      for (const Json& block : blocks) turns.back()["content"].push_back(block);
    } else {
      turns.push_back({{"role", role}, {"content", blocks}});
    }
  };
  for (size_t i = 0; i < messages.size(); ++i) {
    const Json& message = messages[i];
    if (!message.is_object())
      return fail(ErrorKind::invalid_argument, "messages[{}] is no object", i);
    const std::string role = text_at(message, "role");
    TRY(Json blocks, blocks_of(find_member(message, "content"), i));
    if (role == "system" || role == "developer") {
      for (const Json& block : blocks) {
        if (!system.empty()) system += "\n\n";
        system += text_at(block, "text");
      }
    } else if (role == "tool") {
      add("user", Json::array({{{"type", "tool_result"},
                                {"tool_use_id", text_at(message, "tool_call_id")},
                                {"content", blocks}}}));
    } else if (role == "assistant") {
      const Json* calls = find_member(message, "tool_calls");
      if (calls && calls->is_array()) {
        for (const Json& call : *calls) {
          TRY(Json block, tool_use_of(call, i));
          blocks.push_back(std::move(block));
        }
      }
      add("assistant", blocks);
    } else {
      add("user", blocks);
    }
  }
  return turns;
}

}  // namespace

std::unique_ptr<RemoteReader> anthropic_reader() { return std::make_unique<AnthropicReader>(); }

Result<RemoteRequest> anthropic_request(const RemoteOptions& options, const ChatRequest& request) {
  if (request.format.kind != ResponseFormat::Kind::text) {
    return fail(ErrorKind::unsupported,
                "this protocol has no response format; use a tool with tool_choice instead");
  }
  if (request.top_logprobs >= 0)
    return fail(ErrorKind::unsupported, "this protocol tells no log-probabilities");
  std::string system;
  TRY(Json turns, turns_of(request.messages, system));
  int32_t max_tokens = request.max_tokens >= 0 ? request.max_tokens : kDefaultMaxTokens;
  Json body = {{"model", options.model}, {"messages", std::move(turns)}, {"stream", true}};
  if (!system.empty()) body["system"] = system;
  if (request.thinking && *request.thinking) {
    body["thinking"] = {{"type", "enabled"}, {"budget_tokens", kThinkingTokens}};
    max_tokens = std::max(max_tokens, kThinkingTokens + 1);
  } else {  // one of the two, and not with thinking
    const SamplingParams usual;
    if (request.sampling.top_p != usual.top_p) {
      body["top_p"] = request.sampling.top_p;
    } else {
      body["temperature"] = request.sampling.temperature;
    }
    if (request.sampling.top_k != usual.top_k) body["top_k"] = request.sampling.top_k;
  }
  body["max_tokens"] = max_tokens;
  if (!request.stop.empty()) body["stop_sequences"] = request.stop;
  if (!request.tools.is_null() && !request.tools.empty()) {
    Json tools = Json::array();
    for (const Json& tool : request.tools) {
      const Json* function = tool.is_object() ? find_member(tool, "function") : nullptr;
      if (!function) return fail(ErrorKind::invalid_argument, "a tool has no function");
      const Json* parameters = find_member(*function, "parameters");
      Json one = {{"name", text_at(*function, "name")},
                  {"input_schema", parameters ? *parameters : Json{{"type", "object"}}}};
      if (const std::string about = text_at(*function, "description"); !about.empty())
        one["description"] = about;
      tools.push_back(std::move(one));
    }
    body["tools"] = std::move(tools);
    Json choice = Json::object();
    switch (request.tool_choice.kind) {
      case ToolChoice::Kind::automatic:
        choice["type"] = "auto";
        break;
      case ToolChoice::Kind::none:
        choice["type"] = "none";
        break;
      case ToolChoice::Kind::required:
        choice["type"] = "any";
        break;
      case ToolChoice::Kind::named:
        choice["type"] = "tool";
        choice["name"] = request.tool_choice.name;
        break;
    }
    if (!request.parallel_tool_calls && request.tool_choice.kind != ToolChoice::Kind::none)
      choice["disable_parallel_tool_use"] = true;
    body["tool_choice"] = std::move(choice);
  }
  RemoteRequest out{.path = "/v1/messages",
                    .headers = {{"content-type", "application/json"},
                                {"accept", "text/event-stream"},
                                {"anthropic-version", "2023-06-01"}},
                    .body = to_string(body)};
  if (!options.key.empty()) out.headers.emplace_back("x-api-key", options.key);
  return out;
}

}  // namespace jiang
