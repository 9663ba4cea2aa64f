#include "text/json_schema.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/grammar_text.h"

namespace jiang {
namespace {

using testing::HasSubstr;

Json json(std::string_view text) {
  auto value = parse_json(text, "test");
  EXPECT_TRUE(value) << text << ": " << value.error().message;
  return value ? *value : Json();
}

std::string schema_error(std::string_view schema) {
  const auto compiled = compile_schema(json(schema));
  return compiled ? "" : compiled.error().message;
}

// Random texts of the grammar parse, and the plain validator accepts them.
void expect_sound(std::string_view schema_text, int n = 30) {
  const Json schema = json(schema_text);
  const auto compiled = compile_schema(schema);
  ASSERT_TRUE(compiled) << schema_text << ": " << compiled.error().message;
  ASSERT_LT((*compiled)->costs.of((*compiled)->grammar.root), GrammarCosts::kImpossible);
  std::mt19937_64 random(7);
  for (int i = 0; i < n; ++i) {
    const RandomText made = random_text(*compiled, random, 200);
    ASSERT_FALSE(made.got_stuck) << schema_text << "\n" << made.text;
    ASSERT_TRUE(made.has_ended) << schema_text << "\n" << made.text;
    const auto value = parse_json(made.text, "made");
    ASSERT_TRUE(value) << schema_text << "\n" << made.text << "\n" << value.error().message;
    const Status valid = validate_json(schema, *value);
    ASSERT_TRUE(valid) << schema_text << "\n" << made.text << "\n" << valid.error().message;
  }
}

void expect_accepts(std::string_view schema, std::vector<std::string_view> good,
                    std::vector<std::string_view> bad) {
  const auto compiled = compile_schema(json(schema));
  ASSERT_TRUE(compiled) << schema << ": " << compiled.error().message;
  for (const auto text : good) EXPECT_TRUE(accepts(**compiled, text)) << schema << "\n" << text;
  for (const auto text : bad) EXPECT_FALSE(accepts(**compiled, text)) << schema << "\n" << text;
}

TEST(JsonSchema, ObjectsKeepTheOrderAndMayLeaveOutWhatIsOptional) {
  const char* schema = R"({"type": "object", "properties": {"a": {"type": "integer"},
      "b": {"type": "string"}, "c": {"type": "boolean"}}, "required": ["b"]})";
  expect_accepts(schema,
                 {R"({"b":""})", R"({"a": 1, "b": "x"})", R"({"b":"x","c":true})",
                  "{\n  \"a\": 1,\n  \"b\": \"x\",\n  \"c\": false\n}"},
                 {R"({})", R"({"a":1})", R"({"b":"","a":1})", R"({"b":"",})", R"({,"b":""})",
                  R"({"b":"","d":1})", R"({"b":""}x)", R"({"b":"")", R"( {"b":""})"});
  expect_sound(schema);
}

TEST(JsonSchema, OtherMembersComeOnceAndOnlyWhereTheyMay) {
  const char* schema = R"({"type": "object", "properties": {"ab": {"type": "null"}},
      "additionalProperties": {"type": "integer"}})";
  expect_accepts(schema,
                 {R"({})", R"({"ab":null})", R"({"a":1})", R"({"ab":null,"abc":1,"a":2,"":3})",
                  R"({"a\"b":1,"a\\b":2,"a\nb":3})"},
                 {R"({"ab":1})", R"({"a":1,"a":2})", R"({"":1,"":2})", R"({"x":null})",
                  R"({"a\nb":1,"c":2,"a\nb":3})", R"({"\u0061b":1})"});
  expect_sound(schema, 60);
  expect_sound(R"({"type": "object"})");
  expect_sound(R"({"type": "object", "additionalProperties": {"type": "boolean"},
                   "minProperties": 3, "maxProperties": 4})");
}

TEST(JsonSchema, AnyValue) {
  expect_accepts("true",
                 {"null", "true", "0", "-1.5e3", "\"\"", "[]", "[1, [2, {}], \"x\"]",
                  R"({"a": {"b": [null]}})"},
                 {"", "nul", "01", "[1,]", "{\"a\"}", "+1", ".5", "'x'", "[1 2]", "NaN"});
  expect_sound("true");
  expect_sound("{}");
}

