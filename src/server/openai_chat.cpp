// POST /v1/chat/completions
#include <ctime>

#include "server/answer.h"
#include "server/openai.h"
#include "server/openai_request.h"
#include "server/routes.h"
#include "server/sampling_fields.h"
#include "server/text_frame.h"

namespace jiang {
namespace {

struct OpenaiChatBody {
  std::string model = {};
  Json messages = {};
  Json tools = {};
  Json tool_choice = {};
  Json response_format = {};
  Json template_kwargs = {};
  Json stream_options = {};
  std::optional<bool> parallel_tool_calls = {};
  std::optional<bool> logprobs = {};
  std::optional<int64_t> top_logprobs = {};
  std::optional<int64_t> max_tokens = {};
  std::optional<int64_t> max_completion_tokens = {};
  std::optional<std::string> reasoning_effort = {};
  int64_t n = 1;
  bool stream = false;
  bool continues_last = false;
  SamplingFields sampling = {};

  void fields(Fields& f) {
    f.text("model", model);
    f.list("messages", messages);
    f.list("tools", tools);
    f.json("tool_choice", tool_choice);
    f.json("response_format", response_format);
    f.object("chat_template_kwargs", template_kwargs);
    f.object("stream_options", stream_options);
    f.flag("parallel_tool_calls", parallel_tool_calls);
    f.flag("logprobs", logprobs);
    f.integer("top_logprobs", top_logprobs, 0, 20);
    f.integer("max_tokens", max_tokens, 1, INT32_MAX);
    f.integer("max_completion_tokens", max_completion_tokens, 1, INT32_MAX);
    f.choice("reasoning_effort", reasoning_effort,
             {"none", "minimal", "low", "medium", "high", "xhigh"});
    f.integer("n", n, 1, 128);
    f.flag("stream", stream);
    f.flag("continue_final_message", continues_last);
    sampling.fields(f);
    f.unsupported("functions");
    f.unsupported("function_call", "none");
    f.unsupported("audio");
    f.unsupported("modalities", Json::array({"text"}));
    f.unsupported("web_search_options");
    f.unsupported("prediction");
    f.unsupported("grammar");
    for (const char* name : {"user", "store", "metadata", "service_tier", "verbosity",
                             "prompt_cache_key", "prompt_cache_retention", "safety_identifier"})
      f.without_effect(name);
  }
};

Json token_logprob(const TokenText& token) {
  Json bytes = Json::array();
  for (const char c : token.bytes) bytes.push_back(static_cast<unsigned char>(c));
  return {{"token", token.bytes}, {"logprob", token.logprob}, {"bytes", std::move(bytes)}};
}

Json logprob_list(const std::vector<TokenTextLogprobs>& logprobs) {
  Json list = Json::array();
  for (const TokenTextLogprobs& one : logprobs) {
    Json entry = token_logprob(one.token);
    entry["top_logprobs"] = Json::array();
    for (const TokenText& top : one.top) entry["top_logprobs"].push_back(token_logprob(top));
    list.push_back(std::move(entry));
  }
  return list;
}

class ChatFormat final : public AnswerFormat {
 public:
  ChatFormat(std::string version, size_t n, bool include_usage, bool wants_logprobs)
      : fingerprint_("jiang-" + std::move(version)),
        choices_(n),
        frames_(n),
        include_usage_(include_usage),
        wants_logprobs_(wants_logprobs) {}

  ApiDialect dialect() const override { return ApiDialect::openai; }
  void begin(const std::string& model) override { model_ = model; }

  std::string stream_begin() override {
    std::string out;
    for (size_t i = 0; i < choices_.size(); ++i)
      out += chunk(i, {{"role", "assistant"}, {"content", ""}});
    return out;
  }
  std::string stream_event(int32_t choice, const ChatEvent& event) override;
  std::string stream_end() override {
    std::string out;
    if (include_usage_) {
      Json last = head("chat.completion.chunk");
      last["choices"] = Json::array();
      last["usage"] = openai_usage(usage_);
      out = "data: " + to_string(last) + "\n\n";
    }
    return out + "data: [DONE]\n\n";
  }
  std::string stream_error(const ApiError& error) override {
    return "data: " + error_body(ApiDialect::openai, error) + "\n\ndata: [DONE]\n\n";
  }

