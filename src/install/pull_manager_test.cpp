#include "install/pull_manager.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/http_client.h"
#include "tests/support/loopback_server.h"
#include "tests/support/temp_folder.h"

namespace jiang {
namespace {

// A hub that lists one file and never sends it.
class PullManagerTest : public testing::Test {
 protected:
  PullManagerTest()
      : server_([](const std::string& request) -> LoopbackServer::Answer {
          if (request.find("/repo/files") != std::string::npos) {
            return {http_answer(
                "200 OK",
                R"({"Data":{"Files":[{"Path":"m.gguf","Type":"blob","Size":100,"Sha256":")" +
                    std::string(64, 'a') + R"(","Revision":"r"}]}})")};
          }
          return {"", true};
        }) {
    ::setenv("no_proxy", "*", 1);
    HubSettings settings;
    settings.modelscope = server_.url("");
    settings.first = Hub::modelscope;
    PullManager::Options options;
    options.on_change = [this](const std::string&) {
      const std::lock_guard lock(mutex_);
      changed_.notify_all();
    };
    manager_ = std::make_unique<PullManager>(*HttpClient::create(), settings, Store(folder_.path()),
                                             Catalogue(), options);
  }

  template <class Condition>
  void wait_until(Condition condition) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, condition);
  }

  LoopbackServer server_;
  TempFolder folder_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::unique_ptr<PullManager> manager_;
};

TEST_F(PullManagerTest, OneDownloadServesAllWhoAskAndEndsWithTheLast) {
  const std::string first = *manager_->start("ms:o/m", PullManager::Interest::waiting);
  const std::string second = *manager_->start("ms:o/m", PullManager::Interest::waiting);
  EXPECT_EQ(first, second);
  EXPECT_FALSE(manager_->start("not a name", PullManager::Interest::waiting));
  manager_->leave(first);
  EXPECT_EQ(manager_->status(first)->state, PullManager::State::running);
  manager_->leave(second);
  wait_until([&] { return manager_->status(first)->state == PullManager::State::failed; });
  EXPECT_EQ(manager_->status(first)->error->kind, ErrorKind::cancelled);
  // Asked for again, it begins again.
  EXPECT_NE(*manager_->start("ms:o/m", PullManager::Interest::background), first);
}

TEST_F(PullManagerTest, EventsAreNumberedAndAPullCanBeCancelled) {
  const std::string id = *manager_->start("ms:o/m", PullManager::Interest::background);
  wait_until([&] { return manager_->events(id, 0).size() >= 3; });
  const auto events = manager_->events(id, 0);
  EXPECT_EQ(events[0].second.phase, PullEvent::Phase::listing);
  EXPECT_EQ(events[1].second.phase, PullEvent::Phase::planned);
  EXPECT_EQ(events[1].second.all_total, 100u);
  EXPECT_LT(events[0].first, events[1].first);
  EXPECT_TRUE(manager_->events(id, 1u << 30).empty());
  EXPECT_TRUE(manager_->cancel(id));
  wait_until([&] { return manager_->status(id)->state == PullManager::State::failed; });
  EXPECT_FALSE(manager_->cancel(id));
  EXPECT_EQ(manager_->list().size(), 1u);
}

}  // namespace
}  // namespace jiang