TEST(JsonSchema, Strings) {
  const char* schema = R"({"type": "string", "minLength": 1, "maxLength": 3})";
  expect_accepts(
      schema,
      {R"("a")", "\"\xE4\xBD\xA0\xE5\xA5\xBD\xF0\x9F\x98\x80\"", R"("\ud83d\ude00\n\u00e9")"},
      {R"("")", R"("abcd")", "\"\x01\"", "\"\xFF\"", "\"\xC0\x80\"", R"("\ud83d")", R"("\ude00")",
       R"("\x")", R"("\ud83dx")", "\"\xED\xA0\x80\"", "\"\n\""});
  expect_sound(schema);
  expect_sound(R"({"type": "string"})");
  expect_sound(R"({"type": "string", "minLength": 40})");
  expect_accepts(R"({"type": "string", "maxLength": 1000000000})", {R"("abc")"}, {"1"});
}

TEST(JsonSchema, Patterns) {
  expect_accepts(R"({"type": "string", "pattern": "^[a-z]{2,3}(-[A-Z]+)?$"})",
                 {R"("ab")", R"("abc-XY")"}, {R"("a")", R"("abcd")", R"("ab-")"});
  expect_accepts(R"({"type": "string", "pattern": "b+"})", {R"("b")", R"("abba")"}, {R"("ac")"});
  expect_accepts(R"({"type": "string", "pattern": "^\\d{3}\"\\\\$"})", {R"("123\"\\")"},
                 {R"("123")"});
  expect_accepts(R"({"type": "string", "pattern": "^.$", "maxLength": 1})",
                 {"\"\xF0\x9F\x98\x80\"", "\"\xC3\xA9\""}, {R"("")", R"("ab")", R"("\n")"});
  expect_accepts(R"({"type": "string", "pattern": "a$|^b"})", {R"("xa")", R"("bx")"}, {R"("ax")"});
  for (const char* pattern :
       {"^a*$", "^(foo|bar)[^a-y]$", "x", "^[\\\\s\\\\S]{5}$", "^\\\\w+@\\\\w+\\\\.com$",
        "^[\xE4\xB8\x80-\xE9\xBE\xA5]{2,4}$", "(a|b)*c?$", "^\\\\u00e9\\\\x41$"}) {
    expect_sound(fmt::format(R"({{"type": "string", "pattern": "{}"}})", pattern));
  }
  expect_sound(R"({"type": "string", "pattern": "^[a-c]+$", "minLength": 3, "maxLength": 5})");
}

TEST(JsonSchema, BadPatternsAreRefusedWithTheirPath) {
  const auto error = [](std::string_view pattern) {
    return schema_error(fmt::format(
        R"({{"properties": {{"x": {{"type": "string", "pattern": {}}}}}}})", json_quoted(pattern)));
  };
  for (const auto& [pattern, message] : std::vector<std::pair<std::string, std::string>>{
           {"(?=a)b", "look-around"},
           {"(a)\\1", "backreference"},
           {"\\bfoo", "word boundary"},
           {"(", "unmatched '('"},
           {")", "unmatched ')'"},
           {"[a", "unmatched '['"},
           {"*a", "nothing before"},
           {"^+[a-z]$", "repeats an anchor"},
           {"a{3,2}", "out of order"},
           {"[z-a]", "out of order"},
           {"(a{1000}){1000}", "larger than"},
           {"(a|b)*a(a|b){20}", "more than"},
           {std::string(200, '(') + std::string(200, ')'), "deeper"}}) {
    EXPECT_THAT(error(pattern), HasSubstr("schema/properties/x/pattern")) << pattern;
    EXPECT_THAT(error(pattern), HasSubstr(message)) << pattern;
  }
  // Fast, whatever the pattern.
  EXPECT_EQ(error("(a+)+$"), "");
}

TEST(JsonSchema, Formats) {
  expect_accepts(R"({"type": "string", "format": "date"})",
                 {R"("2024-02-29")", R"("2023-12-31")", R"("2000-02-29")"},
                 {R"("2023-02-29")", R"("1900-02-29")", R"("2024-13-01")", R"("2024-04-31")"});
  expect_accepts(R"({"type": "string", "format": "date-time"})",
                 {R"("2024-01-01T00:00:00Z")", R"("2024-01-01T23:59:59.5+08:00")"},
                 {R"("2024-01-01")", R"("2024-01-01T24:00:00Z")"});
  expect_accepts(R"({"type": "string", "format": "ipv6"})",
                 {R"("::1")", R"("fe80::1:2")", R"("1:2:3:4:5:6:7:8")"},
                 {R"("1:2")", R"("1::2::3")"});
  for (const char* format : {"date", "time", "date-time", "duration", "uuid", "email", "ipv4",
                             "ipv6", "hostname", "uri", "uri-reference", "json-pointer"})
    expect_sound(fmt::format(R"({{"type": "string", "format": "{}"}})", format), 10);
  EXPECT_THAT(schema_error(R"({"format": "iri"})"), HasSubstr("\"iri\""));
}

