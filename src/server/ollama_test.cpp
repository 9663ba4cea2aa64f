#include "server/ollama.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "server/ollama_request.h"
#include "server/test_server.h"

namespace jiang {
namespace {

using std::chrono::seconds;
using testing::HasSubstr;

Json lines_of(const TestAnswer& answer) {
  Json lines = Json::array();
  for (size_t at = 0; at < answer.body.size();) {
    const size_t end = answer.body.find('\n', at);
    lines.push_back(parse_json(answer.body.substr(at, end - at), "line").value());
    at = end == std::string::npos ? end : end + 1;
  }
  return lines;
}

Json ollama_body(Json more = Json::object()) {
  Json body = {{"model", "fake"}, {"messages", user_says("hi")}};
  body["options"] = {{"temperature", 0}};
  for (auto& [key, value] : more.items()) body[key] = value;
  return body;
}

TEST(OllamaChat, StreamsLinesUnlessAskedNotTo) {
  TestServer s;
  s.start();
  s.script("hello", user_says("hi"));
  const auto streamed = s.post("/api/chat", ollama_body());
  ASSERT_EQ(streamed.status, 200) << streamed.body;
  EXPECT_TRUE(streamed.has("content-type: application/x-ndjson"));
  const Json lines = lines_of(streamed);
  std::string text;
  for (const Json& line : lines) {
    EXPECT_EQ(line["model"], "fake");
    EXPECT_EQ(line["message"]["role"], "assistant");
    EXPECT_EQ(line["done"], &line == &lines.back());
    text += line["message"]["content"].get<std::string>();
  }
  EXPECT_EQ(text, "hello");
  const Json last = lines.back();
  EXPECT_EQ(last["done_reason"], "stop");
  EXPECT_EQ(last["eval_count"], 5);
  EXPECT_EQ(last["prompt_eval_count"], s.fake().script_prompt_length);
  EXPECT_GE(last["total_duration"], last["load_duration"]);

  const Json whole = json_of(s.post("/api/chat", ollama_body({{"stream", false}})));
  EXPECT_EQ(whole["message"]["content"], "hello");
  EXPECT_EQ(whole["done"], true);
}

TEST(OllamaChat, OptionsReachTheModelAndAreChecked) {
  TestServer s;
  s.start();
  s.models->scripted->events = {TextDelta{"ok"}, ChatFinish{}};
  const Json options = {{"temperature", 1.5},  {"top_k", 7},        {"top_p", 0.5},
                        {"min_p", 0.2},        {"seed", 9},         {"repeat_penalty", 1.1},
                        {"repeat_last_n", 12}, {"num_predict", 33}, {"stop", {"a", "b"}},
                        {"num_ctx", 50},       {"num_thread", 4}};
  const auto answer = s.post("/api/chat", ollama_body({{"model", "scripted"},
                                                       {"options", options},
                                                       {"format", "json"},
                                                       {"think", "low"},
                                                       {"stream", false}}));
  ASSERT_EQ(answer.status, 200) << answer.body;
  EXPECT_TRUE(answer.has("x-jiang-ignored: options.num_thread")) << answer.head;
  const ChatRequest& asked = s.models->scripted->asked;
  EXPECT_FLOAT_EQ(asked.sampling.temperature, 1.5f);
  EXPECT_EQ(asked.sampling.top_k, 7);
  EXPECT_FLOAT_EQ(asked.sampling.top_p, 0.5f);
  EXPECT_FLOAT_EQ(asked.sampling.min_p, 0.2f);
  EXPECT_FLOAT_EQ(asked.sampling.repeat_penalty, 1.1f);
  EXPECT_EQ(asked.sampling.penalty_window, 12);
  EXPECT_EQ(asked.sampling.seed, 9u);
  EXPECT_EQ(asked.max_tokens, 33);
  EXPECT_EQ(asked.stop, (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(asked.format.kind, ResponseFormat::Kind::json_object);
  EXPECT_EQ(asked.thinking, true);

  struct Case {
    Json more;
    const char* says;
  };
  const std::vector<Case> cases = {
      {{{"options", {{"temprature", 1}}}}, "did you mean options.temperature?"},
      {{{"options", {{"mirostat", 1}}}}, "options.mirostat is not supported"},
      {{{"options", {{"top_p", 2}}}}, "options.top_p must be from 0 to 1"},
      {{{"model", "scripted"}, {"options", {{"num_ctx", 101}}}}, "runs with 100"},
      {{{"keep_alive", "soon"}}, "keep_alive"},
      {{{"format", "yaml"}}, "format"},
      {{{"think", "hard"}}, "think"},
      {{{"logprobs", true}}, "logprobs is not supported"},
      {{{"messages", {{{"role", "user"}, {"content", "x"}, {"images", {"aGk="}}}}}}, "images"},
      {{{"messages", {{{"role", 5}, {"content", "x"}}}}}, "role"},
      {{{"messages", {{{"role", "tool"}, {"content", 7}}}}}, "content"},
  };
  for (const Case& one : cases) {
    const auto refused = s.post("/api/chat", ollama_body(one.more));
    EXPECT_EQ(refused.status, 400) << one.more;
    EXPECT_THAT(json_of(refused).value("error", ""), HasSubstr(one.says)) << one.more;
  }
  const auto absent = s.post("/api/chat", ollama_body({{"model", "absent"}}));
  EXPECT_EQ(absent.status, 404);
  EXPECT_THAT(json_of(absent)["error"].get<std::string>(), HasSubstr("absent"));
}

TEST(OllamaChat, ToolCallsComeWholeWithTheirArgumentsAsJson) {
  TestServer s;
  s.start();
  s.models->scripted->events = {
      ReasoningDelta{"hm"},
      ToolCallDelta{.index = 0, .id = "call_a", .name = "look", .arguments = "{\"at\":"},
      ToolCallDelta{.index = 0, .arguments = "\"sky\"}"},
      ToolCallDelta{.index = 1, .id = "call_b", .name = "cut", .arguments = "{\"off"},
      ChatFinish{.reason = ChatFinishReason::tool_calls}};
  const Json tools = {{{"type", "function"},
                       {"function", {{"name", "look"}, {"parameters", {{"type", "object"}}}}}}};
  const Json lines =
      lines_of(s.post("/api/chat", ollama_body({{"model", "scripted"}, {"tools", tools}})));
  ASSERT_EQ(lines.size(), 3u) << lines;
  EXPECT_EQ(lines[0]["message"]["thinking"], "hm");
  const Json& calls = lines[1]["message"]["tool_calls"];
  ASSERT_EQ(calls.size(), 1u) << "a call that was cut off is none";
  EXPECT_EQ(calls[0]["function"]["name"], "look");
  EXPECT_EQ(calls[0]["function"]["arguments"], Json({{"at", "sky"}}));
  EXPECT_EQ(lines[2]["done"], true);

  // And back: the answer of a tool finds its call.
  s.models->scripted->events = {TextDelta{"blue"}, ChatFinish{}};
  Json messages = user_says("what colour?");
  messages.push_back(
      {{"role", "assistant"},
       {"content", ""},
       {"thinking", "hm"},
       {"tool_calls", {{{"function", {{"name", "look"}, {"arguments", {{"at", "sky"}}}}}}}}});
  messages.push_back({{"role", "tool"}, {"tool_name", "look"}, {"content", "0000ff"}});
  ASSERT_EQ(
      s.post("/api/chat", ollama_body({{"model", "scripted"}, {"messages", messages}})).status,
      200);
  const Json& asked = s.models->scripted->asked.messages;
  EXPECT_EQ(asked[1]["reasoning_content"], "hm");
  EXPECT_EQ(asked[1]["tool_calls"][0]["function"]["arguments"], "{\"at\":\"sky\"}");
  EXPECT_EQ(asked[2]["tool_call_id"], asked[1]["tool_calls"][0]["id"]);
  EXPECT_EQ(asked[2]["name"], "look");
}

TEST(OllamaChat, AnErrorInTheMiddleIsALine) {
  TestServer s;
  s.start();
  s.models->scripted->events = {TextDelta{"a"},
                                ChatFinish{.reason = ChatFinishReason::error,
                                           .error = Error{ErrorKind::io, "the disk is gone"}}};
  const auto answer = s.post("/api/chat", ollama_body({{"model", "scripted"}}));
  EXPECT_EQ(answer.status, 200);
  const Json lines = lines_of(answer);
  EXPECT_EQ(lines.back(), Json({{"error", "the disk is gone"}}));
}

TEST(OllamaChat, AnEmptyRequestLoadsOrUnloads) {
  TestServer s;
  s.start();
  const Json loaded = json_of(s.post("/api/chat", {{"model", "fake"}}));
  EXPECT_EQ(loaded["done_reason"], "load");
  EXPECT_EQ(loaded["message"]["content"], "");
  const Json gone = json_of(s.post("/api/generate", {{"model", "fake"}, {"keep_alive", 0}}));
  EXPECT_EQ(gone["done_reason"], "unload");
  EXPECT_EQ(gone["response"], "");
  EXPECT_EQ(s.post("/api/generate", {{"model", "absent"}}).status, 404);
}

TEST(OllamaGenerate, CompletesRawTextAndAnswersPrompts) {
  TestServer s;
  s.start();
  s.models->scripted->events = {TextDelta{"ok"}, ChatFinish{.reason = ChatFinishReason::length}};
  const Json raw = {{"model", "scripted"}, {"prompt", "Once"}, {"raw", true}, {"stream", false}};
  const Json whole = json_of(s.post("/api/generate", raw));
  EXPECT_EQ(whole["response"], "ok");
  EXPECT_EQ(whole["done_reason"], "length");
  EXPECT_EQ(s.models->scripted->asked.raw_text, "Once");
  const Json prompt = {{"model", "scripted"}, {"prompt", "hi"}, {"system", "Be brief."}};
  EXPECT_EQ(lines_of(s.post("/api/generate", prompt))[0]["response"], "ok");
  EXPECT_EQ(s.models->scripted->asked.messages,
            Json({{{"role", "system"}, {"content", "Be brief."}},
                  {{"role", "user"}, {"content", "hi"}}}));
}

TEST(OllamaEmbed, TextsAndListsOfThem) {
  TestServer s;
  s.start();
  const Json two = json_of(s.post("/api/embed", {{"model", "fake"}, {"input", {"hi", "ho"}}}));
  ASSERT_EQ(two["embeddings"].size(), 2u) << two;
  const Json old = json_of(s.post("/api/embeddings", {{"model", "fake"}, {"prompt", "hi"}}));
  EXPECT_EQ(old["embedding"], two["embeddings"][0]);
  EXPECT_EQ(s.post("/api/embed", {{"model", "fake"}, {"input", {"hi", 3}}}).status, 400);
  EXPECT_EQ(s.post("/api/embed", {{"model", "fake"}, {"input", ""}}).status, 400);
  EXPECT_EQ(s.post("/api/embed", {{"model", "absent"}, {"input", "hi"}}).status, 404);
}

TEST(OllamaRequest, KeepAliveIsSecondsOrGosDurations) {
  const std::vector<std::pair<Json, std::optional<int64_t>>> cases = {
      {300, 300},     {"5m", 300}, {"1h30m", 5400}, {-1, -1},        {"-1", -1},
      {"0", 0},       {0, 0},      {"1.5m", 90},    {"200ms", 1},    {"-1m", -60},
      {0.2, 1},       {"", {}},    {"m", {}},       {"5x", {}},      {"1h5", {}},
      {"1e300h", {}}, {true, {}},  {1e300, {}},     {"5m junk", {}}, {"1 h", {}}};
  for (const auto& [value, expected] : cases) {
    std::optional<seconds> out;
    const auto error = read_keep_alive(value, out);
    EXPECT_EQ(error.has_value(), !expected) << value;
    if (expected && out) {
      EXPECT_EQ(out->count(), *expected) << value;
    }
  }
}

}  // namespace
}  // namespace jiang
