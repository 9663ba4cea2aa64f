#include "base/json_value.h"

#include <gtest/gtest.h>

namespace jiang {
namespace {

std::string error_of(std::string_view text, JsonLimits limits = {}) {
  auto result = parse_json(text, "x.json", limits);
  return result ? "" : result.error().message;
}

TEST(Json, KeepsTheOrderOfKeys) {
  EXPECT_EQ(to_string(*parse_json(R"({"b":1,"a":[true,null]})", "x")),
            R"({"b":1,"a":[true,null]})");
}

TEST(Json, RefusesWhatIsNotOneDocument) {
  for (const char* text : {"", "{", "[1,]", "{'a':1}", "1 2", "\xEF\xBB\xBF{} x", "[\"\xC3\x28\"]",
                           "nul", "\"\\ud800\""}) {
    EXPECT_NE(error_of(text), "") << text;
  }
}

TEST(Json, RefusesDepthSizeAndDuplicates) {
  EXPECT_NE(error_of(std::string(1'000'000, '[')).find("deeper than 128"), std::string::npos);
  EXPECT_EQ(error_of(std::string(100, '[') + std::string(100, ']')), "");
  EXPECT_NE(error_of("[1,2,3]", {.max_bytes = 3}).find("7 bytes"), std::string::npos);
  EXPECT_NE(error_of(R"({"a":1,"a":2})").find("\"a\" stands twice"), std::string::npos);
  EXPECT_EQ(error_of(R"({"a":1,"b":{"a":2}})"), "");
}

TEST(Json, RefusesNulsBehindTheDocument) {
  EXPECT_NE(error_of(std::string_view("{}\0", 3)).find("a NUL"), std::string::npos);
  EXPECT_NE(error_of(std::string_view("{\"a\0\":1}", 8)), "");
}

TEST(Json, BuildsEveryKindOfValue) {
  const char* text = R"({"a":[1,-2,2.5,"x\\n",{"b":[],"c":{}}],"d":null,"e":true,"f":[[[]]]})";
  EXPECT_EQ(to_string(*parse_json(text, "x")), text);
  EXPECT_EQ(to_string(*parse_json("\"s\"", "x")), "\"s\"");
  EXPECT_EQ(to_string(*parse_json(" 7 ", "x")), "7");
}

// Quadratic time would take minutes here.
TEST(Json, AQuarterMillionMembersAreReadInTheirOrder) {
  std::string text = "{";
  for (int i = 0; i < 250'000; ++i) text += fmt::format("{}\"k{}\":{}", i ? "," : "", i, i);
  const auto json = parse_json(text + "}", "x");
  ASSERT_TRUE(json);
  EXPECT_EQ(json->size(), 250'000u);
  EXPECT_EQ(std::prev(json->end()).key(), "k249999");
}

TEST(Json, TypedLookupsNameTheKeyAndWhatWasFound) {
  const Json json =
      *parse_json(R"({"n":4096.0,"s":"x","f":1.5,"big":18446744073709551615,"z":null})", "x");
  EXPECT_EQ(*get_int(json, "n", "c"), 4096);
  EXPECT_EQ(get_int(json, "s", "config.json").error().message,
            "config.json: \"s\" must be an integer, found string");
  EXPECT_EQ(get_int(json, "f", "c").error().message,
            "c: \"f\" must be an integer, found a fraction");
  EXPECT_FALSE(get_int(json, "big", "c"));
  EXPECT_EQ(get_int(json, "z", "c").error().message, "c: \"z\" is missing");
  EXPECT_EQ(*get_int_or(json, "z", 7, "c"), 7);
  EXPECT_FALSE(get_int_or(json, "s", 7, "c"));
}

}  // namespace
}  // namespace jiang
