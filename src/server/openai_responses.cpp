// POST /v1/responses, stateless: what it would remember is in the request.
#include <ctime>

#include "server/answer.h"
#include "server/openai.h"
#include "server/openai_request.h"
#include "server/routes.h"
#include "server/sampling_fields.h"

namespace jiang {
namespace {

struct ResponseBody {
  std::string model = {};
  Json input = {};
  std::optional<std::string> instructions = {};
  Json tools = {};
  Json tool_choice = {};
  Json text = {};
  Json reasoning = {};
  std::optional<bool> parallel_tool_calls = {};
  std::optional<int64_t> max_output_tokens = {};
  std::optional<double> temperature = {};
  std::optional<double> top_p = {};
  bool stream = false;

  void fields(Fields& f) {
    f.text("model", model);
    f.json("input", input);
    f.text("instructions", instructions);
    f.list("tools", tools);
    f.json("tool_choice", tool_choice);
    f.object("text", text);
    f.object("reasoning", reasoning);
    f.flag("parallel_tool_calls", parallel_tool_calls);
    f.integer("max_output_tokens", max_output_tokens, 1, INT32_MAX);
    f.number("temperature", temperature, 0, 2);
    f.number("top_p", top_p, 0, 1);
    f.flag("stream", stream);
    f.unsupported("previous_response_id");
    f.unsupported("conversation");
    f.unsupported("background");
    f.unsupported("prompt");
    f.unsupported("max_tool_calls");
    f.unsupported("top_logprobs", 0);
    f.unsupported("truncation", "disabled");
    for (const char* name :
         {"store", "metadata", "user", "include", "service_tier", "stream_options",
          "prompt_cache_key", "prompt_cache_retention", "safety_identifier"})
      f.without_effect(name);
  }
};

// {"type": "input_text", "text"} -> {"type": "text", "text"}
std::optional<ApiError> read_content(const Json& content, const std::string& where, Json& out) {
  if (content.is_string()) {
    out = content;
    return std::nullopt;
  }
  if (!content.is_array()) return bad_request(where + " must be text or a list of parts", where);
  std::string text;
  for (const Json& part : content) {
    const Json* type = part.is_object() ? find_member(part, "type") : nullptr;
    const Json* words = part.is_object() ? find_member(part, "text") : nullptr;
    const bool is_text =
        type && (*type == "input_text" || *type == "output_text" || *type == "text");
    if (!is_text || words == nullptr || !words->is_string())
      return bad_request(where + " has a part that is not text; this model takes text only", where,
                         "unsupported");
    text += words->get<std::string>();
  }
  out = text;
  return std::nullopt;
}

std::optional<ApiError> read_item(const Json& item, const std::string& where, Json& messages) {
  if (!item.is_object()) return bad_request(where + " must be an object", where, "invalid_type");
  const Json* type_member = find_member(item, "type");
  const std::string type =
      type_member && type_member->is_string() ? type_member->get<std::string>() : "message";
  const auto text_of = [&](const char* name) {
    const Json* value = find_member(item, name);
    return value != nullptr && value->is_string() ? value->get<std::string>() : std::string();
  };
  if (type == "message") {
    const Json* content = find_member(item, "content");
    if (content == nullptr) return bad_request(where + ".content is missing", where + ".content");
    Json message = {{"role", text_of("role")}, {"content", nullptr}};
    if (auto error = read_content(*content, where + ".content", message["content"])) return error;
    messages.push_back(std::move(message));
    return std::nullopt;
  }
  if (type == "function_call") {
    Json call = {{"id", text_of("call_id")},
                 {"type", "function"},
                 {"function", {{"name", text_of("name")}, {"arguments", text_of("arguments")}}}};
    // Calls in a row are one turn of the assistant.
    if (!messages.empty() && messages.back()["role"] == "assistant") {
      messages.back()["tool_calls"].push_back(std::move(call));
    } else {
      messages.push_back({{"role", "assistant"},
                          {"content", nullptr},
                          {"tool_calls", Json::array({std::move(call)})}});
    }
    return std::nullopt;
  }
  if (type == "function_call_output") {
    const Json* output = find_member(item, "output");
    if (output == nullptr) return bad_request(where + ".output is missing", where + ".output");
    Json message = {{"role", "tool"}, {"tool_call_id", text_of("call_id")}, {"content", nullptr}};
    if (auto error = read_content(*output, where + ".output", message["content"])) return error;
    messages.push_back(std::move(message));
    return std::nullopt;
  }
  if (type == "reasoning")
    return std::nullopt;  // of an earlier answer: models do not read it again
  return bad_request(where + ".type " + type + " is not supported", where + ".type", "unsupported");
}

// Tools are flat here: {"type": "function", "name", "parameters"}.
std::optional<ApiError> read_response_tools(const Json& tools, Json& out) {
  for (size_t i = 0; i < tools.size(); ++i) {
    const std::string where = fmt::format("tools[{}]", i);
    const Json& tool = tools[i];
    const Json* type = tool.is_object() ? find_member(tool, "type") : nullptr;
    if (type == nullptr || *type != "function")
      return bad_request(where + ".type must be function", where + ".type", "unsupported");
    Json function = Json::object();
    for (const char* name : {"name", "description", "parameters", "strict"}) {
      if (const Json* value = find_member(tool, name)) function[name] = *value;
    }
    out.push_back({{"type", "function"}, {"function", std::move(function)}});
  }
  return std::nullopt;
}

std::optional<ApiError> response_to_chat(const ResponseBody& body, ChatRequest& out) {
  Json messages = Json::array();
  if (body.instructions) messages.push_back({{"role", "system"}, {"content", *body.instructions}});
  if (body.input.is_string()) {
    messages.push_back({{"role", "user"}, {"content", body.input}});
  } else if (body.input.is_array()) {
    for (size_t i = 0; i < body.input.size(); ++i) {
      if (auto error = read_item(body.input[i], fmt::format("input[{}]", i), messages))
        return error;
    }
  } else {
    return bad_request("input must be text or a list of items", "input");
  }
  if (auto error = check_messages(messages)) return error;
  Json tools = Json::array();
  if (!body.tools.is_null()) {
    if (auto error = read_response_tools(body.tools, tools)) return error;
  }
  if (auto error = check_tools(tools)) return error;
  Json choice = body.tool_choice;
  if (choice.is_object() && find_member(choice, "name") != nullptr)
    choice = {{"type", "function"}, {"function", {{"name", choice["name"]}}}};
  if (auto error = read_tool_choice(choice, tools, out.tool_choice)) return error;
  if (!body.text.is_null()) {
    if (const Json* format = find_member(body.text, "format")) {
      if (auto error = read_response_format(*format, out.format)) return error;
    }
  }
  if (!body.reasoning.is_null()) {
    if (const Json* effort = find_member(body.reasoning, "effort"))
      out.thinking = *effort != "none";
  }
  out.messages = std::move(messages);
  if (!tools.empty()) out.tools = std::move(tools);
  out.parallel_tool_calls = body.parallel_tool_calls.value_or(true);
  out.max_tokens = static_cast<int32_t>(body.max_output_tokens.value_or(-1));
  return std::nullopt;
}

// The events of a stream, and from them the whole answer.
class ResponsesFormat final : public AnswerFormat {
 public:
  explicit ResponsesFormat(Json echoed) : echoed_(std::move(echoed)) {}
  ApiDialect dialect() const override { return ApiDialect::openai; }
  void begin(const std::string& model) override { model_ = model; }

