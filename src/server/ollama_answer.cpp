// Newline-separated JSON, durations in nanoseconds; a tool call comes whole, its arguments as JSON.
#include "server/ollama_answer.h"

#include <ctime>
#include <map>

#include "base/json_value.h"

namespace jiang {
namespace {

using Clock = std::chrono::steady_clock;

std::string now_text() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  const auto micros = std::chrono::duration_cast<std::chrono::microseconds>(now).count();
  const time_t seconds = micros / 1000000;
  tm parts = {};
  gmtime_r(&seconds, &parts);
  char text[32];
  strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &parts);
  return fmt::format("{}.{:06}Z", text, micros % 1000000);
}

int64_t nanos(double seconds) { return static_cast<int64_t>(seconds * 1e9); }

class OllamaFormat final : public AnswerFormat {
 public:
  explicit OllamaFormat(OllamaAnswer kind) : kind_(kind) {}

  ApiDialect dialect() const override { return ApiDialect::ollama; }
  void begin(const std::string& model) override {
    model_ = model;
    began_ = Clock::now();
  }
  HttpResponse stream_head() const override { return {.content_type = "application/x-ndjson"}; }
  // The form has no comments; a space before a line's JSON is none of it.
  std::string ping() const override { return " "; }
  std::string stream_begin() override { return ""; }
  std::string stream_event(int32_t, const ChatEvent& event) override {
    if (const auto* text = std::get_if<TextDelta>(&event)) return line(text->text, "", {});
    if (const auto* reasoning = std::get_if<ReasoningDelta>(&event)) {
      return line("", reasoning->text, {});
    }
    if (const auto* call = std::get_if<ToolCallDelta>(&event)) {
      add_call(*call);
      return "";
    }
    if (const auto* finish = std::get_if<ChatFinish>(&event)) {
      Json calls = calls_json();
      std::string out = calls.empty() ? "" : line("", "", std::move(calls));
      Json last = head("", "", {});
      add_end(last, *finish);
      return out + to_string(last) + "\n";
    }
    return "";
  }
  std::string stream_end() override { return ""; }
  std::string stream_error(const ApiError& error) override {
    return error_body(ApiDialect::ollama, error) + "\n";
  }

  void take(int32_t, ChatEvent event) override {
    if (const auto* text = std::get_if<TextDelta>(&event)) text_ += text->text;
    if (const auto* reasoning = std::get_if<ReasoningDelta>(&event)) thinking_ += reasoning->text;
    if (const auto* call = std::get_if<ToolCallDelta>(&event)) add_call(*call);
    if (auto* finish = std::get_if<ChatFinish>(&event)) finish_ = std::move(*finish);
  }
  HttpResponse whole() override {
    Json out = head(text_, thinking_, calls_json());
    add_end(out, finish_);
    return {.body = to_string(out)};
  }

 private:
  struct Call {
    std::string id, name, arguments;
  };
  void add_call(const ToolCallDelta& delta) {
    Call& call = calls_[delta.index];
    if (!delta.id.empty()) call.id = delta.id;
    if (!delta.name.empty()) call.name = delta.name;
    call.arguments += delta.arguments;
  }
  Json calls_json() const {
    Json list = Json::array();
    for (const auto& [index, call] : calls_) {
      auto arguments = parse_json(call.arguments.empty() ? "{}" : call.arguments, "arguments");
      if (!arguments) continue;  // cut off in the middle: done_reason says "length"
      list.push_back(
          {{"id", call.id},
           {"function",
            {{"index", index}, {"name", call.name}, {"arguments", *std::move(arguments)}}}});
    }
    return list;
  }
  Json head(const std::string& text, const std::string& thinking, Json calls) const {
    Json out = {{"model", model_}, {"created_at", now_text()}};
    if (kind_ == OllamaAnswer::generate) {
      out["response"] = text;
      if (!thinking.empty()) out["thinking"] = thinking;
    } else {
      Json message = {{"role", "assistant"}, {"content", text}};
      if (!thinking.empty()) message["thinking"] = thinking;
      if (!calls.empty()) message["tool_calls"] = std::move(calls);
      out["message"] = std::move(message);
    }
    out["done"] = false;
    return out;
  }
  std::string line(const std::string& text, const std::string& thinking, Json calls) const {
    return to_string(head(text, thinking, std::move(calls))) + "\n";
  }
  void add_end(Json& out, const ChatFinish& finish) const {
    const RequestStats& stats = finish.stats;
    out["done"] = true;
    out["done_reason"] = finish.reason == ChatFinishReason::length ? "length" : "stop";
    const auto total = Clock::now() - created_;
    out["total_duration"] = std::chrono::duration_cast<std::chrono::nanoseconds>(total).count();
    out["load_duration"] =
        std::chrono::duration_cast<std::chrono::nanoseconds>(began_ - created_).count();
    out["prompt_eval_count"] = stats.prompt_tokens;
    out["prompt_eval_duration"] = nanos(stats.prefill_seconds);
    out["eval_count"] = stats.generated_tokens;
    out["eval_duration"] = nanos(stats.decode_seconds);
  }

  const OllamaAnswer kind_;
  const Clock::time_point created_ = Clock::now();
  Clock::time_point began_ = created_;
  std::string model_, text_, thinking_;
  std::map<int32_t, Call> calls_;
  ChatFinish finish_;
};

}  // namespace

std::unique_ptr<AnswerFormat> make_ollama_format(OllamaAnswer kind) {
  return std::make_unique<OllamaFormat>(kind);
}

HttpResponse ollama_load_answer(OllamaAnswer kind, const std::string& model, const char* reason) {
  Json out = {{"model", model}, {"created_at", now_text()}};
  if (kind == OllamaAnswer::chat) {
    out["message"] = {{"role", "assistant"}, {"content", ""}};
  } else {
    out["response"] = "";
  }
  out["done"] = true;
  out["done_reason"] = reason;
  return {.body = to_string(out) + "\n", .content_type = "application/x-ndjson"};
}

}  // namespace jiang
