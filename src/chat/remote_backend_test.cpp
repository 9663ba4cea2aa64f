#include "chat/remote_backend.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstdlib>

#include "base/json_value.h"
#include "chat/remote_protocol.h"
#include "tests/support/loopback_server.h"
#include "tests/support/temp_folder.h"

namespace jiang {
namespace {

using testing::HasSubstr;
using testing::Not;

constexpr const char* kKey = "sk-test-secret-123";

std::string sse(const std::vector<std::string>& events) {
  std::string out =
      "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n";
  for (const std::string& event : events) out += event + "\n\n";
  return out;
}

std::string body_of(const std::string& request) {
  return request.substr(request.find("\r\n\r\n") + 4);
}

struct RemoteAnswer {
  std::string text, reasoning, calls;
  ChatFinish finish;
};

struct RemoteFixture {
  RemoteFixture(std::string answer, const char* provider, bool then_stall = false)
      : server([answer, then_stall](const std::string&) {
          return LoopbackServer::Answer{answer, then_stall};
        }) {
    client = HttpClient::create().value();
    backend =
        make_remote_backend(
            {.provider = provider, .model = "m-1", .base_url = server.url("/base/"), .key = kKey},
            client)
            .value();
    request.messages = *parse_json(R"([{"role": "system", "content": "be brief"},
        {"role": "user", "content": "hi"}])",
                                   "messages");
  }
  RemoteAnswer run() {
    auto stream = backend->start(request);
    EXPECT_TRUE(stream) << stream.error().message;
    RemoteAnswer answer;
    while (const auto event = (*stream)->next_within(-1)) {
      if (const auto* text = std::get_if<TextDelta>(&*event)) answer.text += text->text;
      if (const auto* text = std::get_if<ReasoningDelta>(&*event)) answer.reasoning += text->text;
      if (const auto* finish = std::get_if<ChatFinish>(&*event)) answer.finish = *finish;
      if (const auto* call = std::get_if<ToolCallDelta>(&*event))
        answer.calls +=
            fmt::format("{}:{}{}{};", call->index, call->id, call->name, call->arguments);
    }
    return answer;
  }
  Json sent() const { return parse_json(body_of(server.requests().at(0)), "body").value(); }

  LoopbackServer server;
  std::shared_ptr<HttpClient> client;
  std::unique_ptr<ChatBackend> backend;
  ChatRequest request;
};

TEST(RemoteBackend, SpeaksOpenAi) {
  RemoteFixture f(
      sse({R"(data: {"choices":[{"delta":{"role":"assistant","content":""},"finish_reason":null}]})",
           ": ping", R"(data: {"choices":[{"delta":{"reasoning_content":"hm"}}]})",
           R"(data: {"choices":[{"delta":{"content":"Hel"}}]})",
           R"(data: {"choices":[{"delta":{"content":"lo"}}]})",
           R"(data: {"choices":[{"delta":{"tool_calls":[{"index":0,"id":"c1","type":"function","function":{"name":"f","arguments":""}}]}}]})",
           R"(data: {"choices":[{"delta":{"tool_calls":[{"index":0,"function":{"arguments":"{\"a\":1}"}}]}}]})",
           R"(data: {"choices":[{"delta":{},"finish_reason":"tool_calls"}]})",
           R"(data: {"choices":[],"usage":{"prompt_tokens":7,"completion_tokens":5,"prompt_tokens_details":{"cached_tokens":3}}})",
           "data: [DONE]"}),
      "openai");
  f.request.tools =
      *parse_json(R"([{"type":"function","function":{"name":"f","parameters":{}}}])", "t");
  f.request.tool_choice = {.kind = ToolChoice::Kind::named, .name = "f"};
  f.request.max_tokens = 9;
  f.request.stop = {"END"};
  const RemoteAnswer answer = f.run();
  EXPECT_EQ(answer.text, "Hello");
  EXPECT_EQ(answer.reasoning, "hm");
  EXPECT_EQ(answer.calls, "0:c1f;0:{\"a\":1};");
  EXPECT_EQ(answer.finish.reason, ChatFinishReason::tool_calls);
  EXPECT_EQ(answer.finish.stats.prompt_tokens, 7);
  EXPECT_EQ(answer.finish.stats.cached_tokens, 3);
  EXPECT_EQ(answer.finish.stats.generated_tokens, 5);
  const std::string head = f.server.requests().at(0);
  EXPECT_THAT(head, HasSubstr("POST /base/chat/completions "));
  EXPECT_THAT(head, HasSubstr(std::string("Bearer ") + kKey));
  const Json sent = f.sent();
  EXPECT_EQ(sent["model"], "m-1");
  EXPECT_EQ(sent["max_tokens"], 9);
  EXPECT_EQ(sent["tool_choice"]["function"]["name"], "f");
  EXPECT_EQ(sent["stop"][0], "END");
}

