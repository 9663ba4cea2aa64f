#include "agent/search.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "agent/tool.h"
#include "tests/support/loopback_server.h"

namespace jiang {
namespace {

using testing::HasSubstr;

constexpr const char* kKey = "a-secret-key";

// What each service answers, by its documentation; one result, and one without an address.
const std::pair<const char*, const char*> kAnswers[] = {
    {"searxng", R"({"results":[{"title":"T","url":"https://a.example/","content":"Q"},
                   {"title":"none","content":"x"}]})"},
    {"bing", R"({"webPages":{"value":[{"name":"T","url":"https://a.example/","snippet":"Q"}]}})"},
    {"brave",
     R"({"web":{"results":[{"title":"T","url":"https://a.example/","description":"Q"}]}})"},
    {"tavily", R"j({"results":[{"title":"T","url":"https://a.example/","content":"Q"},
                  {"title":"bad","url":"javascript:alert(1)","content":"x"}]})j"},
    {"bocha",
     R"({"code":200,"data":{"webPages":{"value":[{"name":"T","url":"https://a.example/","snippet":"Q"}]}}})"},
    {"zhipu", R"({"search_result":[{"title":"T","link":"https://a.example/","content":"Q"}]})"},
};

TEST(Search, EveryProviderReadsItsAnswer) {
  ASSERT_EQ(std::size(kAnswers), search_providers().size());
  for (const auto& [name, answer] : kAnswers) {
    const SearchProvider* provider = find_search_provider(name);
    ASSERT_TRUE(provider) << name;
    const auto results = provider->parse(Json::parse(answer));
    ASSERT_TRUE(results) << name << ": " << results.error().message;
    ASSERT_EQ(results->size(), 1u) << name;
    EXPECT_EQ((*results)[0].title, "T");
    EXPECT_EQ((*results)[0].url, "https://a.example/");
    EXPECT_EQ((*results)[0].quote, "Q");
    // Another shape is a failure, never "nothing found".
    for (const char* other :
         {"{}", "[]", R"({"results":3})", R"({"error":"captcha"})", R"({"results":["x"]})"}) {
      EXPECT_FALSE(provider->parse(Json::parse(other))) << name << other;
    }
  }
}

TEST(Search, RequestsCarryTheQueryAndTheKeyInAHeader) {
  for (const SearchProvider& provider : search_providers()) {
    const SearchConfig config = {provider.name, "https://s.example", kKey};
    const HttpRequestOptions request = provider.request(config, {.text = "C 指针 & x", .count = 5});
    EXPECT_TRUE(request.url.starts_with("https://s.example/")) << provider.name;
    EXPECT_EQ(request.url.find(kKey), std::string::npos) << "keys do not belong into URLs";
    EXPECT_THAT(
        request.url + request.body,
        testing::AnyOf(HasSubstr("C%20%E6%8C%87%E9%92%88%20%26%20x"), HasSubstr("\"C 指针 & x\"")));
    bool has_key = false;
    for (const auto& [name, value] : request.headers) {
      has_key = has_key || value.find(kKey) != std::string::npos;
    }
    EXPECT_TRUE(has_key) << provider.name;
  }
}

TEST(Search, ConfigurationIsCheckedByName) {
  EXPECT_TRUE(search_config(Json())->provider.empty());
  EXPECT_THAT(search_config({{"provider", "gogle"}}).error().message, HasSubstr("searxng"));
  EXPECT_THAT(search_config({{"provider", "searxng"}}).error().message, HasSubstr("address"));
  EXPECT_THAT(
      search_config({{"provider", "tavily"}, {"key_env", "JIANG_NO_SUCH_KEY"}}).error().message,
      HasSubstr("JIANG_NO_SUCH_KEY"));
  const auto own = search_config({{"provider", "searxng"}, {"url", "http://127.0.0.1:9/"}});
  ASSERT_TRUE(own);
  EXPECT_EQ(own->url, "http://127.0.0.1:9");
}

TEST(Search, AnswersAndFailuresComeThrough) {
  LoopbackServer server([](const std::string& request) -> LoopbackServer::Answer {
    if (request.find("limit") != std::string::npos) return {http_answer("429 No", "")};
    if (request.find("broken") != std::string::npos) return {http_answer("200 OK", "<html>")};
    if (request.find("nothing") != std::string::npos) {
      return {http_answer("200 OK", R"({"results":[]})")};
    }
    return {http_answer("200 OK", kAnswers[0].second)};
  });
  const SearchConfig config = {"searxng", server.url(""), ""};
  ToolContext context;
  context.search = &config;
  const Tool* tool = find_tool("web_search");
  const auto found = tool->run({{"query", "pointers"}}, context);
  ASSERT_TRUE(found) << found.error().message;
  EXPECT_THAT(found->text, HasSubstr("[1] T\nhttps://a.example/\nQ"));
  EXPECT_EQ(found->part["items"][0]["url"], "https://a.example/");
  EXPECT_THAT(tool->run({{"query", "nothing"}}, context)->text, HasSubstr("found nothing"));
  EXPECT_THAT(tool->run({{"query", "limit"}}, context).error().message, HasSubstr("429"));
  EXPECT_FALSE(tool->run({{"query", "broken"}}, context));
}

TEST(Search, WithoutAProviderTheModelIsTold) {
  ToolContext context;
  const auto output = find_tool("web_search")->run({{"query", "x"}}, context);
  ASSERT_FALSE(output);
  EXPECT_THAT(output.error().message, HasSubstr("no web search is set up"));
}

}  // namespace
}  // namespace jiang