TEST(JsonSchema, NumbersInRanges) {
  expect_accepts(
      R"({"type": "integer", "minimum": -9007199254740991, "maximum": 9007199254740991})",
      {"0", "9007199254740991", "-9007199254740991", "42"},
      {"9007199254740992", "-9007199254740992", "-0", "1.0", "1e3", "01"});
  expect_accepts(R"({"type": "integer", "minimum": 1, "maximum": 120})",
                 {"1", "9", "10", "99", "120"}, {"0", "121", "-1", "1000"});
  expect_accepts(R"({"type": "integer", "exclusiveMinimum": -3, "exclusiveMaximum": 3})",
                 {"-2", "0", "2"}, {"-3", "3"});
  expect_accepts(R"({"type": "integer", "minimum": 1.5})", {"2", "30"}, {"1", "-2"});
  expect_accepts(R"({"type": "number", "minimum": 0, "maximum": 1})", {"0", "1", "0.5", "1.0"},
                 {"1.01", "-0.1", "2"});
  expect_accepts(R"({"type": "number", "exclusiveMinimum": 0.25, "maximum": 10.5})",
                 {"0.251", "3", "10.5", "10.49", "10"}, {"0.25", "0.250", "10.51", "11", "0.2"});
  expect_accepts(R"({"type": "number", "maximum": -1.5})", {"-1.5", "-2", "-1.51"},
                 {"-1.4", "0", "1"});
  expect_accepts(R"({"type": "integer", "multipleOf": 7})", {"0", "7", "-14", "700"}, {"8", "1"});
  expect_accepts(R"({"type": "number", "multipleOf": 0.01})", {"1.25", "3", "0.1"}, {"0.001"});
  expect_accepts(R"({"type": "number", "multipleOf": 2.5})", {"5", "7.5", "-2.5"}, {"1", "0.5"});
  for (const char* schema :
       {R"({"type": "integer"})", R"({"type": "number"})",
        R"({"type": "integer", "minimum": 17, "maximum": 4711})",
        R"({"type": "integer", "minimum": -105, "exclusiveMaximum": -7})",
        R"({"type": "integer", "minimum": 9007199254740990})",
        R"({"type": "number", "minimum": -1.25, "exclusiveMaximum": 3.75})",
        R"({"type": "number", "exclusiveMinimum": 0})", R"({"type": "number", "maximum": 1e3})",
        R"({"type": "number", "minimum": 0.001, "maximum": 0.002})",
        R"({"type": "integer", "multipleOf": 12, "minimum": 100, "maximum": 200})",
        R"({"type": "number", "multipleOf": 0.05, "maximum": 2, "minimum": 1})"})
    expect_sound(schema, 60);
  EXPECT_THAT(schema_error(R"({"type": "integer", "multipleOf": 1001})"), HasSubstr("multipleOf"));
  EXPECT_THAT(schema_error(R"({"type": "number", "exclusiveMinimum": 0.1234567890123456789})"),
              HasSubstr("exclusiveMinimum"));
}

TEST(JsonSchema, EnumsAndConstants) {
  expect_accepts(
      R"({"enum": ["red", 1, null, true, [1, {"a": "x"}], "\"\n"]})",
      {R"("red")", "1", "null", "true", R"([1, {"a": "x"}])", R"([1,{"a":"x"}])", R"("\"\n")"},
      {R"("blue")", "2", "false", "[]", R"([1,{"a":"y"}])"});
  expect_accepts(R"({"type": "string", "enum": ["a", 1, "bcd"], "maxLength": 2})", {R"("a")"},
                 {"1", R"("bcd")"});
  expect_accepts(R"({"const": {"k": [true]}})", {R"({"k": [true]})"}, {R"({"k": [false]})", "{}"});
  Json many = Json::array();
  for (int i = 0; i < 3000; ++i) many.push_back("value-" + std::to_string(i));
  const auto compiled = compile_schema({{"enum", many}});
  ASSERT_TRUE(compiled) << compiled.error().message;
  EXPECT_TRUE(accepts(**compiled, "\"value-2999\""));
  EXPECT_FALSE(accepts(**compiled, "\"value-3000\""));
  for (int i = 0; i < 20000; ++i) many.push_back("another value " + std::to_string(i));
  EXPECT_THAT(compile_schema({{"enum", many}}).error().message, HasSubstr("schema/enum"));
}