TEST(RemoteBackend, SpeaksAnthropic) {
  RemoteFixture f(
      sse({R"(event: message_start
data: {"type":"message_start","message":{"usage":{"input_tokens":11,"output_tokens":1}}})",
           R"(event: content_block_delta
data: {"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":"hm"}})",
           R"(data: {"type":"content_block_delta","index":1,"delta":{"type":"text_delta","text":"Hi"}})",
           R"(data: {"type":"content_block_start","index":2,"content_block":{"type":"tool_use","id":"t1","name":"f","input":{}}})",
           R"(data: {"type":"content_block_delta","index":2,"delta":{"type":"input_json_delta","partial_json":"{\"a\":"}})",
           R"(data: {"type":"content_block_delta","index":2,"delta":{"type":"input_json_delta","partial_json":"1}"}})",
           R"(data: {"type":"message_delta","delta":{"stop_reason":"tool_use"},"usage":{"output_tokens":6}})",
           R"(data: {"type":"message_stop"})"}),
      "anthropic");
  f.request.messages = *parse_json(R"([{"role": "system", "content": "be brief"},
      {"role": "user", "content": "hi"},
      {"role": "assistant", "content": null, "tool_calls": [{"id": "t0", "type": "function",
        "function": {"name": "f", "arguments": "{\"x\": 2}"}}]},
      {"role": "tool", "tool_call_id": "t0", "content": "two"}, {"role": "user", "content": "so?"}])",
                                   "messages");
  f.request.tools = *parse_json(
      R"([{"type":"function","function":{"name":"f","description":"d","parameters":{"type":"object"}}}])",
      "t");
  f.request.tool_choice = {.kind = ToolChoice::Kind::required};
  const RemoteAnswer answer = f.run();
  EXPECT_EQ(answer.text, "Hi");
  EXPECT_EQ(answer.reasoning, "hm");
  EXPECT_EQ(answer.calls, "0:t1f;0:{\"a\":;0:1};");
  EXPECT_EQ(answer.finish.reason, ChatFinishReason::tool_calls);
  EXPECT_EQ(answer.finish.stats.prompt_tokens, 11);
  EXPECT_EQ(answer.finish.stats.generated_tokens, 6);
  EXPECT_THAT(f.server.requests().at(0), HasSubstr("POST /base/v1/messages "));
  const Json sent = f.sent();
  EXPECT_EQ(sent["system"], "be brief");
  ASSERT_EQ(sent["messages"].size(), 3u);
  EXPECT_EQ(sent["messages"][1]["content"][0]["input"]["x"], 2);
  EXPECT_EQ(sent["messages"][2]["content"][0]["tool_use_id"], "t0");
  EXPECT_EQ(sent["messages"][2]["content"][1]["text"], "so?");
  EXPECT_EQ(sent["tool_choice"]["type"], "any");
  EXPECT_EQ(sent["tools"][0]["input_schema"]["type"], "object");
}

