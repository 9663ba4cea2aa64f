// For tests: a whole server on loopback over fake models.
//
// "fake" says its script byte by byte, or what its prompt's hash says; "encoder" embeds; "slow"
// loads only when it is let.
#pragma once

#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "base/json_value.h"
#include "chat/local_backend.h"
#include "server/server.h"
#include "server/test_client.h"
#include "tests/support/fake_model.h"
#include "tests/support/tiny_tokenizer.h"

namespace jiang {

inline constexpr const char* kTestTemplate =
    "{% for m in messages %}{{ '<|im_start|>' + m.role + '\\n' + m.content + '<|im_end|>\\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}";

class FakeEntry final : public LoadedModelEntry {
 public:
  FakeEntry(std::string name, EngineOptions options)
      : name_(std::move(name)),
        engine_(Engine::create(fake, pool_, options).value()),
        backend_(make_local_backend(chat_, *engine_)) {}
  const std::string& name() const override { return name_; }
  ChatBackend& backend() override { return *backend_; }
  const ChatModel* chat_model() const override { return &chat_; }
  Engine* engine() override { return engine_.get(); }

  const std::shared_ptr<FakeModel> fake = std::make_shared<FakeModel>(262);

 private:
  static ChatModel make_chat() {
    TextAssets assets;
    assets.tokenizer = tiny_tokenizer();
    assets.chat_template = kTestTemplate;
    return ChatModel::create(assets).value();
  }
  const std::string name_;
  ThreadPool pool_{1};
  ChatModel chat_ = make_chat();
  std::unique_ptr<Engine> engine_;
  std::unique_ptr<ChatBackend> backend_;
};

// Says these events, whatever it is asked; remembers what it was.
class ScriptedEntry final : public LoadedModelEntry, public ChatBackend {
 public:
  std::vector<ChatEvent> events;
  ChatRequest asked;

  const std::string& name() const override { return name_; }
  ChatBackend& backend() override { return *this; }
  const ChatModel* chat_model() const override { return nullptr; }
  Engine* engine() override { return nullptr; }
  Result<std::unique_ptr<ChatStream>> start(ChatRequest request) override {
    asked = std::move(request);
    return std::unique_ptr<ChatStream>(std::make_unique<ScriptedStream>(events));
  }
  Result<int32_t> count_tokens(const ChatRequest&) override { return 1; }
  ChatCapabilities capabilities() const override { return {.tools = true, .context = 100}; }

 private:
  class ScriptedStream final : public ChatStream {
   public:
    explicit ScriptedStream(std::vector<ChatEvent> events) : events_(std::move(events)) {}
    std::optional<ChatEvent> next_within(double) override {
      if (next_ == events_.size()) return std::nullopt;
      return events_[next_++];
    }
    void cancel() override {}
    ChatProgress progress() const override { return {}; }

   private:
    const std::vector<ChatEvent> events_;
    size_t next_ = 0;
  };
  const std::string name_ = "scripted";
};

class FakeManager final : public ModelManager {
 public:
  explicit FakeManager(EngineOptions options)
      : fake(std::make_shared<FakeEntry>("fake", options)),
        slow(std::make_shared<FakeEntry>("slow", options)) {}

  Status add(std::string, std::string) override { return ok(); }
  void add_source(std::shared_ptr<BackendSource>) override {}
  Result<ModelLease> acquire(const std::string& name,
                             std::optional<std::chrono::seconds>) override {
    if (name == "fake") return ModelLease(fake);
    if (name == "scripted") return ModelLease(scripted);
    if (name != "slow") return fail(ErrorKind::not_found, "no model '{}'", name);
    std::unique_lock lock(mutex);
    changed.wait(lock, [this] { return may_load; });
    return ModelLease(slow);
  }
  std::optional<ModelLease> acquire_loaded(const std::string& name) override {
    if (name == "fake") return ModelLease(fake);
    return std::nullopt;
  }
  Status unload(const std::string&) override { return ok(); }
  std::vector<ModelStatus> list() const override {
    ModelStatus status{.name = "fake"};
    status.provider = "local";
    status.loaded = true;
    status.stats = fake->engine()->stats();
    if (seconds_in_step > 0) status.stats.seconds_in_step = seconds_in_step;
    ModelStatus other{.name = "org/slow:tag"};
    other.provider = "local";
    return {status, other};
  }
  std::string default_model() const override { return "fake"; }
  uint64_t memory_budget() const override { return 1 << 20; }
  void let_load() {
    const std::lock_guard lock(mutex);
    may_load = true;
    changed.notify_all();
  }

  std::atomic<double> seconds_in_step = 0;  // more: what its engine is said to have taken
  const std::shared_ptr<FakeEntry> fake;
  const std::shared_ptr<FakeEntry> slow;
  const std::shared_ptr<ScriptedEntry> scripted = std::make_shared<ScriptedEntry>();
  std::mutex mutex;
  std::condition_variable changed;
  bool may_load = false;
};

struct TestServer {
  EngineOptions engine{.max_sequences = 10};
  ServerOptions options = {};
  FakeAuthenticator authenticator;
  std::function<std::vector<Route>(ServerContext&)> more_routes;
  std::unique_ptr<FakeManager> models;
  std::unique_ptr<Server> server;

  TestServer() {
    options.http.port = 0;
    options.gate.wrong_keys_per_minute = 0;  // tests try many
  }
  ~TestServer() {
    if (models) models->let_load();
  }
  void start() {
    models = std::make_unique<FakeManager>(engine);
    server = Server::start(options, *models, authenticator, more_routes).value();
  }
  FakeModel& fake() { return *models->fake->fake; }
  // The model answers `text` to a prompt of this many tokens or this request, and then ends.
  void script(const std::string& text, const Json& messages) {
    const ChatModel& chat = *models->fake->chat_model();
    fake().script = chat.tokenizer().encode(text);
    fake().script.push_back(*chat.tokenizer().find("<|im_end|>"));
    ChatRequest request;
    request.messages = messages;
    fake().script_prompt_length = models->fake->backend().count_tokens(request).value();
  }

  uint16_t port() const { return server->port(); }
  TestAnswer post(std::string_view path, const Json& body, std::string_view headers = {}) {
    return exchange(port(), request_text("POST", path, headers, to_string(body)));
  }
  TestAnswer get(std::string_view path, std::string_view headers = {}) {
    return exchange(port(), request_text("GET", path, headers));
  }
  void wait_for(const std::function<bool()>& condition) const {
    for (int i = 0; i < 20000 && !condition(); ++i)
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
};

inline Json json_of(const TestAnswer& answer) {
  auto parsed = parse_json(answer.body, "the answer");
  return parsed ? *parsed : Json(answer.body);
}

// The data of each server-sent event; comments are left out.
inline std::vector<std::string> events_of(const std::string& body) {
  std::vector<std::string> events;
  for (size_t at = 0; (at = body.find("data: ", at)) != std::string::npos;) {
    const size_t end = body.find("\n\n", at);
    events.push_back(body.substr(at + 6, end - at - 6));
    at = end == std::string::npos ? body.size() : end;
  }
  return events;
}

inline Json user_says(const char* text) {
  return Json::array({{{"role", "user"}, {"content", text}}});
}

}  // namespace jiang