  void take(int32_t choice, ChatEvent event) override;
  HttpResponse whole() override;

 private:
  struct Choice {
    std::string content;
    std::string reasoning;
    Json calls = Json::array();
    Json logprobs = Json::array();
    std::string finish_reason;
    bool has_content = false;
  };

  Json head(const char* object) const {
    return {{"id", id_},
            {"object", object},
            {"created", created_},
            {"model", model_},
            {"system_fingerprint", fingerprint_}};
  }
  std::string chunk(size_t choice, Json delta, Json logprobs = {}, Json finish_reason = {}) const {
    Json out = head("chat.completion.chunk");
    out["choices"] = Json::array({{{"index", choice},
                                   {"delta", std::move(delta)},
                                   {"logprobs", std::move(logprobs)},
                                   {"finish_reason", std::move(finish_reason)}}});
    if (include_usage_) out["usage"] = nullptr;
    return "data: " + to_string(out) + "\n\n";
  }

  const std::string id_ = make_id("chatcmpl-");
  const int64_t created_ = time(nullptr);
  const std::string fingerprint_;
  std::string model_;
  std::vector<Choice> choices_;
  std::vector<TextFrame> frames_;  // of the choices; made with their first text
  const bool include_usage_;
  const bool wants_logprobs_;
  RequestStats usage_;
};

std::string ChatFormat::stream_event(int32_t choice, const ChatEvent& event) {
  const auto index = static_cast<size_t>(choice);
  if (const auto* text = std::get_if<TextDelta>(&event)) {
    if (wants_logprobs_ && !text->logprobs.empty()) {
      return chunk(index, {{"content", text->text}},
                   {{"content", logprob_list(text->logprobs)}, {"refusal", nullptr}});
    }
    TextFrame& frame = frames_[index];
    if (frame.empty()) frame = TextFrame(chunk(index, {{"content", TextFrame::kMark}}));
    return frame.with(text->text);
  }
  if (const auto* reasoning = std::get_if<ReasoningDelta>(&event))
    return chunk(index, {{"reasoning_content", reasoning->text}});
  if (const auto* call = std::get_if<ToolCallDelta>(&event)) {
    // Clients lose calls whose first delta lacks id, index or type, or whose arguments are no text.
    std::string out;
    if (!call->id.empty() || !call->name.empty()) {
      Json first = {{"index", call->index},
                    {"id", call->id},
                    {"type", "function"},
                    {"function", {{"name", call->name}, {"arguments", ""}}}};
      out = chunk(index, {{"tool_calls", Json::array({std::move(first)})}});
    }
    if (!call->arguments.empty()) {
      Json more = {{"index", call->index}, {"function", {{"arguments", call->arguments}}}};
      out += chunk(index, {{"tool_calls", Json::array({std::move(more)})}});
    }
    return out;
  }
  const auto& finish = std::get<ChatFinish>(event);
  add_usage(usage_, finish.stats);
  return chunk(index, Json::object(), {}, openai_finish_reason(finish.reason));
}

void ChatFormat::take(int32_t index, ChatEvent event) {
  Choice& choice = choices_[static_cast<size_t>(index)];
  if (auto* text = std::get_if<TextDelta>(&event)) {
    choice.content += text->text;
    choice.has_content = true;
    for (Json& entry : logprob_list(text->logprobs)) choice.logprobs.push_back(std::move(entry));
  } else if (auto* reasoning = std::get_if<ReasoningDelta>(&event)) {
    choice.reasoning += reasoning->text;
  } else if (auto* call = std::get_if<ToolCallDelta>(&event)) {
    const auto place = static_cast<size_t>(call->index);
    while (choice.calls.size() <= place) {
      choice.calls.push_back(
          {{"id", ""}, {"type", "function"}, {"function", {{"name", ""}, {"arguments", ""}}}});
    }
    Json& out = choice.calls[place];
    if (!call->id.empty()) out["id"] = call->id;
    if (!call->name.empty()) out["function"]["name"] = call->name;
    out["function"]["arguments"].get_ref<std::string&>() += call->arguments;
  } else {
    const auto& finish = std::get<ChatFinish>(event);
    choice.finish_reason = openai_finish_reason(finish.reason);
    add_usage(usage_, finish.stats);
  }
}

HttpResponse ChatFormat::whole() {
  Json out = head("chat.completion");
  out["choices"] = Json::array();
  for (size_t i = 0; i < choices_.size(); ++i) {
    Choice& choice = choices_[i];
    Json message = {{"role", "assistant"}, {"content", choice.content}, {"refusal", nullptr}};
    if (!choice.calls.empty() && choice.content.empty()) message["content"] = nullptr;
    if (!choice.reasoning.empty()) message["reasoning_content"] = std::move(choice.reasoning);
    if (!choice.calls.empty()) message["tool_calls"] = std::move(choice.calls);
    Json logprobs;
    if (wants_logprobs_) logprobs = {{"content", std::move(choice.logprobs)}, {"refusal", nullptr}};
    out["choices"].push_back({{"index", i},
                              {"message", std::move(message)},
                              {"logprobs", std::move(logprobs)},
                              {"finish_reason", choice.finish_reason}});
  }
  out["usage"] = openai_usage(usage_);
  return {.body = to_string(out)};
}

std::optional<ApiError> to_chat_request(OpenaiChatBody& body, ChatRequest& out) {
  if (auto error = check_messages(body.messages)) return error;
  if (auto error = check_tools(body.tools)) return error;
  if (auto error = read_tool_choice(body.tool_choice, body.tools, out.tool_choice)) return error;
  if (auto error = read_response_format(body.response_format, out.format)) return error;
  if (body.top_logprobs.value_or(0) > 0 && !body.logprobs.value_or(false))
    return bad_request("top_logprobs needs logprobs to be true", "top_logprobs");
  if (body.max_tokens && body.max_completion_tokens &&
      *body.max_tokens != *body.max_completion_tokens) {
    return bad_request("max_tokens and max_completion_tokens differ; give one of them",
                       "max_tokens");
  }
  if (body.continues_last && body.messages.back()["role"] != "assistant") {
    return bad_request("continue_final_message needs the last message to be the assistant's",
                       "continue_final_message");
  }
  out.messages = std::move(body.messages);
  if (!body.tools.empty()) out.tools = std::move(body.tools);
  out.parallel_tool_calls = body.parallel_tool_calls.value_or(true);
  const auto most = body.max_completion_tokens ? body.max_completion_tokens : body.max_tokens;
  out.max_tokens = static_cast<int32_t>(most.value_or(-1));
  if (body.logprobs.value_or(false))
    out.top_logprobs = static_cast<int32_t>(body.top_logprobs.value_or(0));
  if (body.reasoning_effort) out.thinking = *body.reasoning_effort != "none";
  if (body.template_kwargs.is_object()) out.template_extra = std::move(body.template_kwargs);
  out.continues_last = body.continues_last;
  return std::nullopt;
}

void chat_completions(ServerContext& context, const RequestPtr& request,
                      const ResponderPtr& responder) {
  OpenaiChatBody body;
  AnswerJob job;
  ChatRequest chat;
  StreamOptions stream_options;
  auto error = read_body(*request, body, job.headers);
  if (!error && !body.stream_options.is_null()) {
    if (!body.stream) {
      error = bad_request("stream_options needs stream to be true", "stream_options");
    } else {
      error = read_fields(body.stream_options, stream_options, "stream_options.");
    }
  }
  if (!error) error = to_chat_request(body, chat);
  if (error) return responder->send(error_response(ApiDialect::openai, *error));

  const auto n = static_cast<size_t>(body.n);
  job.model = body.model;
  job.is_stream = body.stream;
  job.format = std::make_unique<ChatFormat>(context.version, n, stream_options.include_usage,
                                            body.logprobs.value_or(false));
  job.requests.assign(n, chat);
  job.n_per_prompt = n;
  job.sampling = std::move(body.sampling);
  answer(context, request, responder, std::move(job));
}

}  // namespace

std::vector<Route> openai_chat_routes(ServerContext& context) {
  return {answer_route(context, "/v1/chat/completions", ApiDialect::openai, chat_completions)};
}

}  // namespace jiang
