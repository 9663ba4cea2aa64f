// For tests: a ModelManager whose one model says what the test wants, when the test wants.
#pragma once

#include <condition_variable>
#include <deque>
#include <mutex>
#include <vector>

#include "runtime/model_manager.h"

namespace jiang {

// What the fake model says, and how much of it yet. Any thread.
class Script {
 public:
  void set(std::vector<std::string> pieces) {
    const std::lock_guard lock(mutex_);
    pieces_ = std::move(pieces);
  }
  // Streams give at most `n` pieces, until more are allowed; -1: all, and the end.
  void allow(int n) {
    std::vector<std::function<void()>> told;
    {
      const std::lock_guard lock(mutex_);
      allowed_ = n;
      told = readers_;
    }
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
  std::vector<std::string> pieces_ = {"Hello"};
  int allowed_ = -1;
  std::vector<std::function<void()>> readers_;
  std::vector<ChatRequest> requests_;
};

class FakeStream final : public ChatStream {
 public:
  FakeStream(Script& script, std::function<void()> notify)
      : script_(script), notify_(std::move(notify)) {}

  std::optional<ChatEvent> next_within(double) override {
    const std::lock_guard lock(script_.mutex_);
    if (is_over_) return std::nullopt;
    const bool is_free = script_.allowed_ < 0 || at_ < static_cast<size_t>(script_.allowed_);
    ChatFinish finish;
    finish.stats.generated_tokens = static_cast<int32_t>(at_);
    finish.stats.prompt_tokens = 5;
    if (is_cancelled_) {
      finish.reason = ChatFinishReason::cancelled;
    } else if (at_ < script_.pieces_.size()) {
      if (!is_free) return std::nullopt;
      const std::string& piece = script_.pieces_[at_++];
      if (piece.rfind("<think>", 0) == 0) return ReasoningDelta{piece.substr(7)};
      return TextDelta{.text = piece};
    } else if (script_.allowed_ >= 0) {
      return std::nullopt;
    }
    is_over_ = true;
    return finish;
  }
  void cancel() override {
    {
      const std::lock_guard lock(script_.mutex_);
      is_cancelled_ = true;
    }
    notify_();
  }
  ChatProgress progress() const override { return {}; }

 private:
  Script& script_;
  std::function<void()> notify_;
  size_t at_ = 0;
  bool is_cancelled_ = false;
  bool is_over_ = false;
};

class FakeBackend final : public ChatBackend {
 public:
  explicit FakeBackend(Script& script) : script_(script) {}
  Result<std::unique_ptr<ChatStream>> start(ChatRequest request) override {
    auto notify = request.notify;
    {
      const std::lock_guard lock(script_.mutex_);
      script_.requests_.push_back(request);
      script_.readers_.push_back(notify);
    }
    if (to_string(request.messages).find("too long") != std::string::npos) {
      return fail(ErrorKind::too_large, "the prompt has 9 tokens, the context 8");
    }
    notify();
    return std::unique_ptr<ChatStream>(std::make_unique<FakeStream>(script_, std::move(notify)));
  }
  Result<int32_t> count_tokens(const ChatRequest&) override { return 5; }
  ChatCapabilities capabilities() const override { return {.context = 100}; }

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

   private:
    std::string name_ = "tiny";
    FakeBackend backend_;
  };

  Script script;

  Status add(std::string, std::string) override { return ok(); }
  void add_source(std::shared_ptr<BackendSource>) override {}
  Result<ModelLease> acquire(const std::string& name,
                             std::optional<std::chrono::seconds>) override {
    if (name != "tiny") return fail(ErrorKind::not_found, "there is no model {}", name);
    return entry_;
  }
  std::optional<ModelLease> acquire_loaded(const std::string& name) override {
    if (name != "tiny") return std::nullopt;
    return entry_;
  }
  Status unload(const std::string&) override { return ok(); }
  std::vector<ModelStatus> list() const override {
    return {{.name = "tiny", .provider = "local", .bytes = 1000, .loaded = true, .context = 100}};
  }
  std::string default_model() const override { return "tiny"; }
  uint64_t memory_budget() const override { return 1 << 20; }

 private:
  ModelLease entry_ = std::make_shared<Entry>(script);
};

}  // namespace jiang
