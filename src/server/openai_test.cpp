#include "server/openai.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>

#include "server/routes.h"
#include "server/test_server.h"
#include "server/text_frame.h"
#include "text/base64.h"

namespace jiang {
namespace {

using testing::HasSubstr;
using testing::Not;

Json chat_body(Json more = Json::object()) {
  Json body = {{"model", "fake"}, {"messages", user_says("hi")}, {"temperature", 0}};
  for (auto& [key, value] : more.items()) body[key] = value;
  return body;
}

TEST(OpenAiChat, AnswersWithTextUsageAndAFinishReason) {
  TestServer s;
  s.start();
  s.script("hello", user_says("hi"));
  const auto answer = s.post("/v1/chat/completions", chat_body());
  ASSERT_EQ(answer.status, 200) << answer.body;
  const Json body = json_of(answer);
  EXPECT_EQ(body["object"], "chat.completion");
  EXPECT_EQ(body["model"], "fake");
  EXPECT_EQ(body["choices"][0]["message"]["content"], "hello");
  EXPECT_EQ(body["choices"][0]["finish_reason"], "stop");
  EXPECT_EQ(body["usage"]["completion_tokens"], 5);
  EXPECT_EQ(body["usage"]["prompt_tokens"], s.fake().script_prompt_length);
  EXPECT_EQ(body["usage"]["total_tokens"], s.fake().script_prompt_length + 5);
}

TEST(OpenAiChat, StreamsChunksWithOneIdARoleFirstAndDoneLast) {
  TestServer s;
  s.start();
  s.script("hello", user_says("hi"));
  const auto answer =
      s.post("/v1/chat/completions",
             chat_body({{"stream", true}, {"stream_options", {{"include_usage", true}}}}));
  ASSERT_EQ(answer.status, 200) << answer.body;
  EXPECT_TRUE(answer.has("content-type: text/event-stream; charset=utf-8"));
  auto events = events_of(answer.body);
  ASSERT_GE(events.size(), 4u);
  EXPECT_EQ(events.back(), "[DONE]");
  events.pop_back();
  std::string text, id;
  for (size_t i = 0; i < events.size(); ++i) {
    const Json chunk = parse_json(events[i], "chunk").value();
    EXPECT_EQ(chunk["object"], "chat.completion.chunk");
    if (i == 0) {
      id = chunk["id"];
      EXPECT_EQ(chunk["choices"][0]["delta"]["role"], "assistant");
    }
    EXPECT_EQ(chunk["id"], id);
    if (i + 1 == events.size()) {
      EXPECT_TRUE(chunk["choices"].empty());
      EXPECT_EQ(chunk["usage"]["completion_tokens"], 5);
      continue;
    }
    EXPECT_TRUE(chunk["usage"].is_null());
    const Json& choice = chunk["choices"][0];
    if (choice["delta"].contains("content")) text += choice["delta"]["content"].get<std::string>();
    EXPECT_EQ(choice["finish_reason"].is_null(), i + 2 < events.size()) << events[i];
  }
  EXPECT_EQ(text, "hello");
}

TEST(TextFrame, WritesWhatTheWholeEventWouldBe) {
  const auto event = [](const std::string& text) {
    return "data: " + to_string(Json{{"model", "\x01"}, {"delta", {{"content", text}}}, {"n", 1}}) +
           "\n\n";
  };
  const TextFrame frame(event(TextFrame::kMark));
  for (const char* text : {"", "a", "say \"hi\"", "back\\slash", "line\nnext\ttab", "\x7f", "\x01",
                           "排序", "é", "\xff\xfe", "half \xe6\x8e"}) {
    EXPECT_EQ(frame.with(text), event(text)) << text;
  }
}

TEST(OpenAiChat, StopTextIsNotReturnedInWholeOrStream) {
  TestServer s;
  s.start();
  s.script("one STOP two", user_says("hi"));
  const auto whole = json_of(s.post("/v1/chat/completions", chat_body({{"stop", "STOP"}})));
  EXPECT_EQ(whole["choices"][0]["message"]["content"], "one ");
  const auto stream = s.post("/v1/chat/completions",
                             chat_body({{"stop", Json::array({"zzz", "STOP"})}, {"stream", true}}));
  EXPECT_THAT(stream.body, Not(HasSubstr("\"content\":\"S")));
  EXPECT_THAT(stream.body, HasSubstr("\"finish_reason\":\"stop\""));
}

TEST(OpenAiChat, LengthIsTold) {
  TestServer s;
  s.start();
  s.script("hello", user_says("hi"));
  const auto body =
      json_of(s.post("/v1/chat/completions", chat_body({{"max_completion_tokens", 2}})));
  EXPECT_EQ(body["choices"][0]["message"]["content"], "he");
  EXPECT_EQ(body["choices"][0]["finish_reason"], "length");
}

TEST(OpenAiChat, IgnoreEosGoesOnWhereTheModelWouldEnd) {
  TestServer s;
  s.start();
  s.script("hello", user_says("hi"));
  const Json asked = {{"max_tokens", 9}, {"ignore_eos", true}};
  const auto body = json_of(s.post("/v1/chat/completions", chat_body(asked)));
  EXPECT_EQ(body["choices"][0]["finish_reason"], "length");
  EXPECT_EQ(body["usage"]["completion_tokens"], 9);
}

TEST(OpenAiChat, ManyChoicesShareOnePrefill) {
  TestServer s;
  s.start();
  const std::string longish(200, 'x');
  Json body = chat_body({{"n", 4}, {"max_tokens", 3}, {"seed", 7}, {"temperature", 1}});
  body["messages"] = user_says(longish.c_str());
  const auto answer = json_of(s.post("/v1/chat/completions", body));
  ASSERT_EQ(answer["choices"].size(), 4u) << answer;
  EXPECT_EQ(answer["usage"]["completion_tokens"], 12);
  const auto stats = s.models->fake->engine()->stats();
  EXPECT_GT(stats.cached_tokens, 3u * 150u) << "three of four took the prompt from the first";
}

TEST(OpenAiChat, LogprobsComeWithBytesAndAlternatives) {
  TestServer s;
  s.start();
  s.script("ok", user_says("hi"));
  const auto body =
      json_of(s.post("/v1/chat/completions", chat_body({{"logprobs", true}, {"top_logprobs", 2}})));
  const Json& content = body["choices"][0]["logprobs"]["content"];
  ASSERT_EQ(content.size(), 2u) << body;
  EXPECT_EQ(content[0]["token"], "o");
  EXPECT_EQ(content[0]["bytes"], Json::array({111}));
  EXPECT_EQ(content[0]["top_logprobs"].size(), 2u);
  EXPECT_GE(content[0]["top_logprobs"][0]["logprob"], content[0]["top_logprobs"][1]["logprob"]);
}

TEST(OpenAiChat, BadFieldsAreRefusedByName) {
  struct Case {
    Json body;
    const char* param;
    const char* says;
  };
  const std::vector<Case> cases = {
      {{{"temprature", 1}}, "temprature", "did you mean temperature?"},
      {{{"temperature", 2.5}}, "temperature", "from 0 to 2"},
      {{{"temperature", "hot"}}, "temperature", "must be a number"},
      {{{"temperature", -1}}, "temperature", "from 0"},
      {{{"top_p", 1.01}}, "top_p", "from 0 to 1"},
      {{{"n", 0}}, "n", "1 to 128"},
      {{{"n", 129}}, "n", "1 to 128"},
      {{{"n", 1.5}}, "n", "whole number"},
      {{{"max_tokens", -1}}, "max_tokens", "from 1"},
      {{{"max_tokens", 9223372036854775807u}}, "max_tokens", "from 1"},
      {{{"max_tokens", 18446744073709551615u}}, "max_tokens", "from 1"},
      {{{"max_tokens", "5"}}, "max_tokens", "whole number"},
      {{{"top_logprobs", 3}}, "top_logprobs", "needs logprobs"},
      {{{"top_logprobs", 21}, {"logprobs", true}}, "top_logprobs", "0 to 20"},
      {{{"stop", Json::array({"a", "b", "c", "d", "e"})}}, "stop", "at most 4"},
      {{{"stop", ""}}, "stop", "none of them empty"},
      {{{"logit_bias", {{"x", 1}}}}, "logit_bias", "token ids"},
      {{{"logit_bias", {{"1", 101}}}}, "logit_bias", "-100 to 100"},
      {{{"stream", "yes"}}, "stream", "true or false"},
      {{{"stream_options", Json::object()}}, "stream_options", "stream to be true"},
      {{{"stream", true}, {"stream_options", {{"include_usages", true}}}},
       "stream_options.include_usages",
       "did you mean stream_options.include_usage?"},
      {{{"messages", Json::array()}}, "messages", "at least one"},
      {{{"messages", "hi"}}, "messages", "must be a list"},
      {{{"messages", Json::array({{{"role", "king"}, {"content", "x"}}})}},
       "messages[0].role",
       "must be one of"},
      {{{"messages", Json::array({{{"role", "user"}, {"content", 5}}})}},
       "messages[0].content",
       "must be a string"},
      {{{"messages", Json::array({{{"role", "user"}}})}}, "messages[0].content", "missing"},
      {{{"messages",
         Json::array({{{"role", "user"},
                       {"content", Json::array({{{"type", "image_url"}, {"image_url", "x"}}})}}})}},
       "messages[0].content",
       "text only"},
      {{{"tool_choice", "required"}}, "tool_choice", "no tools"},
      {{{"tools", Json::array({{{"type", "retrieval"}}})}}, "tools[0].type", "function"},
      {{{"response_format", {{"type", "xml"}}}}, "response_format.type", "json_schema"},
      {{{"audio", {{"voice", "x"}}}}, "audio", "not supported"},
      {{{"functions", Json::array({1})}}, "functions", "not supported"},
      {{{"reasoning_effort", "huge"}}, "reasoning_effort", "one of none"},
  };
  TestServer s;
  s.start();
  for (const Case& c : cases) {
    const auto answer = s.post("/v1/chat/completions", chat_body(c.body));
    EXPECT_EQ(answer.status, 400) << c.body;
    const Json error = json_of(answer)["error"];
    EXPECT_EQ(error["param"], c.param) << error;
    EXPECT_THAT(error["message"].get<std::string>(), HasSubstr(c.says));
    for (const char* key : {"message", "type", "param", "code"}) EXPECT_TRUE(error.contains(key));
  }
}

TEST(OpenAiChat, UnknownFieldsThatChangeNothingAreAcceptedAndListed) {
  TestServer s;
  s.start();
  s.script("x", user_says("hi"));
  const auto answer =
      s.post("/v1/chat/completions",
             chat_body({{"user", "me"}, {"my_own_extension", 1}, {"top_p", nullptr}}));
  EXPECT_EQ(answer.status, 200);
  EXPECT_TRUE(answer.has("x-jiang-ignored: user, my_own_extension\r\n")) << answer.head;
}

TEST(OpenAiChat, BodiesThatAreNoJsonAreA400) {
  TestServer s;
  s.start();
  const std::string deep = std::string(5000, '[') + std::string(5000, ']');
  for (const std::string& body :
       {std::string(), std::string("{"), std::string("[]"), std::string("null"), std::string("{}x"),
        std::string("{\"model\":\"fake\",\"model\":\"fake\"}"), std::string("{\"a\":1e999999}"),
        std::string("{'a':1}"), std::string("\xEF\xBB\xBF{}"), std::string("{\"a\":\"\xff\"}"),
        deep}) {
    const auto answer = exchange(s.port(), request_text("POST", "/v1/chat/completions", {}, body));
    EXPECT_EQ(answer.status, 400) << body.substr(0, 60) << answer.body;
    EXPECT_TRUE(json_of(answer)["error"].contains("code"));
  }
  EXPECT_EQ(s.post("/v1/chat/completions", Json::object()).status, 400);
}

TEST(OpenAiChat, AnUnknownModelIsA404) {
  TestServer s;
  s.start();
  const auto answer = s.post("/v1/chat/completions", chat_body({{"model", "none"}}));
  EXPECT_EQ(answer.status, 404);
  EXPECT_EQ(json_of(answer)["error"]["code"], "model_not_found");
}

TEST(OpenAiChat, AnOverlongPromptIsA400WithBothNumbersInStreamsToo) {
  TestServer s;
  s.engine.context = 64;
  s.start();
  for (const bool stream : {false, true}) {
    Json body = chat_body({{"stream", stream}});
    body["messages"] = user_says(std::string(100, 'y').c_str());
    const auto answer = s.post("/v1/chat/completions", body);
    EXPECT_EQ(answer.status, 400);
    const Json error = json_of(answer)["error"];
    EXPECT_EQ(error["code"], "context_length_exceeded");
    EXPECT_EQ(error["n_ctx"], 64);
    EXPECT_GT(error["n_prompt_tokens"].get<int>(), 100);
  }
}

TEST(OpenAiChat, ALoadingModelHoldsTheRequestAndPings) {
  TestServer s;
  s.start();
  TestSocket socket(s.port());
  socket.send_all(
      request_text("POST", "/v1/chat/completions", {},
                   to_string(chat_body({{"model", "slow"}, {"stream", true}, {"max_tokens", 2}}))));
  ASSERT_TRUE(socket.read_until(": ping\n\n"));
  EXPECT_THAT(socket.received, HasSubstr("200 OK"));
  s.models->let_load();
  EXPECT_TRUE(socket.read_until("[DONE]"));
}

TEST(OpenAiChat, AClientThatLeavesFreesItsSlotInEveryPhase) {
  TestServer s;
  s.start();
  s.fake().hold();
  const std::string body = to_string(chat_body({{"stream", true}, {"max_tokens", 1000}}));
  TestSocket leaves(s.port());
  leaves.send_all(request_text("POST", "/v1/chat/completions", {}, body));
  s.wait_for([&] {
    const auto stats = s.models->fake->engine()->stats();
    return s.server->context().metrics.active == 1 && stats.running + stats.waiting >= 0;
  });
  leaves.hang_up();
  s.wait_for([&] { return s.server->context().metrics.active == 0; });
  s.fake().release();
  s.wait_for([&] {
    const auto stats = s.models->fake->engine()->stats();
    return stats.running == 0 && stats.waiting == 0;
  });
  const auto stats = s.models->fake->engine()->stats();
  EXPECT_EQ(stats.running + stats.waiting, 0);
  EXPECT_EQ(s.server->context().metrics.cancelled, 1u);
  EXPECT_EQ(s.server->context().admissions.of("fake")->n_running(), 0);
}

TEST(OpenAiChat, AFullQueueIsRefusedWithRetryAfter) {
  TestServer s;
  s.options.admission = {.slots = 1, .reserve = 0, .max_waiting = 2, .max_waiting_per_account = 1};
  s.start();
  s.fake().hold();
  const std::string text =
      request_text("POST", "/v1/chat/completions", {}, to_string(chat_body({{"max_tokens", 2}})));
  TestSocket running(s.port());
  running.send_all(text);
  s.wait_for([&] { return s.server->context().admissions.of("fake")->n_running() == 1; });
  TestSocket waiting(s.port());
  waiting.send_all(text);
  s.wait_for([&] { return s.server->context().admissions.of("fake")->n_waiting() == 1; });
  const auto refused = s.post("/v1/chat/completions", chat_body());
  EXPECT_EQ(refused.status, 429);
  EXPECT_TRUE(refused.has("retry-after: "));
  EXPECT_EQ(json_of(refused)["error"]["code"], "rate_limit_exceeded");
  // Before anything is made of the request, whatever model it is for, and in the form of its API.
  for (const char* path : {"/v1/completions", "/v1/responses", "/v1/messages", "/api/chat"}) {
    const auto early = s.post(path, Json{{"model", "scripted"}, {"no such", "field"}});
    EXPECT_EQ(early.status, 429) << path;
    EXPECT_TRUE(early.has("retry-after: ")) << path;
  }
  EXPECT_EQ(s.server->context().metrics.refused, 5u);
  EXPECT_EQ(s.post("/tokenize", Json{{"model", "fake"}, {"content", "a"}}).status, 200);
  s.fake().release();
  EXPECT_EQ(parse_answer(running.read_to_end()).status, 200);
  EXPECT_EQ(parse_answer(waiting.read_to_end()).status, 200);
}

TEST(OpenAiChat, StoppingEndsStreamsWithAnErrorEvent) {
  TestServer s;
  s.start();
  s.fake().hold();
  TestSocket socket(s.port());
  socket.send_all(request_text("POST", "/v1/chat/completions", {},
                               to_string(chat_body({{"stream", true}, {"max_tokens", 1000}}))));
  ASSERT_TRUE(socket.read_until(": ping"));
  s.server->stop(0.01, 10);
  const auto answer = parse_answer(socket.read_to_end());
  EXPECT_THAT(answer.body, HasSubstr("server_stopping"));
  EXPECT_THAT(answer.body, HasSubstr("[DONE]"));
  s.fake().release();
}

TEST(OpenAiChat, SixteenGreedyStreamsEqualTheirSoloRuns) {
  TestServer s;
  s.start();
  const auto request = [&](int i) {
    Json body = chat_body({{"max_tokens", 40}});
    body["messages"] = user_says(("prompt " + std::to_string(i)).c_str());
    return body;
  };
  std::vector<std::string> solo;
  for (int i = 0; i < 16; ++i)
    solo.push_back(
        json_of(s.post("/v1/chat/completions", request(i)))["choices"][0]["message"]["content"]);
  std::vector<std::unique_ptr<TestSocket>> sockets;
  for (int i = 0; i < 16; ++i) {
    sockets.push_back(std::make_unique<TestSocket>(s.port()));
    sockets.back()->send_all(
        request_text("POST", "/v1/chat/completions", {}, to_string(request(i))));
  }
  for (size_t i = 0; i < 16; ++i) {
    const Json body = json_of(parse_answer(sockets[i]->read_to_end()));
    EXPECT_EQ(body["choices"][0]["message"]["content"], solo[i]) << i;
  }
}

const std::vector<ChatEvent> kTwoCalls = {
    ReasoningDelta{"think"},
    TextDelta{"I look."},
    ToolCallDelta{.index = 0, .id = "call_a", .name = "look", .arguments = "{\"x\":"},
    ToolCallDelta{.index = 0, .arguments = "1}"},
    ToolCallDelta{.index = 1, .id = "call_b", .name = "see"},
    ToolCallDelta{.index = 1, .arguments = "{}"},
    ChatFinish{.reason = ChatFinishReason::tool_calls}};

Json with_tools(Json more = Json::object()) {
  const auto tool = [](const char* name) {
    return Json{{"type", "function"},
                {"function", {{"name", name}, {"parameters", {{"type", "object"}}}}}};
  };
  Json body =
      chat_body({{"model", "scripted"}, {"tools", Json::array({tool("look"), tool("see")})}});
  for (auto& [key, value] : more.items()) body[key] = value;
  return body;
}

TEST(OpenAiTools, StreamsFirstTheCallThenItsArguments) {
  TestServer s;
  s.start();
  s.models->scripted->events = kTwoCalls;
  const auto answer = s.post("/v1/chat/completions", with_tools({{"stream", true}}));
  ASSERT_EQ(answer.status, 200) << answer.body;
  std::vector<Json> deltas;
  std::string finish, reasoning;
  for (const std::string& event : events_of(answer.body)) {
    if (event == "[DONE]") continue;
    const Json choice = parse_json(event, "chunk").value()["choices"][0];
    if (!choice["finish_reason"].is_null()) finish = choice["finish_reason"];
    if (choice["delta"].contains("reasoning_content"))
      reasoning = choice["delta"]["reasoning_content"];
    if (!choice["delta"].contains("tool_calls")) continue;
    ASSERT_EQ(choice["delta"]["tool_calls"].size(), 1u);
    deltas.push_back(choice["delta"]["tool_calls"][0]);
  }
  EXPECT_EQ(finish, "tool_calls");
  EXPECT_EQ(reasoning, "think");
  ASSERT_EQ(deltas.size(), 5u);
  EXPECT_EQ(deltas[0], (Json{{"index", 0},
                             {"id", "call_a"},
                             {"type", "function"},
                             {"function", {{"name", "look"}, {"arguments", ""}}}}));
  EXPECT_EQ(deltas[1], (Json{{"index", 0}, {"function", {{"arguments", "{\"x\":"}}}}));
  EXPECT_EQ(deltas[2], (Json{{"index", 0}, {"function", {{"arguments", "1}"}}}}));
  EXPECT_EQ(deltas[3]["id"], "call_b");
  EXPECT_EQ(deltas[3]["index"], 1);
  EXPECT_EQ(deltas[4], (Json{{"index", 1}, {"function", {{"arguments", "{}"}}}}));
}

TEST(OpenAiTools, WholeAnswersHoldTheCallsAndTheReasoning) {
  TestServer s;
  s.start();
  s.models->scripted->events = kTwoCalls;
  const Json body = json_of(s.post("/v1/chat/completions", with_tools()));
  const Json& message = body["choices"][0]["message"];
  EXPECT_EQ(message["content"], "I look.");
  EXPECT_EQ(message["reasoning_content"], "think");
  ASSERT_EQ(message["tool_calls"].size(), 2u) << body;
  EXPECT_EQ(message["tool_calls"][0]["function"]["arguments"], "{\"x\":1}");
  EXPECT_EQ(message["tool_calls"][1]["id"], "call_b");
  EXPECT_EQ(body["choices"][0]["finish_reason"], "tool_calls");
}

TEST(OpenAiTools, WhatTheClientChoseReachesTheModel) {
  TestServer s;
  s.start();
  s.models->scripted->events = {ChatFinish{}};
  const auto asked = [&](Json more) -> const ChatRequest& {
    EXPECT_EQ(s.post("/v1/chat/completions", with_tools(std::move(more))).status, 200);
    return s.models->scripted->asked;
  };
  using Kind = ToolChoice::Kind;
  EXPECT_EQ(asked({}).tool_choice.kind, Kind::automatic);
  EXPECT_EQ(asked({{"tool_choice", "none"}}).tool_choice.kind, Kind::none);
  EXPECT_EQ(asked({{"tool_choice", "required"}}).tool_choice.kind, Kind::required);
  const ChatRequest& named =
      asked({{"tool_choice", {{"type", "function"}, {"function", {{"name", "see"}}}}},
             {"parallel_tool_calls", false}});
  EXPECT_EQ(named.tool_choice.kind, Kind::named);
  EXPECT_EQ(named.tool_choice.name, "see");
  EXPECT_FALSE(named.parallel_tool_calls);
  const ChatRequest& shaped =
      asked({{"response_format",
              {{"type", "json_schema"},
               {"json_schema", {{"name", "n"}, {"schema", {{"type", "array"}}}}}}},
             {"reasoning_effort", "none"},
             {"logit_bias", {{"5", -100}}},
             {"seed", -1}});
  EXPECT_EQ(shaped.format.kind, ResponseFormat::Kind::json_schema);
  EXPECT_EQ(shaped.format.schema["type"], "array");
  EXPECT_EQ(shaped.thinking, false);
  EXPECT_EQ(shaped.sampling.logit_bias.front().second, -100);
  EXPECT_EQ(shaped.sampling.seed, ~uint64_t{0});
}

TEST(OpenAiChat, AnErrorInTheMiddleIsAnEventAndWithoutAStreamA500) {
  TestServer s;
  s.start();
  s.models->scripted->events = {TextDelta{"so far"},
                                ChatFinish{.reason = ChatFinishReason::error,
                                           .error = Error{ErrorKind::bad_numbers, "no numbers"}}};
  const auto stream =
      s.post("/v1/chat/completions", chat_body({{"model", "scripted"}, {"stream", true}}));
  EXPECT_EQ(stream.status, 200);
  EXPECT_THAT(stream.body, HasSubstr("so far"));
  EXPECT_THAT(stream.body, HasSubstr("data: {\"error\":{\"message\":\"no numbers\""));
  const auto whole = s.post("/v1/chat/completions", chat_body({{"model", "scripted"}}));
  EXPECT_EQ(whole.status, 500);
  EXPECT_EQ(json_of(whole)["error"]["message"], "no numbers");
}

TEST(OpenAiCompletions, ContinuesTextAndIdsAndLists) {
  TestServer s;
  s.start();
  const auto one = json_of(
      s.post("/v1/completions", {{"prompt", "abc"}, {"temperature", 0}, {"max_tokens", 4}}));
  ASSERT_EQ(one["choices"].size(), 1u) << one;
  EXPECT_EQ(one["object"], "text_completion");
  EXPECT_EQ(one["usage"]["completion_tokens"], 4);
  const auto ids = s.models->fake->chat_model()->raw_prompt("abc");
  const auto same =
      json_of(s.post("/v1/completions", {{"prompt", ids}, {"temperature", 0}, {"max_tokens", 4}}));
  EXPECT_EQ(same["choices"][0]["text"], one["choices"][0]["text"]);
  const auto many = json_of(s.post("/v1/completions", {{"prompt", Json::array({"abc", "abc"})},
                                                       {"temperature", 0},
                                                       {"max_tokens", 4},
                                                       {"echo", true}}));
  ASSERT_EQ(many["choices"].size(), 2u) << many;
  EXPECT_EQ(many["choices"][1]["text"], "abc" + one["choices"][0]["text"].get<std::string>());
  EXPECT_EQ(many["usage"]["prompt_tokens"], 2 * one["usage"]["prompt_tokens"].get<int>());
}

TEST(OpenAiCompletions, RefusesPromptsThatAreNone) {
  TestServer s;
  s.start();
  for (const Json& prompt : {Json(), Json(""), Json(5), Json::array(), Json::array({"a", ""}),
                             Json::array({-1}), Json::array({1.5})}) {
    EXPECT_EQ(s.post("/v1/completions", {{"prompt", prompt}}).status, 400) << prompt;
  }
  EXPECT_EQ(s.post("/v1/completions", {{"prompt", "a"}, {"best_of", 1000000}}).status, 400);
  EXPECT_EQ(s.post("/v1/completions", {{"prompt", Json::array({100000})}}).status, 400)
      << "beyond the vocabulary";
}

TEST(OpenAiEmbeddings, Base64AndFloatsAreTheSameNumbers) {
  TestServer s;
  s.start();
  const auto floats = json_of(s.post("/v1/embeddings", {{"model", "fake"}, {"input", "text"}}));
  ASSERT_EQ(floats["data"].size(), 1u) << floats;
  const auto vector = floats["data"][0]["embedding"].get<std::vector<float>>();
  ASSERT_FALSE(vector.empty());
  const auto packed = json_of(s.post(
      "/v1/embeddings",
      {{"model", "fake"}, {"input", Json::array({"text", "b"})}, {"encoding_format", "base64"}}));
  ASSERT_EQ(packed["data"].size(), 2u);
  const auto bytes = decode_base64(packed["data"][0]["embedding"].get<std::string>());
  ASSERT_TRUE(bytes);
  ASSERT_EQ(bytes->size(), vector.size() * 4);
  EXPECT_EQ(std::memcmp(bytes->data(), vector.data(), bytes->size()), 0);
  EXPECT_GT(packed["usage"]["prompt_tokens"].get<int>(), 1);
}

TEST(OpenAiEmbeddings, RefusesInputsThatAreNone) {
  TestServer s;
  s.start();
  for (const Json& input : {Json(), Json(""), Json(1), Json::array(), Json::array({""})})
    EXPECT_EQ(s.post("/v1/embeddings", {{"input", input}}).status, 400) << input;
  EXPECT_EQ(s.post("/v1/embeddings", {{"input", "a"}, {"dimensions", 7}}).status, 400);
}

TEST(OpenAiModels, AreASupersetOfBothDialects) {
  TestServer s;
  s.start();
  const Json list = json_of(s.get("/v1/models"));
  EXPECT_EQ(list["object"], "list");
  EXPECT_EQ(list["data"][0]["id"], "fake");
  EXPECT_EQ(list["data"][0]["object"], "model");
  EXPECT_EQ(list["data"][0]["type"], "model");
  EXPECT_EQ(list["first_id"], "fake");
  EXPECT_EQ(list["has_more"], false);
  EXPECT_EQ(json_of(s.get("/v1/models/org%2Fslow:tag"))["id"], "org/slow:tag");
  EXPECT_EQ(json_of(s.get("/v1/models/org/slow:tag"))["id"], "org/slow:tag");
  EXPECT_EQ(s.get("/v1/models/none").status, 404);
}

TEST(OpenAiModels, WhatIsNotTheCallersIsNotThereInAnyDialect) {
  const Json chat = {{"model", "scripted"}, {"max_tokens", 5}, {"messages", user_says("q")}};
  const Json inputs = {{"model", "scripted"}, {"input", "q"}, {"content", "q"}, {"tokens", {1}}};
  const struct {
    const char* path;
    const Json& body;
    bool is_known;  // to everybody else
  } rows[] = {{"/v1/chat/completions", chat, true},      {"/v1/messages", chat, true},
              {"/v1/messages/count_tokens", chat, true}, {"/api/chat", chat, true},
              {"/v1/embeddings", inputs, false},         {"/tokenize", inputs, false}};
  for (const bool is_kept : {false, true}) {
    TestServer s;
    s.more_routes = [&](ServerContext& context) {
      context.may_use = [&](const Caller&, const std::string& model) {
        return !is_kept || (model != "scripted" && model != "org/slow:tag");
      };
      return std::vector<Route>();
    };
    s.start();
    s.models->scripted->events = {TextDelta{"a"}, ChatFinish{}};
    for (const auto& row : rows) {
      const int status = s.post(row.path, row.body).status;
      EXPECT_EQ(status == 404, is_kept) << row.path << " " << status;
      if (!is_kept && row.is_known) {
        EXPECT_EQ(status, 200) << row.path;
      }
    }
    EXPECT_EQ(json_of(s.get("/v1/models"))["data"].size(), is_kept ? 1u : 2u);
    EXPECT_EQ(s.get("/v1/models/org/slow:tag").status, is_kept ? 404 : 200);
  }
}

TEST(OpenAiResponses, StreamsTheEventsInTheOrderThatClientsNeed) {
  TestServer s;
  s.start();
  s.script("hey", user_says("hi"));
  const auto answer = s.post(
      "/v1/responses", {{"model", "fake"}, {"input", "hi"}, {"stream", true}, {"temperature", 0}});
  ASSERT_EQ(answer.status, 200) << answer.body;
  std::vector<std::string> types;
  int64_t next = 0;
  Json last;
  for (const std::string& text : events_of(answer.body)) {
    last = parse_json(text, "event").value();
    EXPECT_EQ(last["sequence_number"], next++);
    if (types.empty() || types.back() != last["type"]) types.push_back(last["type"]);
  }
  EXPECT_THAT(types, testing::ElementsAre(
                         "response.created", "response.in_progress", "response.output_item.added",
                         "response.content_part.added", "response.output_text.delta",
                         "response.output_text.done", "response.content_part.done",
                         "response.output_item.done", "response.completed"));
  EXPECT_EQ(last["response"]["output"][0]["content"][0]["text"], "hey");
  EXPECT_EQ(last["response"]["status"], "completed");
}

TEST(OpenAiResponses, TakesItemsAndRefusesState) {
  TestServer s;
  s.start();
  s.script("hey", user_says("hi"));
  const auto whole = json_of(s.post(
      "/v1/responses",
      {{"input",
        Json::array({{{"role", "user"},
                      {"content", Json::array({{{"type", "input_text"}, {"text", "hi"}}})}}})},
       {"temperature", 0}}));
  EXPECT_EQ(whole["output"][0]["content"][0]["text"], "hey") << whole;
  EXPECT_EQ(whole["usage"]["output_tokens"], 3);
  const auto refused =
      s.post("/v1/responses", {{"input", "x"}, {"previous_response_id", "resp_1"}});
  EXPECT_EQ(refused.status, 400);
  EXPECT_EQ(json_of(refused)["error"]["param"], "previous_response_id");
}

TEST(Native, TokenizeAndBack) {
  TestServer s;
  s.start();
  const Json tokens = json_of(s.post("/tokenize", {{"content", "abc"}}));
  ASSERT_TRUE(tokens["tokens"].is_array()) << tokens;
  EXPECT_EQ(json_of(s.post("/detokenize", {{"tokens", tokens["tokens"]}}))["content"], "abc");
  EXPECT_EQ(s.post("/detokenize", {{"tokens", Json::array({-1})}}).status, 400);
  EXPECT_EQ(s.post("/detokenize", Json::object()).status, 400);
}

TEST(Native, HealthReadyMetricsAndSlots) {
  TestServer s;
  s.start();
  s.script("hello", user_says("hi"));
  s.post("/v1/chat/completions", chat_body());
  EXPECT_EQ(json_of(s.get("/health"))["status"], "ok");
  EXPECT_EQ(json_of(s.get("/ready"))["status"], "ready");
  s.models->seconds_in_step = 500;
  EXPECT_EQ(s.get("/ready").status, 503);
  EXPECT_EQ(json_of(s.get("/ready"))["status"], "stuck");
  s.models->seconds_in_step = 0;
  const auto metrics = s.get("/metrics");
  EXPECT_TRUE(metrics.has("content-type: text/plain; version=0.0.4"));
  EXPECT_THAT(metrics.body, HasSubstr("jiang_answers_total 1\n"));
  EXPECT_THAT(metrics.body, HasSubstr("jiang_generated_tokens_total 5\n"));
  EXPECT_THAT(metrics.body, HasSubstr("jiang_time_to_first_token_seconds_count 1\n"));
  EXPECT_THAT(metrics.body, HasSubstr("jiang_model_loaded{model=\"fake\"} 1\n"));
  EXPECT_THAT(metrics.body,
              HasSubstr("jiang_model_guessed_tokens_total{model=\"fake\",source=\"draft\"} 0\n"));
  EXPECT_EQ(json_of(s.get("/slots"))["models"][0]["running"], 0);
}

TEST(Native, EveryRouteSurvivesAnEmptyObjectAndRubbish) {
  TestServer s;
  s.start();
  for (const Route& route : all_routes(s.server->context())) {
    std::string path = route.pattern;
    if (const size_t brace = path.find('{'); brace != std::string::npos)
      path.resize(brace), path += "x";
    for (const char* body : {"{}", "[", "\"\\ud800\"", ""}) {
      const auto answer = exchange(s.port(), request_text(route.method, path, {}, body));
      EXPECT_GE(answer.status, 200) << route.method << " " << path << " " << body;
      EXPECT_LT(answer.status, 500) << route.method << " " << path << " " << body << answer.body;
    }
  }
}

}  // namespace
}  // namespace jiang
