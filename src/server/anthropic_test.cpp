#include "server/anthropic.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "server/test_server.h"

namespace jiang {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

Json ask(Json more = Json::object()) {
  Json body = {{"model", "scripted"}, {"messages", user_says("hi")}, {"max_tokens", 50}};
  for (auto& [key, value] : more.items()) body[key] = value;
  return body;
}

const Json kTools = {{{"name", "look"},
                      {"description", "looks"},
                      {"input_schema", {{"type", "object"}, {"properties", Json::object()}}}}};

// The names of the events, which must be the types in their data.
std::vector<std::string> names_of(const std::string& body, std::vector<Json>& events) {
  std::vector<std::string> names;
  for (const std::string& data : events_of(body)) {
    events.push_back(parse_json(data, "event").value());
    names.push_back(events.back()["type"]);
    EXPECT_THAT(body, HasSubstr("event: " + names.back() + "\ndata: " + data + "\n\n"));
  }
  return names;
}

TEST(AnthropicMessages, AWholeAnswerHasBlocksReasonAndUsage) {
  TestServer s;
  s.start();
  ChatFinish finish;
  finish.stats = {.prompt_tokens = 9, .cached_tokens = 4, .generated_tokens = 3};
  s.models->scripted->events = {ReasoningDelta{"hm"}, TextDelta{"hel"}, TextDelta{"lo"}, finish};
  const auto answer = s.post("/v1/messages", ask());
  ASSERT_EQ(answer.status, 200) << answer.body;
  EXPECT_TRUE(answer.has("request-id: "));
  const Json body = json_of(answer);
  EXPECT_EQ(body["type"], "message");
  EXPECT_EQ(body["role"], "assistant");
  EXPECT_EQ(body["model"], "scripted");
  ASSERT_EQ(body["content"].size(), 2u) << body;
  EXPECT_EQ(body["content"][0]["thinking"], "hm");
  EXPECT_EQ(body["content"][1]["text"], "hello");
  EXPECT_EQ(body["stop_reason"], "end_turn");
  EXPECT_TRUE(body["stop_sequence"].is_null());
  EXPECT_EQ(body["usage"]["input_tokens"], 5);
  EXPECT_EQ(body["usage"]["cache_read_input_tokens"], 4);
  EXPECT_EQ(body["usage"]["output_tokens"], 3);
}

TEST(AnthropicMessages, StreamsTheExactSequenceOfEvents) {
  TestServer s;
  s.start();
  ChatFinish finish{.reason = ChatFinishReason::tool_calls};
  finish.stats = {.prompt_tokens = 9, .generated_tokens = 3};
  s.models->scripted->events = {
      ReasoningDelta{"hm"},
      TextDelta{"hel"},
      TextDelta{"lo"},
      ToolCallDelta{.index = 0, .id = "toolu_1", .name = "look"},
      ToolCallDelta{.index = 0, .arguments = "{\"a\":"},
      ToolCallDelta{.index = 0, .arguments = "1}"},
      ToolCallDelta{.index = 1, .id = "toolu_2", .name = "look", .arguments = "{}"},
      finish};
  const auto answer = s.post("/v1/messages", ask({{"stream", true}, {"tools", kTools}}));
  ASSERT_EQ(answer.status, 200) << answer.body;
  EXPECT_TRUE(answer.has("content-type: text/event-stream; charset=utf-8"));
  std::vector<Json> events;
  EXPECT_THAT(
      names_of(answer.body, events),
      ElementsAre("message_start", "ping",                                             //
                  "content_block_start", "content_block_delta", "content_block_stop",  // thinking
                  "content_block_start", "content_block_delta", "content_block_delta",
                  "content_block_stop",  // text
                  "content_block_start", "content_block_delta", "content_block_delta",
                  "content_block_stop",                                                // a call
                  "content_block_start", "content_block_delta", "content_block_stop",  // another
                  "message_delta", "message_stop"));
  EXPECT_EQ(events[0]["message"]["usage"]["input_tokens"], 1) << "as count_tokens says";
  EXPECT_TRUE(events[0]["message"]["content"].empty());
  EXPECT_EQ(events[3]["delta"]["thinking"], "hm");
  EXPECT_EQ(events[5]["content_block"], Json({{"type", "text"}, {"text", ""}}));
  EXPECT_EQ(events[6]["delta"], Json({{"type", "text_delta"}, {"text", "hel"}}));
  EXPECT_EQ(events[6]["index"], 1);
  EXPECT_EQ(
      events[9]["content_block"],
      Json({{"type", "tool_use"}, {"id", "toolu_1"}, {"name", "look"}, {"input", Json::object()}}));
  EXPECT_EQ(events[10]["delta"]["partial_json"], "{\"a\":");
  EXPECT_EQ(events[13]["index"], 3);
  EXPECT_EQ(events[16]["delta"]["stop_reason"], "tool_use");
  EXPECT_EQ(events[16]["usage"]["output_tokens"], 3);
  EXPECT_EQ(events[16]["usage"]["input_tokens"], 9);

  // The same, whole.
  const Json whole = json_of(s.post("/v1/messages", ask({{"tools", kTools}})));
  ASSERT_EQ(whole["content"].size(), 4u) << whole;
  EXPECT_EQ(whole["content"][2]["input"], Json({{"a", 1}}));
  EXPECT_EQ(whole["content"][3]["id"], "toolu_2");
  EXPECT_EQ(whole["stop_reason"], "tool_use");
}

TEST(AnthropicMessages, SaysWhichStopSequenceEndedItAndThatTheLengthDid) {
  TestServer s;
  s.start();
  s.script("one STOP two", user_says("hi"));
  const Json stopped = json_of(
      s.post("/v1/messages",
             ask({{"model", "fake"}, {"temperature", 0}, {"stop_sequences", {"zzz", "STOP"}}})));
  EXPECT_EQ(stopped["content"][0]["text"], "one ") << stopped;
  EXPECT_EQ(stopped["stop_reason"], "stop_sequence");
  EXPECT_EQ(stopped["stop_sequence"], "STOP");
  const Json cut = json_of(
      s.post("/v1/messages", ask({{"model", "fake"}, {"temperature", 0}, {"max_tokens", 2}})));
  EXPECT_EQ(cut["content"][0]["text"], "on") << cut;
  EXPECT_EQ(cut["stop_reason"], "max_tokens");
}

TEST(AnthropicMessages, BlocksBecomeMessages) {
  TestServer s;
  s.start();
  s.models->scripted->events = {TextDelta{"ok"}, ChatFinish{}};
  const Json cache = {{"type", "ephemeral"}};
  const Json messages = {
      {{"role", "user"},
       {"content",
        {{{"type", "text"}, {"text", "a"}, {"cache_control", cache}},
         {{"type", "text"}, {"text", "b"}}}}},
      {{"role", "assistant"},
       {"content",
        {{{"type", "thinking"}, {"thinking", "hm"}, {"signature", ""}},
         {{"type", "text"}, {"text", "I look."}},
         {{"type", "tool_use"}, {"id", "t1"}, {"name", "look"}, {"input", {{"a", 1}}}}}}},
      {{"role", "user"},
       {"content",
        {{{"type", "tool_result"}, {"tool_use_id", "t1"}, {"is_error", true}, {"content", "dark"}},
         {{"type", "text"}, {"text", "well?"}}}}}};
  const Json system = {{{"type", "text"}, {"text", "Be brief."}, {"cache_control", cache}},
                       {{"type", "text"}, {"text", "Be kind."}}};
  const auto answer = s.post(
      "/v1/messages", ask({{"messages", messages},
                           {"system", system},
                           {"tools", kTools},
                           {"tool_choice", {{"type", "any"}, {"disable_parallel_tool_use", true}}},
                           {"thinking", {{"type", "enabled"}, {"budget_tokens", 1024}}},
                           {"temperature", 0.5},
                           {"top_k", 3},
                           {"metadata", {{"user_id", "u"}}}}));
  ASSERT_EQ(answer.status, 200) << answer.body;
  EXPECT_TRUE(answer.has("x-jiang-ignored: metadata, thinking.budget_tokens")) << answer.head;
  const ChatRequest& asked = s.models->scripted->asked;
  const Json& told = asked.messages;
  ASSERT_EQ(told.size(), 5u) << told;
  EXPECT_EQ(told[0], Json({{"role", "system"}, {"content", "Be brief.\nBe kind."}}));
  EXPECT_EQ(told[1]["content"], "a\nb");
  EXPECT_EQ(told[2]["reasoning_content"], "hm");
  EXPECT_EQ(told[2]["tool_calls"][0]["function"]["arguments"], "{\"a\":1}");
  EXPECT_EQ(told[3], Json({{"role", "tool"}, {"tool_call_id", "t1"}, {"content", "Error: dark"}}));
  EXPECT_EQ(told[4]["content"], "well?");
  EXPECT_EQ(asked.tools[0]["function"]["parameters"], kTools[0]["input_schema"]);
  EXPECT_EQ(asked.tool_choice.kind, ToolChoice::Kind::required);
  EXPECT_FALSE(asked.parallel_tool_calls);
  EXPECT_EQ(asked.thinking, true);
  EXPECT_EQ(asked.max_tokens, 50);
  EXPECT_EQ(asked.sampling.top_k, 3);
  EXPECT_FLOAT_EQ(asked.sampling.temperature, 0.5f);
}

TEST(AnthropicMessages, ALastAssistantMessageIsGoneOnWith) {
  TestServer s;
  s.start();
  s.models->scripted->events = {TextDelta{"ok"}, ChatFinish{}};
  Json messages = user_says("hi");
  messages.push_back({{"role", "assistant"}, {"content", "He"}});
  ASSERT_EQ(s.post("/v1/messages", ask({{"messages", messages}})).status, 200);
  EXPECT_TRUE(s.models->scripted->asked.continues_last);
}

TEST(AnthropicMessages, ErrorsAreInItsOwnShapeAndNameTheField) {
  TestServer s;
  s.start();
  const Json image = {{{"role", "user"}, {"content", {{{"type", "image"}, {"source", "x"}}}}}};
  struct Case {
    Json body;
    int status;
    const char* type;
    const char* says;
  };
  Json no_limit = ask();
  no_limit.erase("max_tokens");
  const std::vector<Case> cases = {
      {no_limit, 400, "invalid_request_error", "max_tokens is missing"},
      {ask({{"messages", Json::array()}}), 400, "invalid_request_error", "messages"},
      {ask({{"messages", image}}), 400, "invalid_request_error",
       "messages[0].content[0].type image is not supported"},
      {ask({{"messages", {{{"role", "system"}, {"content", "x"}}}}}), 400, "invalid_request_error",
       "messages[0].role"},
      {ask({{"messages", {{{"role", "user"}, {"content", 5}}}}}), 400, "invalid_request_error",
       "messages[0].content"},
      {ask({{"system", 5}}), 400, "invalid_request_error", "system must be text"},
      {ask({{"temperature", 1.5}}), 400, "invalid_request_error",
       "temperature must be from 0 to 1"},
      {ask({{"temprature", 1}}), 400, "invalid_request_error", "did you mean temperature?"},
      {ask({{"tools", {{{"name", "a b"}, {"input_schema", {{"type", "object"}}}}}}}), 400,
       "invalid_request_error", "tools[0].name must be"},
      {ask({{"tools", {{{"type", "web_search_20250305"}, {"name", "web_search"}}}}}), 400,
       "invalid_request_error", "web_search_20250305 is not supported"},
      {ask({{"tool_choice", {{"type", "any"}}}}), 400, "invalid_request_error", "no tools"},
      {ask({{"tools", kTools}, {"tool_choice", {{"type", "tool"}}}}), 400, "invalid_request_error",
       "tool_choice.type"},
      {ask({{"thinking", {{"type", "hard"}}}}), 400, "invalid_request_error", "thinking.type"},
      {ask({{"mcp_servers", {{{"url", "x"}}}}}), 400, "invalid_request_error", "mcp_servers"},
      {ask({{"model", "absent"}}), 404, "not_found_error", "absent"}};
  for (const Case& one : cases) {
    const auto answer = s.post("/v1/messages", one.body);
    EXPECT_EQ(answer.status, one.status) << one.body << answer.body;
    const Json body = json_of(answer);
    EXPECT_EQ(body["type"], "error") << body;
    EXPECT_EQ(body["error"]["type"], one.type) << body;
    EXPECT_THAT(body["error"]["message"].get<std::string>(), HasSubstr(one.says));
  }
  s.models->scripted->events = {TextDelta{"a"},
                                ChatFinish{.reason = ChatFinishReason::error,
                                           .error = Error{ErrorKind::io, "the disk is gone"}}};
  const auto broken = s.post("/v1/messages", ask({{"stream", true}}));
  EXPECT_THAT(broken.body, HasSubstr("event: error\ndata: {\"type\":\"error\",\"error\""));
}

TEST(AnthropicMessages, KeysComeAsBearerOrXApiKey) {
  TestServer s;
  s.authenticator.keys = true;
  s.start();
  s.models->scripted->events = {TextDelta{"ok"}, ChatFinish{}};
  const char* version = "anthropic-version: 2026-10-21\r\n";
  for (const char* key : {"x-api-key: user-key\r\n", "authorization: Bearer user-key\r\n"})
    EXPECT_EQ(s.post("/v1/messages", ask(), std::string(version) + key).status, 200);
  const auto refused = s.post("/v1/messages", ask(), version);
  EXPECT_EQ(refused.status, 401);
  EXPECT_EQ(json_of(refused)["error"]["type"], "authentication_error");
}

TEST(AnthropicCountTokens, CountsWhatMessagesWouldRun) {
  TestServer s;
  s.start();
  s.script("hello", user_says("hi"));
  const Json prompt = {{"model", "fake"}, {"messages", user_says("hi")}};
  EXPECT_EQ(json_of(s.post("/v1/messages/count_tokens", prompt)),
            Json({{"input_tokens", s.fake().script_prompt_length}}));
  EXPECT_EQ(s.post("/v1/messages/count_tokens", {{"model", "fake"}}).status, 400);
}

}  // namespace
}  // namespace jiang
