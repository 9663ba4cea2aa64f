#include "text/regex.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace jiang {
namespace {

std::vector<std::string> matches(std::string_view pattern, std::string_view text) {
  const Regex regex = Regex::compile(pattern, "test").value();
  Regex::Session session(regex);
  std::vector<std::string> found;
  EXPECT_TRUE(session.for_each_match(text, [&](size_t begin, size_t end) {
    found.emplace_back(text.substr(begin, end - begin));
  }));
  return found;
}

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

TEST(Regex, FindsMatchesFromLeftToRight) {
  EXPECT_THAT(matches("[a-z]+|[0-9]", "ab12 c"), ElementsAre("ab", "1", "2", "c"));
}

TEST(Regex, SpaceIsWhiteSpaceOfUnicode) {
  EXPECT_THAT(matches(R"(\s+)", "a\xC2\xA0\xE3\x80\x80z"), ElementsAre("\xC2\xA0\xE3\x80\x80"));
  // U+180E left White_Space in Unicode 6.3, but PCRE2 keeps it in \s.
  EXPECT_THAT(matches(R"(\s+)", "a\xE1\xA0\x8Ez"), IsEmpty());
  EXPECT_THAT(matches(R"([^\S\n]+)", "a \n\tb"), ElementsAre(" ", "\t"));
}

TEST(Regex, ScriptNamesMeanTheScriptAndNotItsExtensions) {
  // U+3001, the ideographic comma, has Han among its extensions; its script is Common.
  EXPECT_THAT(matches(R"(\p{Han}+)", "\xE4\xB8\xAD\xE3\x80\x81"), ElementsAre("\xE4\xB8\xAD"));
  EXPECT_THAT(matches(R"([\p{Han}a]+)",
                      "\xE4\xB8\xAD"
                      "a\xE3\x80\x81"),
              ElementsAre("\xE4\xB8\xAD"
                          "a"));
}

TEST(Regex, WordCharactersIncludeMarks) {
  EXPECT_THAT(matches(R"(\w+)", "e\xCC\x81x-y"), ElementsAre("e\xCC\x81x", "y"));
  EXPECT_THAT(matches(R"(a\b)", "a\xCC\x81 a"), ElementsAre("a"));
}

TEST(Regex, ClassesInsideClassesAreTheirUnion) {
  EXPECT_THAT(matches(R"( ?[^(\s|[.,!?])]+)", "ab, (c|d"), ElementsAre("ab", "c", "d"));
}

TEST(Regex, EmptyMatchesAdvanceByCharacters) {
  EXPECT_EQ(matches("x*",
                    "\xE4\xB8\xAD"
                    "b")
                .size(),
            3u);
}

TEST(Regex, CaretAndDollarMatchAtEveryLine) {
  EXPECT_THAT(matches(R"(^a$)", "a\nb\na"), ElementsAre("a", "a"));
}

TEST(Regex, WhatPcre2WouldReadDifferentlyIsAnError) {
  for (const char* pattern :
       {"[a&&b]", "[a[^b]]", "\\p{N}{1,3}+", "(?m)a.b", "\\Ka", "[a", "a\\", "\\u12"}) {
    const auto regex = Regex::compile(pattern, "tokenizer.json");
    ASSERT_FALSE(regex) << pattern;
    EXPECT_THAT(regex.error().message, HasSubstr("tokenizer.json"));
  }
}

TEST(Regex, DamagedPatternsAreErrorsWithAReason) {
  for (const char* pattern : {"(", "a{2,1}", "\\p{NoSuchThing}", "(?<=a*)b", "\xFF"}) {
    EXPECT_FALSE(Regex::compile(pattern, "test")) << pattern;
  }
  EXPECT_FALSE(Regex::compile(std::string(200'000, 'a'), "test"));
  EXPECT_FALSE(Regex::compile(std::string(5000, '(') + std::string(5000, ')'), "test"));
}

TEST(Regex, CatastrophicPatternsStopAtTheLimit) {
  const Regex regex = Regex::compile("(a+)+$", "test").value();
  Regex::Session session(regex);
  const std::string text = std::string(200, 'a') + "b";
  EXPECT_FALSE(session.for_each_match(text, [](size_t, size_t) {}));
}

TEST(Regex, LongRunsNeedNoStack) {
  const std::string text(1'000'000, 'a');
  EXPECT_EQ(matches("a+", text).size(), 1u);
  EXPECT_EQ(matches("(?:a{3})*a", text).size(), 1u);
}

}  // namespace
}  // namespace jiang
