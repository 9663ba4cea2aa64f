// message_start, then for each block content_block_start, its deltas and content_block_stop, then
// message_delta with the reason and message_stop.
#include "server/anthropic_answer.h"

#include "base/json_value.h"
#include "server/openai_request.h"

namespace jiang {
namespace {

class MessagesFormat final : public AnswerFormat {
 public:
  explicit MessagesFormat(std::shared_ptr<std::atomic<int32_t>> prompt_tokens)
      : prompt_tokens_(std::move(prompt_tokens)) {}
  ApiDialect dialect() const override { return ApiDialect::anthropic; }
  void begin(const std::string& model) override {
    model_ = model;
    usage_.prompt_tokens = prompt_tokens_->load();
  }

  std::string stream_begin() override {
    return event("message_start", {{"message", message(Json::array())}}) +
           event("ping", Json::object());
  }
  std::string stream_event(int32_t, const ChatEvent& chat_event) override {
    if (const auto* text = std::get_if<TextDelta>(&chat_event)) {
      if (text->text.empty()) return {};
      const std::string opened = open("text");
      blocks_.back().text += text->text;
      return opened + delta({{"type", "text_delta"}, {"text", text->text}});
    }
    if (const auto* reasoning = std::get_if<ReasoningDelta>(&chat_event)) {
      const std::string opened = open("thinking");
      blocks_.back().text += reasoning->text;
      return opened + delta({{"type", "thinking_delta"}, {"thinking", reasoning->text}});
    }
    if (const auto* call = std::get_if<ToolCallDelta>(&chat_event)) {
      std::string out;
      if (!call->id.empty() || !call->name.empty()) {
        out = close();  // of a call before it, too
        out += open("tool_use", call->id, call->name);
      }
      if (call->arguments.empty()) return out;
      blocks_.back().text += call->arguments;
      return out + delta({{"type", "input_json_delta"}, {"partial_json", call->arguments}});
    }
    finish_ = std::get<ChatFinish>(chat_event);
    usage_ = finish_.stats;
    return close() +
           event("message_delta",
                 {{"delta", {{"stop_reason", stop_reason()}, {"stop_sequence", stop_sequence()}}},
                  {"usage", usage()}});
  }
  std::string stream_end() override { return event("message_stop", Json::object()); }
  std::string stream_error(const ApiError& error) override {
    return "event: error\ndata: " + error_body(ApiDialect::anthropic, error) + "\n\n";
  }

  void take(int32_t choice, ChatEvent chat_event) override { stream_event(choice, chat_event); }
  HttpResponse whole() override {
    Json content = Json::array();
    for (const Block& block : blocks_) {
      if (block.kind == "text") {
        content.push_back({{"type", "text"}, {"text", block.text}, {"citations", nullptr}});
      } else if (block.kind == "thinking") {
        content.push_back({{"type", "thinking"}, {"thinking", block.text}, {"signature", ""}});
      } else {
        auto input = parse_json(block.text.empty() ? "{}" : block.text, "input");
        if (!input) continue;  // cut off in the middle: stop_reason says "max_tokens"
        content.push_back({{"type", "tool_use"},
                           {"id", block.id},
                           {"name", block.name},
                           {"input", *std::move(input)}});
      }
    }
    Json out = message(std::move(content));
    out["stop_reason"] = stop_reason();
    out["stop_sequence"] = stop_sequence();
    return {.body = to_string(out)};
  }

 private:
  struct Block {
    std::string kind;
    std::string id;
    std::string name;
    std::string text = {};  // or thoughts, or the input's JSON
    bool is_open = true;
  };

  static std::string event(const char* type, Json data) {
    Json out = {{"type", type}};
    for (auto& [name, value] : data.items()) out[name] = std::move(value);
    return std::string("event: ") + type + "\ndata: " + to_string(out) + "\n\n";
  }
  // Its parts of the prompt: what was read from the cache is counted apart.
  Json usage() const {
    return {{"input_tokens", usage_.prompt_tokens - usage_.cached_tokens},
            {"cache_creation_input_tokens", 0},
            {"cache_read_input_tokens", usage_.cached_tokens},
            {"output_tokens", usage_.generated_tokens}};
  }
  Json message(Json content) const {
    return {{"id", id_},
            {"type", "message"},
            {"role", "assistant"},
            {"model", model_},
            {"content", std::move(content)},
            {"stop_reason", nullptr},
            {"stop_sequence", nullptr},
            {"usage", usage()}};
  }
  const char* stop_reason() const {
    switch (finish_.reason) {
      case ChatFinishReason::length:
        return "max_tokens";
      case ChatFinishReason::tool_calls:
        return "tool_use";
      default:
        return finish_.stop_string ? "stop_sequence" : "end_turn";
    }
  }
  Json stop_sequence() const { return finish_.stop_string ? Json(*finish_.stop_string) : Json(); }

  // A block of this kind that can be added to.
  std::string open(const char* kind, const std::string& id = {}, const std::string& name = {}) {
    if (!blocks_.empty() && blocks_.back().is_open && blocks_.back().kind == kind) return {};
    std::string out = close();
    blocks_.push_back({.kind = kind, .id = id, .name = name});
    Json block = {{"type", kind}};
    if (blocks_.back().kind == "text") {
      block["text"] = "";
    } else if (blocks_.back().kind == "thinking") {
      block["thinking"] = block["signature"] = "";
    } else {
      block["id"] = id;
      block["name"] = name;
      block["input"] = Json::object();
    }
    return out + event("content_block_start",
                       {{"index", blocks_.size() - 1}, {"content_block", std::move(block)}});
  }
  std::string close() {
    if (blocks_.empty() || !blocks_.back().is_open) return {};
    blocks_.back().is_open = false;
    return event("content_block_stop", {{"index", blocks_.size() - 1}});
  }
  std::string delta(Json delta) const {
    return event("content_block_delta",
                 {{"index", blocks_.size() - 1}, {"delta", std::move(delta)}});
  }

  const std::string id_ = make_id("msg_");
  const std::shared_ptr<std::atomic<int32_t>> prompt_tokens_;
  std::string model_;
  std::vector<Block> blocks_;
  RequestStats usage_;
  ChatFinish finish_;
};

}  // namespace

std::unique_ptr<AnswerFormat> make_anthropic_format(
    std::shared_ptr<std::atomic<int32_t>> prompt_tokens) {
  return std::make_unique<MessagesFormat>(std::move(prompt_tokens));
}

}  // namespace jiang
