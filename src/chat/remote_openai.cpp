#include "base/json_value.h"
#include "chat/remote_protocol.h"

namespace jiang {
namespace {

int32_t count_at(const Json& object, const char* name) {
  const Json* value = object.is_object() ? find_member(object, name) : nullptr;
  return value && value->is_number_integer() ? value->get<int32_t>() : 0;
}

std::string text_at(const Json& object, const char* name) {
  const Json* value = object.is_object() ? find_member(object, name) : nullptr;
  return value && value->is_string() ? value->get<std::string>() : "";
}

std::vector<TokenTextLogprobs> logprobs_of(const Json& choice) {
  std::vector<TokenTextLogprobs> out;
  const auto one = [](const Json& entry) {
    const Json* value = find_member(entry, "logprob");
    return TokenText{text_at(entry, "token"),
                     value && value->is_number() ? value->get<float>() : 0};
  };
  const Json* logprobs = find_member(choice, "logprobs");
  const Json* content =
      logprobs && logprobs->is_object() ? find_member(*logprobs, "content") : nullptr;
  if (!content || !content->is_array()) return out;
  for (const Json& entry : *content) {
    if (!entry.is_object()) continue;
    TokenTextLogprobs token{one(entry), {}};
    if (const Json* top = find_member(entry, "top_logprobs"); top && top->is_array()) {
      for (const Json& other : *top) {
        if (other.is_object()) token.top.push_back(one(other));
      }
    }
    out.push_back(std::move(token));
  }
  return out;
}

class OpenAiReader final : public RemoteReader {
 public:
  Status read(const Json& event, std::deque<ChatEvent>& out) override {
    if (const Json* error = find_member(event, "error")) {
      const std::string message =
          error->is_string() ? error->get<std::string>() : text_at(*error, "message");
      return fail(ErrorKind::io, "{}", message.empty() ? to_string(*error) : message);
    }
    if (const Json* usage = find_member(event, "usage"); usage && usage->is_object()) {
      finish.stats.prompt_tokens = count_at(*usage, "prompt_tokens");
      finish.stats.generated_tokens = count_at(*usage, "completion_tokens");
      if (const Json* details = find_member(*usage, "prompt_tokens_details"))
        finish.stats.cached_tokens = count_at(*details, "cached_tokens");
    }
    const Json* choices = find_member(event, "choices");
    if (!choices || !choices->is_array() || choices->empty()) return ok();
    const Json& choice = (*choices)[0];
    if (!choice.is_object()) return ok();
    if (const Json* delta = find_member(choice, "delta"); delta && delta->is_object())
      read_delta(*delta, choice, out);
    const std::string reason = text_at(choice, "finish_reason");
    if (reason.empty()) return ok();
    has_ended = true;
    finish.reason = reason == "length" ? ChatFinishReason::length
                    : reason == "tool_calls" || reason == "function_call"
                        ? ChatFinishReason::tool_calls
                        : ChatFinishReason::stop;
    return ok();
  }

 private:
  void read_delta(const Json& delta, const Json& choice, std::deque<ChatEvent>& out) {
    for (const char* name : {"reasoning_content", "reasoning"}) {
      std::string thought = text_at(delta, name);
      if (thought.empty()) continue;
      out.push_back(ReasoningDelta{std::move(thought)});
      break;
    }
    std::string text = text_at(delta, "content");
    std::vector<TokenTextLogprobs> logprobs = logprobs_of(choice);
    if (!text.empty() || !logprobs.empty())
      out.push_back(TextDelta{std::move(text), std::move(logprobs)});
    const Json* calls = find_member(delta, "tool_calls");
    if (!calls || !calls->is_array()) return;
    for (const Json& call : *calls) {
      if (!call.is_object()) continue;
      ToolCallDelta event{.index = count_at(call, "index"), .id = text_at(call, "id")};
      if (const Json* function = find_member(call, "function"); function && function->is_object()) {
        event.name = text_at(*function, "name");
        event.arguments = text_at(*function, "arguments");
      }
      out.push_back(std::move(event));
    }
  }
};

}  // namespace

std::unique_ptr<RemoteReader> openai_reader() { return std::make_unique<OpenAiReader>(); }

Result<RemoteRequest> openai_request(const RemoteOptions& options, const ChatRequest& request) {
  Json body = {{"model", options.model},
               {"messages", request.messages},
               {"stream", true},
               {"stream_options", {{"include_usage", true}}},
               {"temperature", request.sampling.temperature},
               {"top_p", request.sampling.top_p}};
  if (request.max_tokens >= 0) body["max_tokens"] = request.max_tokens;
  if (!request.stop.empty()) body["stop"] = request.stop;
  if (request.sampling.seed) body["seed"] = *request.sampling.seed;
  if (request.sampling.presence_penalty != 0)
    body["presence_penalty"] = request.sampling.presence_penalty;
  if (request.sampling.frequency_penalty != 0)
    body["frequency_penalty"] = request.sampling.frequency_penalty;
  const SamplingParams usual;
  if (request.sampling.top_k != usual.top_k) body["top_k"] = request.sampling.top_k;
  if (request.sampling.repeat_penalty != usual.repeat_penalty)
    body["repetition_penalty"] = request.sampling.repeat_penalty;
  if (request.top_logprobs >= 0) body["logprobs"] = true;
  if (request.top_logprobs > 0) body["top_logprobs"] = request.top_logprobs;
  if (!request.tools.is_null() && !request.tools.empty()) {
    body["tools"] = request.tools;
    switch (request.tool_choice.kind) {
      case ToolChoice::Kind::automatic:
        body["tool_choice"] = "auto";
        break;
      case ToolChoice::Kind::none:
        body["tool_choice"] = "none";
        break;
      case ToolChoice::Kind::required:
        body["tool_choice"] = "required";
        break;
      case ToolChoice::Kind::named:
        body["tool_choice"] = {{"type", "function"},
                               {"function", {{"name", request.tool_choice.name}}}};
        break;
    }
    if (!request.parallel_tool_calls) body["parallel_tool_calls"] = false;
  }
  if (request.format.kind == ResponseFormat::Kind::json_object) {
    body["response_format"] = {{"type", "json_object"}};
  } else if (request.format.kind == ResponseFormat::Kind::json_schema) {
    body["response_format"] = {
        {"type", "json_schema"},
        {"json_schema", {{"name", "answer"}, {"schema", request.format.schema}, {"strict", true}}}};
  }
  if (request.thinking) {
    if (options.provider == "zhipu") {
      body["thinking"] = {{"type", *request.thinking ? "enabled" : "disabled"}};
    } else if (options.provider == "dashscope") {
      body["enable_thinking"] = *request.thinking;
    } else {
      return fail(ErrorKind::unsupported, "thinking cannot be switched through the protocol of {}",
                  options.provider);
    }
  }
  RemoteRequest out{
      .path = "/chat/completions",
      .headers = {{"content-type", "application/json"}, {"accept", "text/event-stream"}},
      .body = to_string(body)};
  if (!options.key.empty()) out.headers.emplace_back("authorization", "Bearer " + options.key);
  return out;
}

}  // namespace jiang