  std::string stream_begin() override {
    std::string out = event("response.created", {{"response", response("in_progress")}});
    out += event("response.in_progress", {{"response", response("in_progress")}});
    return out;
  }
  std::string stream_event(int32_t, const ChatEvent& chat_event) override {
    std::string out;
    if (const auto* text = std::get_if<TextDelta>(&chat_event)) {
      out += open("message");
      items_.back().text += text->text;
      out += event("response.output_text.delta", {{"item_id", items_.back().id},
                                                  {"output_index", items_.size() - 1},
                                                  {"content_index", 0},
                                                  {"delta", text->text},
                                                  {"logprobs", Json::array()}});
    } else if (const auto* reasoning = std::get_if<ReasoningDelta>(&chat_event)) {
      out += open("reasoning");
      items_.back().text += reasoning->text;
      out += event("response.reasoning_text.delta", {{"item_id", items_.back().id},
                                                     {"output_index", items_.size() - 1},
                                                     {"content_index", 0},
                                                     {"delta", reasoning->text}});
    } else if (const auto* call = std::get_if<ToolCallDelta>(&chat_event)) {
      if (!call->id.empty() || !call->name.empty()) {
        out += close();
        out += open("function_call", call->id, call->name);
      }
      items_.back().text += call->arguments;
      if (!call->arguments.empty()) {
        out += event("response.function_call_arguments.delta", {{"item_id", items_.back().id},
                                                                {"output_index", items_.size() - 1},
                                                                {"delta", call->arguments}});
      }
    } else {
      const auto& finish = std::get<ChatFinish>(chat_event);
      usage_ = finish.stats;
      is_cut_ = finish.reason == ChatFinishReason::length;
      out += close();
    }
    return out;
  }
  std::string stream_end() override {
    return event(is_cut_ ? "response.incomplete" : "response.completed",
                 {{"response", response(is_cut_ ? "incomplete" : "completed")}});
  }
  std::string stream_error(const ApiError& error) override {
    Json failed = response("failed");
    failed["error"] = {{"code", error.code.empty() ? "server_error" : error.code},
                       {"message", error.message}};
    return event("response.failed", {{"response", std::move(failed)}});
  }

