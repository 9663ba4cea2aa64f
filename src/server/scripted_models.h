// For tests: a ModelManager whose one model says what the test wants, when the test wants.
#pragma once

#include <chrono>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <vector>

#include "runtime/model_manager.h"

namespace jiang {

// What the fake model says, and how much of it yet. A piece "<think>..." is a thought, a piece
// "<call>NAME ARGUMENTS" calls a tool. Any thread.
class Script {
 public:
  void set(std::vector<std::string> pieces) {
    const std::lock_guard lock(mutex_);
    pieces_ = std::move(pieces);
  }
  // The next answers, one each; after them it says what set() has.
  void set_turns(std::deque<std::vector<std::string>> turns) {
    const std::lock_guard lock(mutex_);
    turns_ = std::move(turns);
  }
  void set_tools(bool has_tools) {
    const std::lock_guard lock(mutex_);
    has_tools_ = has_tools;
  }
  // Streams give at most `n` pieces, until more are allowed; -1: all, and the end.
  void allow(int n) {
    std::vector<std::function<void()>> told;
    {
      const std::lock_guard lock(mutex_);
      allowed_ = n;
      told = readers_;
    }
    changed_.notify_all();
    for (const auto& tell : told) tell();
  }
  std::vector<ChatRequest> requests() const {
    const std::lock_guard lock(mutex_);
    return requests_;
  }

 private:
  friend class FakeStream;
  friend class FakeBackend;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::vector<std::string>> turns_;
  bool has_tools_ = false;
  std::vector<std::string> pieces_ = {"Hello"};
  int allowed_ = -1;
  std::vector<std::function<void()>> readers_;
  std::vector<ChatRequest> requests_;
};

class FakeStream final : public ChatStream {
 public:
  // Under the script's mutex.
  FakeStream(Script& script, std::function<void()> notify)
      : script_(script), notify_(std::move(notify)) {
    if (script_.turns_.empty()) return;
    own_ = std::move(script_.turns_.front());
    script_.turns_.pop_front();
  }

  std::optional<ChatEvent> next_within(double seconds) override {
    std::unique_lock lock(script_.mutex_);
    auto event = next();
    if (event || seconds <= 0 || is_over_) return event;
    script_.changed_.wait_for(lock, std::chrono::duration<double>(seconds));
    return next();
  }
  void cancel() override {
    {
      const std::lock_guard lock(script_.mutex_);
      is_cancelled_ = true;
    }
    script_.changed_.notify_all();
    if (notify_) notify_();
  }
  ChatProgress progress() const override { return {}; }

 private:
  std::optional<ChatEvent> next() {
    if (is_over_) return std::nullopt;
    const std::vector<std::string>& pieces = own_ ? *own_ : script_.pieces_;
    const bool is_free = script_.allowed_ < 0 || at_ < static_cast<size_t>(script_.allowed_);
    ChatFinish finish;
    finish.stats.generated_tokens = static_cast<int32_t>(at_);
    finish.stats.prompt_tokens = 5;
    if (is_cancelled_) {
      finish.reason = ChatFinishReason::cancelled;
    } else if (at_ < pieces.size()) {
      if (!is_free) return std::nullopt;
      const std::string& piece = pieces[at_++];
      if (piece.rfind("<think>", 0) == 0) return ReasoningDelta{piece.substr(7)};
      if (piece.rfind("<call>", 0) == 0) {
        const size_t space = piece.find(' ');
        const int32_t index = n_calls_++;
        return ToolCallDelta{.index = index,
                             .id = "call_" + std::to_string(index),
                             .name = piece.substr(6, space - 6),
                             .arguments = piece.substr(space + 1)};
      }
      return TextDelta{.text = piece};
    } else if (script_.allowed_ >= 0) {
      return std::nullopt;
    }
    is_over_ = true;
    if (n_calls_ > 0 && !is_cancelled_) finish.reason = ChatFinishReason::tool_calls;
    return finish;
  }

  Script& script_;
  std::function<void()> notify_;
  std::optional<std::vector<std::string>> own_;
  int32_t n_calls_ = 0;
  size_t at_ = 0;
  bool is_cancelled_ = false;
  bool is_over_ = false;
};

class FakeBackend final : public ChatBackend {
 public:
  explicit FakeBackend(Script& script) : script_(script) {}
  Result<std::unique_ptr<ChatStream>> start(ChatRequest request) override {
    auto notify = request.notify;
    std::unique_ptr<ChatStream> stream;
    {
      const std::lock_guard lock(script_.mutex_);
      script_.requests_.push_back(request);
      if (notify) script_.readers_.push_back(notify);
      if (to_string(request.messages).find("too long") != std::string::npos) {
        return fail(ErrorKind::too_large, "the prompt has 9 tokens, the context 8");
      }
      stream = std::make_unique<FakeStream>(script_, notify);
    }
    if (notify) notify();
    return stream;
  }
  Result<int32_t> count_tokens(const ChatRequest&) override { return 5; }
  ChatCapabilities capabilities() const override {
    const std::lock_guard lock(script_.mutex_);
    return {.tools = script_.has_tools_, .context = 100};
  }

 private:
  Script& script_;
};

class FakeModels final : public ModelManager {
 public:
  class Entry final : public LoadedModelEntry {
   public:
    explicit Entry(Script& script) : backend_(script) {}
    const std::string& name() const override { return name_; }
    ChatBackend& backend() override { return backend_; }
    const ChatModel* chat_model() const override { return nullptr; }
    Engine* engine() override { return nullptr; }
    const ModelDefaults& defaults() const override { return own; }

    ModelDefaults own = {};

   private:
    std::string name_ = "tiny";
    FakeBackend backend_;
  };

  Script script;
  uint64_t bytes = 1000;

  // What the model's files say of answers.
  ModelDefaults& own() { return entry_->own; }

  Status add(std::string, std::string) override { return ok(); }
  void add_source(std::shared_ptr<BackendSource>) override {}
  Result<ModelLease> acquire(const std::string& name,
                             std::optional<std::chrono::seconds>) override {
    if (name != "tiny") return fail(ErrorKind::not_found, "there is no model {}", name);
    return ModelLease(entry_);
  }
  std::optional<ModelLease> acquire_loaded(const std::string& name) override {
    if (name != "tiny") return std::nullopt;
    return ModelLease(entry_);
  }
  Status unload(const std::string&) override { return ok(); }
  std::vector<ModelStatus> list() const override {
    return {{.name = "tiny", .provider = "local", .bytes = bytes, .loaded = true, .context = 100}};
  }
  std::string default_model() const override { return "tiny"; }
  uint64_t memory_budget() const override { return 1 << 20; }

 private:
  std::shared_ptr<Entry> entry_ = std::make_shared<Entry>(script);
};

}  // namespace jiang
