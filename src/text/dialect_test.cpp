#include "text/dialect.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/grammar_text.h"

namespace jiang {
namespace {

using testing::HasSubstr;

const Json& tools() {
  static const Json list = *parse_json(R"([
    {"type": "function", "function": {"name": "get_weather", "description": "d", "parameters":
      {"type": "object", "properties": {"city": {"type": "string"}, "days": {"type": "integer",
       "minimum": 1, "maximum": 9}}, "required": ["city"]}}},
    {"type": "function", "function": {"name": "now"}}])",
                                       "tools");
  return list;
}

struct ParsedCall {
  std::string name, arguments;
};
struct Parsed {
  std::string content;
  std::vector<ParsedCall> calls;
};

Parsed parse(const std::string& text, const OutputParser::Options& options) {
  OutputParser parser(options);
  std::vector<OutputEvent> events = parser.feed(text);
  for (OutputEvent& event : parser.finish()) events.push_back(std::move(event));
  Parsed parsed;
  for (const OutputEvent& event : events) {
    if (event.kind == OutputEvent::Kind::call_name) parsed.calls.push_back({event.text, ""});
    if (event.kind == OutputEvent::Kind::call_arguments)
      parsed.calls.back().arguments += event.text;
    if (event.kind == OutputEvent::Kind::content) parsed.content += event.text;
  }
  return parsed;
}

void expect_valid(const ParsedCall& call, const std::string& text) {
  const auto functions = functions_of(tools()).value();
  const auto found = std::find_if(functions.begin(), functions.end(),
                                  [&](const auto& one) { return one.name == call.name; });
  ASSERT_NE(found, functions.end()) << text;
  const auto arguments = parse_json(call.arguments, "arguments");
  ASSERT_TRUE(arguments) << text << "\n" << call.arguments;
  if (call.name == "now") {
    EXPECT_EQ(call.arguments, "{}") << text;
  } else {
    const Status valid = validate_json(*parse_json(found->parameters, "p"), *arguments);
    EXPECT_TRUE(valid) << text << "\n" << valid.error().message;
  }
}

std::shared_ptr<const CompiledGrammar> compile(Grammar grammar, NodeId root) {
  grammar.root = root;
  return std::make_shared<const CompiledGrammar>(std::move(grammar), test_trie());
}

// What the grammar makes, the parser reads, and the arguments are valid: for every dialect.
TEST(Dialect, CallsAreReadBackAndValid) {
  std::mt19937_64 random(1);
  for (const Dialect& dialect : dialects()) {
    Grammar grammar;
    const auto root =
        add_calls(grammar, {.dialect = &dialect, .functions = *functions_of(tools())});
    ASSERT_TRUE(root) << root.error().message;
    const auto compiled = compile(std::move(grammar), *root);
    size_t most = 0;
    for (int i = 0; i < 25; ++i) {
      const RandomText made = random_text(compiled, random, 500);
      ASSERT_TRUE(made.has_ended) << dialect.name << "\n" << made.text;
      const Parsed parsed = parse(made.text, {.dialect = &dialect});
      ASSERT_FALSE(parsed.calls.empty()) << dialect.name << "\n" << made.text;
      EXPECT_EQ(parsed.content, "") << dialect.name << "\n" << made.text;
      for (const ParsedCall& call : parsed.calls) expect_valid(call, made.text);
      most = std::max(most, parsed.calls.size());
    }
    EXPECT_EQ(most > 1, dialect.parallel) << dialect.name;
  }
}

TEST(Dialect, OneCallWhenNotParallel) {
  std::mt19937_64 random(2);
  Grammar grammar;
  const auto root = add_calls(
      grammar,
      {.dialect = &plain_dialect(), .functions = *functions_of(tools()), .parallel = false});
  const auto compiled = compile(std::move(grammar), *root);
  for (int i = 0; i < 10; ++i) {
    const RandomText made = random_text(compiled, random, 300);
    EXPECT_EQ(parse(made.text, {.dialect = &plain_dialect()}).calls.size(), 1u) << made.text;
  }
}