TEST(JsonSchema, Arrays) {
  expect_accepts(R"({"type": "array", "items": {"type": "integer"}, "minItems": 1, "maxItems": 3})",
                 {"[1]", "[1,2,3]", "[\n  1,\n  2\n]"},
                 {"[]", "[1,2,3,4]", "[\"a\"]", "[1,]", "[ ]"});
  expect_accepts(R"({"prefixItems": [{"type": "string"}, {"type": "integer"}], "type": "array",
                     "items": {"type": "null"}})",
                 {"[]", R"(["a"])", R"(["a",1])", R"(["a",1,null,null])"},
                 {"[1]", R"(["a",null])"});
  expect_accepts(R"({"type": "array", "prefixItems": [{"type": "integer"}], "minItems": 1})",
                 {"[1]"}, {"[]", "[1,2]"});
  expect_accepts(R"({"type": "array", "items": false})", {"[]"}, {"[1]"});
  expect_sound(
      R"({"type": "array", "items": {"type": "array", "items": {"type": "string"}}, "minItems": 2})");
  expect_sound(
      R"({"type": "array", "items": {"type": "integer"}, "minItems": 30, "maxItems": 30})");
}

TEST(JsonSchema, AnyOfOneOfAllOf) {
  expect_accepts(
      R"({"anyOf": [{"type": "object", "properties": {"kind": {"const": "a"}, "x": {"type": "integer"}},
                                "required": ["kind", "x"]},
                               {"type": "object", "properties": {"kind": {"const": "b"}}, "required": ["kind"]},
                               {"type": "null"}]})",
      {R"({"kind":"a","x":1})", R"({"kind":"b"})", "null"},
      {R"({"kind":"a"})", R"({"kind":"b","x":1})", "1"});
  expect_accepts(R"({"oneOf": [{"type": "integer"}, {"type": "string"}]})", {"1", R"("a")"},
                 {"null"});
  expect_accepts(
      R"({"oneOf": [{"type": "object", "properties": {"t": {"const": 1}}, "required": ["t"]},
                               {"type": "object", "properties": {"t": {"enum": [2, 3]}}, "required": ["t"]}]})",
      {R"({"t":1})", R"({"t":3})"}, {R"({"t":4})"});
  EXPECT_THAT(schema_error(R"({"oneOf": [{"type": "integer"}, {"type": "number"}]})"),
              HasSubstr("schema/oneOf"));
  expect_accepts(
      R"({"allOf": [{"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]},
                               {"properties": {"a": {"minimum": 5}, "b": {"type": "string"}}, "required": ["b"]}]})",
      {R"({"a":5,"b":""})"}, {R"({"a":4,"b":""})", R"({"a":5})"});
  expect_accepts(R"({"type": ["string", "null"], "maxLength": 1})", {"null", R"("a")"},
                 {R"("ab")", "1"});
  expect_accepts(
      R"({"allOf": [{"anyOf": [{"type": "string"}, {"type": "integer"}]}, {"maxLength": 2, "minimum": 3}]})",
      {R"("ab")", "3"}, {R"("abc")", "2", "null"});
  expect_accepts(
      R"({"properties": {"a": {"type": "integer"}}, "additionalProperties": false, "type": "object",
                     "allOf": [{"properties": {"b": {"type": "integer"}}}]})",
      {R"({"a":1})", "{}"}, {R"({"b":1})"});
}

