#include "base/toml.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/json_value.h"

namespace jiang {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

TEST(Toml, KeepsOrderTypesAndLines) {
  const auto document = parse_toml(
      "# settings\nport = 8080\nhost = \"a\"\nlist = [1, 2.5, true]\n\n[server]\nzeta = 1\n"
      "alpha = \"\"\"\n\xE4\xBD\xA0\n\xE5\xA5\xBD\"\"\"\n",
      "x.toml");
  ASSERT_TRUE(document) << document.error().message;
  EXPECT_EQ(to_string(document->value),
            R"({"port":8080,"host":"a","list":[1,2.5,true],"server":{"zeta":1,"alpha":"你\n好"}})");
  EXPECT_EQ(document->line("/port"), 2);
  EXPECT_EQ(document->line("/list/1"), 4);
  EXPECT_EQ(document->line("/server/alpha"), 8);
  EXPECT_EQ(document->line("/server/missing"), 6);
  EXPECT_EQ(document->line("/missing"), 0);
}

TEST(Toml, ErrorsNameTheLine) {
  const struct {
    const char* text;
    const char* start;
    const char* part;
  } cases[] = {
      {"a = 1\nb = \n", "x.toml:2: ", ""},
      {"a = 1\na = 2\n", "x.toml:2: ", "a"},
      {"a = 1\n\nd = 1979-05-27\n", "x.toml:3: ", "quotes"},
      {"a = inf\n", "x.toml:1: ", "inf"},
      {"a = 1\nb = \"\xff\"\n", "x.toml:2: ", "UTF-8"},
  };
  for (const auto& c : cases) {
    const auto document = parse_toml(c.text, "x.toml");
    ASSERT_FALSE(document) << c.text;
    EXPECT_THAT(document.error().message, StartsWith(c.start));
    EXPECT_THAT(document.error().message, HasSubstr(c.part));
  }
}

TEST(Toml, DeepNestingIsAnErrorNotACrash) {
  EXPECT_FALSE(parse_toml("a = " + std::string(100000, '['), "x.toml"));
  EXPECT_FALSE(parse_toml("a = " + std::string(1000, '[') + std::string(1000, ']'), "x.toml"));
}

TEST(Toml, WhatIsWrittenIsReadBack) {
  const Json value = {{"text", "a \"b\" \\ \t \x01 \x7f"},
                      {"lines", "\none\r\n\"\"\"\n\\two\n"},
                      {"list", {"x", 1, 2.5, 3.0, -1e300, true}},
                      {"table", {{"a b", 1}, {"c", "line\nbreak"}, {"empty", Json::object()}}},
                      {"\xE5\x90\x8D", "\xF0\x9F\x99\x82"}};
  std::string text;
  for (const auto& [key, member] : value.items()) {
    text += quote_toml(key) + " = " + to_toml_value(member) + "\n";
  }
  const auto document = parse_toml(text, "x.toml");
  ASSERT_TRUE(document) << document.error().message << "\n" << text;
  EXPECT_EQ(document->value, value);
}

}  // namespace
}  // namespace jiang