TEST(RemoteBackend, ErrorsAreToldWithoutTheKey) {
  const std::string body =
      std::string(R"({"error":{"message":"Incorrect API key provided: )") + kKey + R"("}})";
  RemoteFixture f("HTTP/1.1 401 Unauthorized\r\ncontent-length: " + std::to_string(body.size()) +
                      "\r\nconnection: close\r\n\r\n" + body,
                  "openai");
  const RemoteAnswer answer = f.run();
  ASSERT_EQ(answer.finish.reason, ChatFinishReason::error);
  EXPECT_THAT(answer.finish.error->message, HasSubstr("401"));
  EXPECT_THAT(answer.finish.error->message, HasSubstr("Incorrect API key"));
  EXPECT_THAT(answer.finish.error->message, Not(HasSubstr(kKey)));
}

TEST(RemoteBackend, AnAnswerThatBreaksOffIsAnError) {
  RemoteFixture f(sse({R"(data: {"choices":[{"delta":{"content":"Hel"}}]})"}), "openai");
  const RemoteAnswer answer = f.run();
  EXPECT_EQ(answer.text, "Hel");
  EXPECT_EQ(answer.finish.reason, ChatFinishReason::error);
}

TEST(RemoteBackend, CancelEndsTheStream) {
  RemoteFixture f(sse({R"(data: {"choices":[{"delta":{"content":"Hel"}}]})"}), "openai", true);
  std::atomic<int> n_notified = 0;
  f.request.notify = [&] { ++n_notified; };
  auto stream = f.backend->start(f.request);
  ASSERT_TRUE(stream);
  EXPECT_TRUE((*stream)->next_within(-1));
  (*stream)->cancel();
  const auto event = (*stream)->next_within(-1);
  ASSERT_TRUE(event);
  EXPECT_EQ(std::get<ChatFinish>(*event).reason, ChatFinishReason::cancelled);
  EXPECT_FALSE((*stream)->next_within(-1));
  stream->reset();
  EXPECT_EQ(n_notified, 2);
  auto dropped = f.backend->start(f.request);  // destroyed in the middle
  EXPECT_TRUE((*dropped)->next_within(-1));
}

TEST(RemoteBackend, WhatCannotBeAskedIsRefused) {
  RemoteFixture f(sse({}), "openai");
  ChatRequest raw = f.request;
  raw.raw_text = "x";
  EXPECT_EQ(f.backend->start(raw).error().kind, ErrorKind::unsupported);
  ChatRequest endless = f.request;
  endless.ignore_eos = true;
  EXPECT_THAT(f.backend->start(endless).error().message, HasSubstr("ignore_eos"));
  EXPECT_FALSE(f.backend->count_tokens(f.request));
  EXPECT_THAT(make_remote_backend({.provider = "nobody", .model = "m"}, f.client).error().message,
              HasSubstr("nobody"));
  EXPECT_FALSE(make_remote_backend({.provider = "openai"}, f.client));
}

TEST(RemoteBackend, SamplingIsSentOrRefusedByName) {
  using Change = void (*)(ChatRequest&);
  struct Case {
    Change change;
    std::vector<std::string> refused_by;
    const char* says;
  };
  const std::vector<Case> cases = {
      {[](ChatRequest& r) { r.sampling.top_k = 3; }, {"openai", "zhipu"}, "top_k"},
      {[](ChatRequest& r) { r.sampling.min_p = 0.3f; },
       {"openai", "zhipu", "anthropic", "dashscope"},
       "min_p"},
      {[](ChatRequest& r) { r.sampling.repeat_penalty = 1.2f; },
       {"openai", "zhipu", "anthropic"},
       "repeat_penalty"},
      {[](ChatRequest& r) { r.sampling.seed = 3; }, {"anthropic"}, "seed"},
      {[](ChatRequest& r) { r.sampling.presence_penalty = 1; }, {"anthropic"}, "presence"},
      {[](ChatRequest& r) { r.sampling.temperature = 1.5f; }, {"anthropic"}, "above 1"},
      {[](ChatRequest& r) { r.sampling.temperature = r.sampling.top_p = 0.5f; },
       {"anthropic"},
       "together"}};
  for (const char* provider : {"openai", "zhipu", "anthropic", "dashscope"}) {
    RemoteFixture f(sse({}), provider);
    for (const Case& one : cases) {
      ChatRequest request = f.request;
      one.change(request);
      const auto stream = f.backend->start(request);
      const bool is_refused =
          std::count(one.refused_by.begin(), one.refused_by.end(), provider) > 0;
      EXPECT_EQ(!stream, is_refused) << provider << " " << one.says;
      if (!stream) {
        EXPECT_THAT(stream.error().message, HasSubstr(one.says));
      }
    }
  }
  RemoteFixture f(sse({"data: [DONE]"}), "dashscope");
  f.request.sampling.top_k = 3;
  f.request.sampling.repeat_penalty = 1.25f;
  f.run();
  EXPECT_EQ(f.sent()["top_k"], 3);
  EXPECT_EQ(f.sent()["repetition_penalty"], 1.25);
}

TEST(RemoteBackend, KeysComeFromTheEnvironmentOrAPrivateFile) {
  const RemoteProvider& provider = **find_remote_provider("zhipu");
  const TempFolder folder;
  const std::string path = folder.write("key", "abc.def\n");
  ::chmod(path.c_str(), 0644);
  EXPECT_THAT(read_remote_key(provider, path, "").error().message, HasSubstr("chmod 600"));
  ::chmod(path.c_str(), 0600);
  EXPECT_EQ(read_remote_key(provider, path, "").value(), "abc.def");
  ::setenv("JIANG_TEST_REMOTE_KEY", "k1", 1);
  EXPECT_EQ(read_remote_key(provider, "", "JIANG_TEST_REMOTE_KEY").value(), "k1");
  ::unsetenv("JIANG_TEST_REMOTE_KEY");
  EXPECT_THAT(read_remote_key(provider, "", "JIANG_TEST_REMOTE_KEY").error().message,
              HasSubstr("JIANG_TEST_REMOTE_KEY"));
}

TEST(SseReader, AtEveryCut) {
  const std::string text =
      "data: a\r\n\r\n: ping\n\nevent: x\ndata: b\ndata:c\n\nid: 1\n\ndata: d\r\r";
  for (size_t cut = 0; cut <= text.size(); ++cut) {
    SseReader reader;
    std::vector<std::string> all = reader.feed(text.substr(0, cut)).value();
    std::vector<std::string> rest = reader.feed(text.substr(cut)).value();
    for (std::string& one : rest) all.push_back(std::move(one));
    EXPECT_EQ(all, (std::vector<std::string>{"a", "b\nc", "d"})) << cut;
  }
}

}  // namespace
}  // namespace jiang