TEST(JsonSchema, ReferencesMayRecur) {
  const char* tree = R"({"$ref": "#/$defs/node", "$defs": {"node": {"type": "object",
      "properties": {"v": {"type": "integer"}, "kids": {"type": "array", "items": {"$ref": "#/$defs/node"}}},
      "required": ["v"]}}})";
  expect_accepts(tree, {R"({"v":1})", R"({"v":1,"kids":[{"v":2,"kids":[]},{"v":3}]})"},
                 {R"({"v":1,"kids":[{}]})"});
  expect_sound(tree);
  expect_sound(
      R"({"definitions": {"list": {"anyOf": [{"type": "null"}, {"type": "object", "properties":
      {"next": {"$ref": "#/definitions/list"}}, "required": ["next"]}]}}, "$ref": "#/definitions/list"})");
  expect_accepts(
      R"({"properties": {"a/b%c~d": {"type": "integer"}, "x": {"$ref": "#/properties/a~1b%25c~0d"}}, "type": "object"})",
      {R"({"x":1})"}, {R"({"x":""})"});
  EXPECT_THAT(schema_error(R"({"$ref": "#/nowhere"})"), HasSubstr("nowhere"));
  EXPECT_THAT(schema_error(R"({"$ref": "http://example.com/s"})"),
              HasSubstr("only references within"));
  EXPECT_THAT(
      schema_error(
          R"({"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}})"),
      HasSubstr("without end"));
  // Nothing finite is valid.
  const auto endless = compile_schema(
      json(R"({"type": "object", "properties": {"a": {"$ref": "#"}}, "required": ["a"]})"));
  ASSERT_TRUE(endless);
  EXPECT_EQ((*endless)->costs.of((*endless)->grammar.root), GrammarCosts::kImpossible);
  std::string chain = R"({"$ref": "#/$defs/d0", "$defs": {)";
  for (int i = 0; i < 5000; ++i)
    chain +=
        fmt::format(R"("d{}": {{"type": "array", "items": {{"$ref": "#/$defs/d{}"}}}},)", i, i + 1);
  EXPECT_EQ(schema_error(chain + R"("d5000": {"type": "null"}}})"), "");
}

TEST(JsonSchema, WhatIsNotSupportedIsRefusedByNameAndPath) {
  for (const char* keyword :
       {"not", "if", "contains", "patternProperties", "propertyNames", "dependentRequired",
        "unevaluatedProperties", "$anchor", "$dynamicRef", "nullable", "temprature"}) {
    const std::string message = schema_error(fmt::format(
        R"({{"type": "object", "properties": {{"a": {{"items": {{"{}": {{}}}}}}}}}})", keyword));
    EXPECT_THAT(message, HasSubstr(fmt::format("schema/properties/a/items/{}", keyword)));
  }
  EXPECT_THAT(schema_error(R"({"uniqueItems": true})"), HasSubstr("schema/uniqueItems"));
  EXPECT_THAT(schema_error(R"({"type": "strin"})"), HasSubstr("schema/type"));
  EXPECT_THAT(schema_error(R"({"type": 7})"), HasSubstr("schema/type"));
  EXPECT_THAT(schema_error(R"({"properties": []})"), HasSubstr("schema/properties"));
  EXPECT_THAT(schema_error(R"({"pattern": 7})"), HasSubstr("schema/pattern"));
  EXPECT_THAT(schema_error(R"({"minLength": -1})"), HasSubstr("schema/minLength"));
  EXPECT_THAT(schema_error(R"({"minLength": 1.5})"), HasSubstr("schema/minLength"));
  EXPECT_THAT(schema_error(R"({"enum": 1})"), HasSubstr("schema/enum"));
  EXPECT_THAT(schema_error(R"({"anyOf": []})"), HasSubstr("schema/anyOf"));
  EXPECT_THAT(schema_error(R"([])"), HasSubstr("schema"));
  EXPECT_EQ(schema_error(
                R"({"title": "t", "description": "d", "default": 1, "examples": [], "$schema": "s",
                         "$id": "i", "deprecated": true, "x-mine": 1, "type": "null", "uniqueItems": false})"),
            "");
}

TEST(JsonSchema, AnAnswerThatRunsOutOfRoomIsClosed) {
  const auto compiled =
      compile_schema(json(R"({"type": "object", "properties": {"title": {"type": "string"},
      "tags": {"type": "array", "items": {"type": "string"}}, "score": {"type": "number"}},
      "required": ["title", "tags", "score"]})"));
  ASSERT_TRUE(compiled);
  std::mt19937_64 random(3);
  for (int32_t max_tokens = 45; max_tokens < 120; ++max_tokens) {
    const RandomText made = random_text(*compiled, random, max_tokens, 0);
    EXPECT_TRUE(made.has_ended) << max_tokens << " " << made.text;
    EXPECT_TRUE(parse_json(made.text, "made")) << made.text;
  }
}

TEST(JsonSchema, LargeSchemasCompile) {
  Json tools = Json::array();
  for (int i = 0; i < 100; ++i) {
    Json properties = Json::object();
    for (int j = 0; j < 20; ++j)
      properties["property_" + std::to_string(j)] = {
          {"type", "string"}, {"maxLength", 65536}, {"description", std::string(40, 'x')}};
    tools.push_back({{"type", "object"}, {"properties", properties}, {"required", {"property_3"}}});
  }
  const auto compiled = compile_schema({{"anyOf", tools}});
  ASSERT_TRUE(compiled) << compiled.error().message;
  EXPECT_TRUE(accepts(**compiled, R"({"property_3": "x", "property_19": "y"})"));
}

}  // namespace
}  // namespace jiang
