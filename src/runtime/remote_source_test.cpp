#include "runtime/remote_source.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace jiang {
namespace {

TEST(RemoteSource, OffersWhatTheConfigurationNames) {
  const Json remote = {
      {"own", {{"provider", "openai"}, {"url", "http://127.0.0.1:1"}, {"models", {"a", "b"}}}},
      {"zhipu", {{"models", {"glm"}}, {"key_env", "JIANG_NO_SUCH_KEY"}}}};
  const auto source = *RemoteSource::create(remote);
  EXPECT_THAT(source->names(), testing::UnorderedElementsAre("own/a", "own/b", "zhipu/glm"));
  EXPECT_TRUE(source->knows("own/b"));
  EXPECT_FALSE(source->knows("own/c"));
  EXPECT_EQ(source->provider("own/a"), "openai");
  EXPECT_TRUE(source->open("own/a"));
  EXPECT_THAT(source->open("zhipu/glm").error().message, testing::HasSubstr("JIANG_NO_SUCH_KEY"));
  EXPECT_TRUE((*RemoteSource::create(Json()))->names().empty());
}

TEST(RemoteSource, MistakesAreNamed) {
  const std::pair<Json, const char*> cases[] = {
      {{{"x", {{"models", {"a"}}}}}, "x"},
      {{{"openai", {{"modles", {"a"}}}}}, "did you mean models?"},
      {{{"openai", Json::object()}}, "[remote.openai] models"},
      {{{"openai", {{"models", {1}}}}}, "must be names"},
      {{{"openai", {{"models", {"a"}}, {"context", 0}}}}, "context"},
      {Json::array({1}), "[remote.NAME]"},
  };
  for (const auto& [remote, says] : cases) {
    const auto source = RemoteSource::create(remote);
    ASSERT_FALSE(source) << to_string(remote);
    EXPECT_THAT(source.error().message, testing::HasSubstr(says));
  }
}

}  // namespace
}  // namespace jiang