TEST(Dialect, FreeTextMayBecomeACallButNoBadOne) {
  for (const Dialect& dialect : dialects()) {
    Grammar grammar;
    const auto root =
        add_text_or_calls(grammar, {.dialect = &dialect, .functions = *functions_of(tools())});
    const auto compiled = compile(std::move(grammar), *root);
    const std::string open(std::string(dialect.section_open) + std::string(dialect.call_open));
    EXPECT_TRUE(accepts(*compiled, "any <text> {\"a\": 1}")) << dialect.name;
    const std::string call = std::string(dialect.section_open) +
                             write_call(dialect, "get_weather", R"({"city": "x"})", 0) +
                             std::string(dialect.section_close);
    EXPECT_TRUE(accepts(*compiled, call)) << dialect.name;
    EXPECT_EQ(accepts(*compiled, "text first " + call), true) << dialect.name;
    const std::string bad = std::string(dialect.section_open) +
                            write_call(dialect, "get_weather", R"({"town": "x"})", 0) +
                            std::string(dialect.section_close);
    EXPECT_FALSE(accepts(*compiled, bad)) << dialect.name;
    EXPECT_FALSE(accepts(*compiled, call + " and more")) << dialect.name;
    Grammar none;
    const NodeId never = add_text_without_calls(none, dialect);
    const auto compiled_none = compile(std::move(none), never);
    EXPECT_TRUE(accepts(*compiled_none, "any <text> {\"a\": 1}")) << dialect.name;
    EXPECT_FALSE(accepts(*compiled_none, call)) << dialect.name;
  }
}

TEST(Dialect, ReasoningComesBeforeTheAnswer) {
  Grammar grammar;
  const NodeId answer = grammar.add_text("{}");
  const ReasoningMarkers markers{"<think>", "</think>"};
  const NodeId maybe = add_after_reasoning(grammar, markers, false, answer);
  const NodeId begun = add_after_reasoning(grammar, markers, true, answer);
  Grammar other = grammar;
  const auto maybe_compiled = compile(std::move(grammar), maybe);
  const auto begun_compiled = compile(std::move(other), begun);
  EXPECT_TRUE(accepts(*maybe_compiled, "{}"));
  EXPECT_TRUE(accepts(*maybe_compiled, "<think>\nwell {x\n</think>\n\n{}"));
  EXPECT_FALSE(accepts(*maybe_compiled, "<think>{}"));
  EXPECT_TRUE(accepts(*begun_compiled, "well</think>{}"));
  EXPECT_FALSE(accepts(*begun_compiled, "{}"));
}

TEST(Dialect, RecognizesTheFamilyByAKnownCall) {
  EXPECT_EQ(recognize_dialect("a <tool_call>{\"name\":\"f\",\"arguments\":{}}</tool_call>", "f"),
            find_dialect("hermes"));
  EXPECT_EQ(recognize_dialect("[TOOL_CALLS] [{\"name\": \"f\", \"arguments\": {}}]", "f"),
            find_dialect("mistral"));
  EXPECT_EQ(recognize_dialect("{\"name\": \"f\", \"description\": \"d\"}", "f"), nullptr);
}

TEST(Dialect, BadToolsAreNamed) {
  EXPECT_THAT(functions_of(Json::array({{{"type", "function"}}})).error().message,
              HasSubstr("tools[0].function"));
  EXPECT_THAT(functions_of(Json::array({{{"function", {{"name", "a b"}}}}})).error().message,
              HasSubstr("tools[0].function.name"));
  Grammar grammar;
  const auto bad = functions_of(
      Json::array({{{"function", {{"name", "f"}, {"parameters", {{"not", Json::object()}}}}}}}));
  EXPECT_THAT(add_calls(grammar, {.dialect = &plain_dialect(), .functions = *bad}).error().message,
              HasSubstr("tools[0].function.parameters/not"));
}

}  // namespace
}  // namespace jiang
