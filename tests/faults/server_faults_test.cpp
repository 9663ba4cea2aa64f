// The n-th allocation of a request fails, for every n: the request fails or is answered, nothing
// hangs, and the next one is answered as ever.
#include <gtest/gtest.h>

#include "server/test_server.h"
#include "tests/faults/faults.h"

namespace jiang {
namespace {

// What fails where depends on which thread comes first: so each is tried in several rounds.
constexpr int kRounds = 10;

Json body_of(bool stream) {
  return {{"model", "fake"}, {"messages", user_says("hi")}, {"temperature", 0}, {"stream", stream}};
}

void every_allocation_may_fail(const char* path, const Json& body) {
  const Spared spared;
  TestServer s;
  s.start();
  s.script("hello", user_says("hi"));
  const TestAnswer sound = s.post(path, body);
  ASSERT_EQ(sound.status, 200);
  int64_t n_failed = 0, n_answered = 0;
  for (int round = 0; round < kRounds; ++round) {
    for (int64_t n = 1;; ++n) {
      fail_the(n, Fault::allocation);
      const auto begin = std::chrono::steady_clock::now();
      const TestAnswer answer = s.post(path, body);
      if (!end_of_faults()) break;
      ++n_failed;
      EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(10))
          << "nobody was told that allocation " << n << " failed";
      EXPECT_TRUE(answer.status == 0 || answer.status == 200 || answer.status >= 500)
          << "allocation " << n << ": " << answer.status << answer.body;
      n_answered += answer.status > 0;
      const TestAnswer next = s.post(path, body);
      ASSERT_EQ(next.status, 200) << "after allocation " << n << " failed";
      ASSERT_EQ(events_of(next.body).size(), events_of(sound.body).size()) << n;
    }
  }
  EXPECT_GT(n_failed, 10 * kRounds);
  // Where there is a connection to answer on, there mostly is an answer.
  EXPECT_GT(n_answered, n_failed / 4);
  s.wait_for([&] { return s.server->context().metrics.active == 0; });
  EXPECT_EQ(s.server->context().metrics.active, 0) << "none is counted for ever";
}

TEST(AllocationFaults, OfAnAnswerInOnePiece) {
  every_allocation_may_fail("/v1/chat/completions", body_of(false));
}

TEST(AllocationFaults, OfAStream) {
  every_allocation_may_fail("/v1/chat/completions", body_of(true));
}

TEST(AllocationFaults, OfAnErrorsAnswer) {
  const Spared spared;
  TestServer s;
  s.start();
  for (int64_t n = 1;; ++n) {
    fail_the(n, Fault::allocation);
    s.post("/v1/chat/completions", {{"model", "no such model"}, {"messages", 1}});
    if (!end_of_faults()) break;
    ASSERT_EQ(s.get("/health").status, 200) << n;
  }
}

// What starts threads says that it cannot, and leaves nothing behind.
TEST(ThreadFaults, AServerThatCannotStartSaysSo) {
  int64_t n = 1;
  for (;; ++n) {
    FakeAuthenticator authenticator;
    FakeManager models({.max_sequences = 4});
    ServerOptions options;
    options.http.port = 0;
    fail_the(n, Fault::thread);
    auto server = Server::start(options, models, authenticator, {});
    const bool has_failed = end_of_faults();
    EXPECT_EQ(server.has_value(), !has_failed) << n;
    if (!has_failed) break;
    EXPECT_NE(server.error().message.find("thread"), std::string::npos) << server.error().message;
  }
  EXPECT_GT(n, 2) << "the server starts threads";
}

TEST(ThreadFaults, AnEngineThatCannotStartSaysSo) {
  ThreadPool pool(1);
  fail_the(1, Fault::thread);
  const auto engine = Engine::create(std::make_shared<FakeModel>(262), pool, {});
  EXPECT_TRUE(end_of_faults());
  ASSERT_FALSE(engine.has_value());
  EXPECT_NE(engine.error().message.find("thread"), std::string::npos);
}

TEST(ThreadFaults, APoolComputesWithTheThreadsThatItGot) {
  for (int64_t n = 1; n <= 3; ++n) {
    fail_the(n, Fault::thread);
    ThreadPool pool(4);
    EXPECT_TRUE(end_of_faults());
    EXPECT_EQ(pool.size(), n) << "the caller, and those before the one that failed";
    std::atomic<int> ran = 0;
    pool.run([&](int) { ++ran; });
    EXPECT_EQ(ran, n);
  }
}

}  // namespace
}  // namespace jiang
