// A backend without a model: turns that a test wrote.
#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "chat/backend.h"

namespace jiang {

// Plays one list of events a turn, and keeps what it was asked.
class ScriptedBackend : public ChatBackend {
 public:
  std::deque<std::vector<ChatEvent>> turns;
  std::vector<ChatRequest> asked;

  Result<std::unique_ptr<ChatStream>> start(ChatRequest request) override {
    asked.push_back(std::move(request));
    if (turns.empty()) return fail(ErrorKind::invalid_argument, "no turn is left");
    auto stream = std::make_unique<Stream>(std::move(turns.front()));
    turns.pop_front();
    return std::unique_ptr<ChatStream>(std::move(stream));
  }
  Result<int32_t> count_tokens(const ChatRequest&) override { return 1; }
  ChatCapabilities capabilities() const override { return {.tools = true}; }

 private:
  class Stream : public ChatStream {
   public:
    explicit Stream(std::vector<ChatEvent> events) : events_(std::move(events)) {}
    std::optional<ChatEvent> next_within(double) override {
      if (cancelled_) return ChatFinish{.reason = ChatFinishReason::cancelled};
      if (next_ == events_.size()) return std::nullopt;
      return events_[next_++];
    }
    void cancel() override { cancelled_ = true; }
    ChatProgress progress() const override { return {}; }

   private:
    std::vector<ChatEvent> events_;
    size_t next_ = 0;
    bool cancelled_ = false;
  };
};

inline std::vector<ChatEvent> says(const std::string& text, int32_t tokens = 10) {
  ChatFinish finish;
  finish.stats.generated_tokens = tokens;
  return {TextDelta{.text = text}, finish};
}

inline std::vector<ChatEvent> calls(const std::string& name, const std::string& arguments) {
  ChatFinish finish = {.reason = ChatFinishReason::tool_calls};
  finish.stats.generated_tokens = 10;
  // In two deltas, as a stream brings them.
  return {ToolCallDelta{.index = 0, .id = "call_1", .name = name},
          ToolCallDelta{.index = 0, .arguments = arguments.substr(0, 3)},
          ToolCallDelta{.index = 0, .arguments = arguments.substr(3)}, finish};
}

}  // namespace jiang
