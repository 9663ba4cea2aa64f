#include "runtime/model_manager.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>

#include "base/json_value.h"
#include "tests/support/temp_folder.h"

namespace jiang {
namespace {

using std::chrono::seconds;
using testing::HasSubstr;

class NoBackend final : public ChatBackend {
 public:
  explicit NoBackend(std::atomic<int>& n_alive) : n_alive_(n_alive) { ++n_alive_; }
  ~NoBackend() override { --n_alive_; }
  Result<std::unique_ptr<ChatStream>> start(ChatRequest) override {
    return fail(ErrorKind::unsupported, "none");
  }
  Result<int32_t> count_tokens(const ChatRequest&) override { return 0; }
  ChatCapabilities capabilities() const override { return {.context = 7}; }

 private:
  std::atomic<int>& n_alive_;
};

// "remote/a" opens, as slowly as the test likes; "remote/broken" does not.
class FakeSource final : public BackendSource {
 public:
  std::vector<std::string> names() const override { return {"remote/a", "remote/broken"}; }
  bool knows(const std::string& name) const override {
    return name == "remote/a" || name == "remote/broken";
  }
  std::string provider(const std::string&) const override { return "remote"; }
  Result<std::unique_ptr<ChatBackend>> open(const std::string& name) override {
    ++n_opened;
    std::unique_lock lock(mutex);
    changed.wait(lock, [this] { return is_released; });
    if (name == "remote/broken") return fail(ErrorKind::io, "no network");
    return std::unique_ptr<ChatBackend>(std::make_unique<NoBackend>(n_alive));
  }
  void release() {
    const std::lock_guard lock(mutex);
    is_released = true;
    changed.notify_all();
  }
  std::atomic<int> n_opened = 0;
  std::atomic<int> n_alive = 0;

 private:
  std::mutex mutex;
  std::condition_variable changed;
  bool is_released = false;
};

struct Fixture {
  TempFolder home;
  std::shared_ptr<FakeSource> source = std::make_shared<FakeSource>();
  std::unique_ptr<ModelManager> manager;

  explicit Fixture(seconds keep_alive = seconds(300)) {
    ModelManagerOptions options;
    options.threads = 1;
    options.home = home.path();
    options.keep_alive = keep_alive;
    manager = ModelManager::create(options).value();
    manager->add_source(source);
  }
};

TEST(ModelManager, OneLoadServesAllWhoWait) {
  Fixture f;
  std::vector<std::thread> threads;
  std::atomic<int> n_leases = 0;
  std::vector<ModelLease> leases(8);
  for (auto& lease : leases) {
    threads.emplace_back([&] {
      lease = f.manager->acquire("remote/a").value();
      ++n_leases;
    });
  }
  while (f.source->n_opened == 0) std::this_thread::yield();
  EXPECT_EQ(n_leases, 0);
  EXPECT_FALSE(f.manager->acquire_loaded("remote/a"));
  f.source->release();
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(f.source->n_opened, 1);
  EXPECT_EQ(f.source->n_alive, 1);
  EXPECT_TRUE(f.manager->acquire_loaded("remote/a"));
}

TEST(ModelManager, AModelInUseIsUnloadedWhenItsLastUserGoes) {
  Fixture f;
  f.source->release();
  std::optional<ModelLease> lease = f.manager->acquire("remote/a").value();
  ASSERT_TRUE(f.manager->unload("remote/a"));
  EXPECT_EQ(f.source->n_alive, 1);
  EXPECT_EQ((*lease)->backend().capabilities().context, 7);
  lease.reset();
  while (f.source->n_alive > 0) std::this_thread::yield();
  EXPECT_FALSE(f.manager->acquire_loaded("remote/a"));
  EXPECT_TRUE(f.manager->acquire("remote/a")) << "and comes back";
}

TEST(ModelManager, KeepAliveIsOfTheModelFromNowOn) {
  Fixture f(seconds(-1));
  f.source->release();
  f.manager->acquire("remote/a", seconds(0)).value();  // given back at once
  while (f.source->n_alive > 0) std::this_thread::yield();
}

TEST(ModelManager, AFailedLoadIsToldToAllAndTriedAgain) {
  Fixture f;
  f.source->release();
  for (int i = 1; i <= 2; ++i) {
    const auto refused = f.manager->acquire("remote/broken");
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().message, "no network");
    EXPECT_EQ(f.source->n_opened, i);
  }
}

TEST(ModelManager, UnknownNamesAreNotPathsAndGetASuggestion) {
  Fixture f;
  EXPECT_THAT(f.manager->acquire("remote/aa").error().message,
              HasSubstr("did you mean 'remote/a'"));
  EXPECT_EQ(f.manager->acquire("/etc/passwd").error().kind, ErrorKind::not_found);
  EXPECT_EQ(f.manager->acquire("").error().kind, ErrorKind::not_found);
  f.source->release();
  EXPECT_EQ(f.manager->acquire("remote/a:latest").value()->name(), "remote/a");
}

TEST(ModelManager, ListsWhatItKnows) {
  Fixture f;
  f.source->release();
  const auto lease = f.manager->acquire("remote/a").value();
  bool is_found = false;
  for (const ModelStatus& model : f.manager->list()) {
    if (model.name != "remote/a") continue;
    is_found = true;
    EXPECT_TRUE(model.loaded);
    EXPECT_EQ(model.provider, "remote");
    EXPECT_EQ(model.context, 7);
  }
  EXPECT_TRUE(is_found);
  EXPECT_FALSE(f.manager->add("x", f.home.path() + "/none.gguf"));
}

// As an agent: its backend asks the manager for the model that it runs on.
class AskingSource final : public BackendSource {
 public:
  explicit AskingSource(ModelManager& manager) : manager_(manager) {}
  std::vector<std::string> names() const override { return {"agent:a"}; }
  bool knows(const std::string& name) const override { return name == "agent:a"; }
  std::string provider(const std::string&) const override { return "agent"; }
  Result<std::unique_ptr<ChatBackend>> open(const std::string&) override {
    return std::unique_ptr<ChatBackend>(std::make_unique<Backend>(manager_));
  }

 private:
  struct Backend final : ChatBackend {
    explicit Backend(ModelManager& asked) : manager(asked) {}
    Result<std::unique_ptr<ChatStream>> start(ChatRequest) override {
      return fail(ErrorKind::unsupported, "none");
    }
    Result<int32_t> count_tokens(const ChatRequest&) override { return 0; }
    ChatCapabilities capabilities() const override {
      return (*manager.acquire_loaded("remote/a"))->backend().capabilities();
    }
    ModelManager& manager;
  };
  ModelManager& manager_;
};

TEST(ModelManager, AnAgentMayAskForItsModelWhileItIsListedAndIsNoDefault) {
  Fixture f;
  f.source->release();
  f.manager->add_source(std::make_shared<AskingSource>(*f.manager));
  EXPECT_NE(f.manager->default_model(), "agent:a");
  const auto model = f.manager->acquire("remote/a").value();
  const auto agent = f.manager->acquire("agent:a").value();
  for (const ModelStatus& status : f.manager->list()) {
    if (status.name == "agent:a") {
      EXPECT_EQ(status.context, 7);
    }
  }
}

TEST(ModelManager, ABudgetBeyondTheMachineIsRefused) {
  ModelManagerOptions options;
  options.memory_budget = uint64_t{1} << 60;
  EXPECT_FALSE(ModelManager::create(options));
}

}  // namespace
}  // namespace jiang