  void take(int32_t choice, ChatEvent chat_event) override { stream_event(choice, chat_event); }
  HttpResponse whole() override {
    return {.body = to_string(response(is_cut_ ? "incomplete" : "completed"))};
  }

 private:
  struct Item {
    std::string kind;
    std::string id;
    std::string call_id;
    std::string name;
    std::string text;  // or arguments
    bool is_closed = false;
  };

  std::string event(const char* type, Json data) {
    Json out = {{"type", type}, {"sequence_number", sequence_++}};
    for (auto& [name, value] : data.items()) out[name] = std::move(value);
    return std::string("event: ") + type + "\ndata: " + to_string(out) + "\n\n";
  }
  static Json part_json(const Item& item) {
    if (item.kind == "reasoning") return {{"type", "reasoning_text"}, {"text", item.text}};
    return {{"type", "output_text"},
            {"text", item.text},
            {"annotations", Json::array()},
            {"logprobs", Json::array()}};
  }
  static Json item_json(const Item& item) {
    const char* const status = item.is_closed ? "completed" : "in_progress";
    if (item.kind == "function_call") {
      return {{"type", item.kind}, {"id", item.id},          {"call_id", item.call_id},
              {"name", item.name}, {"arguments", item.text}, {"status", status}};
    }
    Json content = Json::array();
    if (item.is_closed) content.push_back(part_json(item));
    if (item.kind == "reasoning")
      return {{"type", item.kind},
              {"id", item.id},
              {"summary", Json::array()},
              {"content", std::move(content)},
              {"status", status}};
    return {{"type", item.kind},
            {"id", item.id},
            {"role", "assistant"},
            {"content", std::move(content)},
            {"status", status}};
  }

