#include "server/rate_limit.h"

#include <gtest/gtest.h>

#include "server/test_server.h"

namespace jiang {
namespace {

using std::chrono::seconds;

struct Limited {
  RateLimit::Clock::time_point now = {};
  RateLimit limit;
  explicit Limited(int per_minute) : limit(per_minute, [this] { return now; }) {}
};

TEST(RateLimit, GivesAMinutesWorthAtOnceAndThenAsTheyComeBack) {
  Limited l(6);
  for (int i = 0; i < 6; ++i) EXPECT_EQ(l.limit.take("a"), 0) << i;
  EXPECT_EQ(l.limit.take("a"), 10);
  EXPECT_EQ(l.limit.wait("a"), 10);
  EXPECT_EQ(l.limit.take("b"), 0) << "another account";
  l.now += seconds(9);
  EXPECT_EQ(l.limit.wait("a"), 1);
  l.now += seconds(1);
  EXPECT_EQ(l.limit.take("a"), 0);
  EXPECT_EQ(l.limit.take("a"), 10);
  l.now += seconds(3600);
  for (int i = 0; i < 6; ++i) EXPECT_EQ(l.limit.take("a"), 0) << "never more than a minute's";
  EXPECT_NE(l.limit.take("a"), 0);
}

TEST(RateLimit, ZeroIsNoLimit) {
  Limited l(0);
  for (int i = 0; i < 1000; ++i) ASSERT_EQ(l.limit.take("a"), 0);
}

TEST(RateLimit, AFloodOfAddressesForgetsTheFullestBucket) {
  Limited l(2);
  l.limit.take("heavy");
  l.limit.take("heavy");
  for (size_t i = 0; i < 2 * RateLimit::kMaxBuckets; ++i) l.limit.take(std::to_string(i));
  EXPECT_NE(l.limit.take("heavy"), 0);
}

TEST(RateLimit, WrongKeysOfAnAddressAreNotTriedForEver) {
  TestServer s;
  s.authenticator.keys = true;
  s.options.gate.wrong_keys_per_minute = 3;
  s.start();
  const auto status = [&](const char* key) {
    return s.get("/v1/models", std::string("authorization: Bearer ") + key + "\r\n").status;
  };
  for (int i = 0; i < 3; ++i) EXPECT_EQ(status("bad"), 401);
  const TestAnswer refused = s.get("/v1/models", "authorization: Bearer bad\r\n");
  EXPECT_EQ(refused.status, 429);
  EXPECT_TRUE(refused.has("retry-after: 20"));
  EXPECT_EQ(status("user-key"), 429) << "or guessing would go on beside it";
}

TEST(RateLimit, RequestsOfAnAccountAreLimitedAndReadingIsNot) {
  TestServer s;
  s.options.gate.requests_per_minute = 2;
  s.start();
  const Json body = {{"content", "abc"}};
  EXPECT_EQ(s.post("/tokenize", body).status, 200);
  EXPECT_EQ(s.post("/tokenize", body).status, 200);
  const TestAnswer refused = s.post("/tokenize", body);
  EXPECT_EQ(refused.status, 429);
  EXPECT_TRUE(refused.has("retry-after: 30"));
  EXPECT_EQ(json_of(refused)["error"]["code"], "rate_limit_exceeded");
  EXPECT_EQ(s.get("/v1/models").status, 200);
}

}  // namespace
}  // namespace jiang