  // Begins an item of this kind unless one is open.
  std::string open(const char* kind, const std::string& call_id = {},
                   const std::string& name = {}) {
    if (!items_.empty() && !items_.back().is_closed) {
      if (items_.back().kind == kind) return {};
      const std::string closed = close();
      return closed + open(kind, call_id, name);
    }
    const bool is_call = std::string_view(kind) == "function_call";
    items_.push_back({.kind = kind,
                      .id = make_id(is_call ? "fc_" : "msg_"),
                      .call_id = call_id,
                      .name = name,
                      .text = {}});
    const size_t index = items_.size() - 1;
    std::string out = event("response.output_item.added",
                            {{"output_index", index}, {"item", item_json(items_.back())}});
    if (!is_call) {
      out += event("response.content_part.added", {{"item_id", items_.back().id},
                                                   {"output_index", index},
                                                   {"content_index", 0},
                                                   {"part", part_json(items_.back())}});
    }
    return out;
  }
  std::string close() {
    if (items_.empty() || items_.back().is_closed) return {};
    Item& item = items_.back();
    item.is_closed = true;
    const size_t index = items_.size() - 1;
    std::string out;
    if (item.kind == "function_call") {
      out = event("response.function_call_arguments.done", {{"item_id", item.id},
                                                            {"output_index", index},
                                                            {"name", item.name},
                                                            {"arguments", item.text}});
    } else {
      out = event(
          item.kind == "reasoning" ? "response.reasoning_text.done" : "response.output_text.done",
          {{"item_id", item.id},
           {"output_index", index},
           {"content_index", 0},
           {"text", item.text},
           {"logprobs", Json::array()}});
      out += event("response.content_part.done", {{"item_id", item.id},
                                                  {"output_index", index},
                                                  {"content_index", 0},
                                                  {"part", part_json(item)}});
    }
    out += event("response.output_item.done", {{"output_index", index}, {"item", item_json(item)}});
    return out;
  }
  Json response(const char* status) const {
    Json output = Json::array();
    for (const Item& item : items_) output.push_back(item_json(item));
    Json out = {{"id", id_},
                {"object", "response"},
                {"created_at", created_},
                {"status", status},
                {"model", model_},
                {"output", std::move(output)},
                {"error", nullptr},
                {"incomplete_details", is_cut_ ? Json{{"reason", "max_output_tokens"}} : Json()},
                {"previous_response_id", nullptr},
                {"store", false}};
    for (const auto& [name, value] : echoed_.items()) out[name] = value;
    const bool is_done = std::string_view(status) != "in_progress";
    out["usage"] = !is_done
                       ? Json()
                       : Json{{"input_tokens", usage_.prompt_tokens},
                              {"input_tokens_details", {{"cached_tokens", usage_.cached_tokens}}},
                              {"output_tokens", usage_.generated_tokens},
                              {"output_tokens_details", {{"reasoning_tokens", 0}}},
                              {"total_tokens", usage_.prompt_tokens + usage_.generated_tokens}};
    return out;
  }

  const std::string id_ = make_id("resp_");
  const int64_t created_ = time(nullptr);
  const Json echoed_;  // of the request
  std::string model_;
  std::vector<Item> items_;
  RequestStats usage_;
  bool is_cut_ = false;
  int64_t sequence_ = 0;
};

void responses(ServerContext& context, const RequestPtr& request, const ResponderPtr& responder) {
  ResponseBody body;
  AnswerJob job;
  ChatRequest chat;
  auto error = read_body(*request, body, job.headers);
  if (!error) error = response_to_chat(body, chat);
  if (error) return responder->send(error_response(ApiDialect::openai, *error));
  Json echoed = {
      {"instructions", body.instructions ? Json(*body.instructions) : Json()},
      {"max_output_tokens", body.max_output_tokens ? Json(*body.max_output_tokens) : Json()},
      {"parallel_tool_calls", body.parallel_tool_calls.value_or(true)},
      // null: as the model says
      {"temperature", body.temperature ? Json(*body.temperature) : Json()},
      {"top_p", body.top_p ? Json(*body.top_p) : Json()},
      {"tool_choice", body.tool_choice.is_null() ? Json("auto") : body.tool_choice},
      {"tools", body.tools.is_null() ? Json::array() : body.tools},
      {"text", body.text.is_null() ? Json{{"format", {{"type", "text"}}}} : body.text},
      {"truncation", "disabled"},
      {"metadata", Json::object()}};
  job.model = body.model;
  job.is_stream = body.stream;
  job.format = std::make_unique<ResponsesFormat>(std::move(echoed));
  job.requests.push_back(std::move(chat));
  job.sampling.temperature = body.temperature;
  job.sampling.top_p = body.top_p;
  answer(context, request, responder, std::move(job));
}

}  // namespace

std::vector<Route> openai_response_routes(ServerContext& context) {
  return {answer_route(context, "/v1/responses", ApiDialect::openai, responses)};
}

}  // namespace jiang
