// Tools and formats through the local backend, with a model that draws at random.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "base/json_value.h"
#include "chat/local_backend.h"
#include "chat/tool_traits.h"
#include "tests/support/fake_model.h"
#include "tests/support/tiny_tokenizer.h"
#include "text/json_schema.h"

namespace jiang {
namespace {

using testing::HasSubstr;

constexpr const char* kPlain =
    "{% for m in messages %}{{ '<|im_start|>' + m.role + '\\n' + m.content + '<|im_end|>\\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}";
// Tools in the way of Mistral, whose marker is a special token here.
constexpr const char* kMistral =
    "{% if tools %}[AVAILABLE_TOOLS]{{ tools | tojson }}[/AVAILABLE_TOOLS]{% endif %}"
    "{% for m in messages %}{% if m.tool_calls %}[TOOL_CALLS][{% for c in m.tool_calls %}"
    "{{ {'name': c.function.name, 'arguments': c.function.arguments} | tojson }}{% endfor %}]"
    "{% else %}[INST]{{ m.content }}[/INST]{% endif %}{% endfor %}";

const Json& tools() {
  static const Json list = *parse_json(R"([
    {"type": "function", "function": {"name": "get_weather", "description": "d", "parameters":
      {"type": "object", "properties": {"city": {"type": "string"}, "unit": {"enum": ["c", "f"]}},
       "required": ["city", "unit"]}}},
    {"type": "function", "function": {"name": "now"}}])",
                                       "tools");
  return list;
}

struct ToolAnswer {
  std::string text, reasoning;
  struct Call {
    std::string id, name, arguments;
  };
  std::vector<Call> calls;
  ChatFinish finish;
};

struct ToolFixture {
  explicit ToolFixture(const char* source, const std::string& script = "") {
    TextAssets assets;
    TinyTokens tokens;
    tokens.special = {"<s>", "</s>", "<|im_start|>", "<|im_end|>", "[TOOL_CALLS]"};
    assets.tokenizer = tiny_tokenizer(tokens);
    assets.chat_template = source;
    chat = ChatModel::create(assets).value();
    if (!script.empty()) {
      fake->script = chat->tokenizer().encode(script, {.parse_specials = true});
      fake->script.push_back(*chat->tokenizer().find("<|im_end|>"));
    }
    engine = Engine::create(fake, pool, {}).value();
    backend = make_local_backend(*chat, *engine);
    request.messages = Json::array({{{"role", "user"}, {"content", "hi"}}});
    request.tools = tools();
    request.max_tokens = 300;
    request.sampling = {.temperature = 1, .top_k = 0, .top_p = 1, .min_p = 0, .seed = 1};
  }
  ToolAnswer run() {
    fake->script_prompt_length = backend->count_tokens(request).value();
    auto stream = backend->start(request);
    EXPECT_TRUE(stream) << stream.error().message;
    ToolAnswer answer;
    while (const auto event = (*stream)->next_within(-1)) {
      if (const auto* text = std::get_if<TextDelta>(&*event)) answer.text += text->text;
      if (const auto* text = std::get_if<ReasoningDelta>(&*event)) answer.reasoning += text->text;
      if (const auto* finish = std::get_if<ChatFinish>(&*event)) answer.finish = *finish;
      if (const auto* call = std::get_if<ToolCallDelta>(&*event)) {
        if (!call->name.empty()) answer.calls.push_back({call->id, call->name, ""});
        EXPECT_EQ(static_cast<size_t>(call->index) + 1, answer.calls.size());
        answer.calls.back().arguments += call->arguments;
      }
    }
    return answer;
  }

  ChatRequest request;
  ThreadPool pool{1};
  std::shared_ptr<FakeModel> fake = std::make_shared<FakeModel>(262);
  std::optional<ChatModel> chat;
  std::unique_ptr<Engine> engine;
  std::unique_ptr<ChatBackend> backend;
};

void expect_valid(const ToolAnswer& answer) {
  std::set<std::string> ids;
  for (const ToolAnswer::Call& call : answer.calls) {
    EXPECT_TRUE(ids.insert(call.id).second);
    const auto arguments = parse_json(call.arguments, "arguments");
    ASSERT_TRUE(arguments) << call.arguments;
    const Json& schema = tools()[0]["function"]["parameters"];
    if (call.name == "now") {
      EXPECT_EQ(call.arguments, "{}");
    } else {
      EXPECT_EQ(call.name, "get_weather");
      EXPECT_TRUE(validate_json(schema, *arguments)) << call.arguments;
    }
  }
}

TEST(ToolCalls, ChoiceIsEnforced) {
  for (const char* source : {kPlain, kMistral}) {
    ToolFixture f(source);
    for (uint64_t seed = 0; seed < 6; ++seed) {
      f.request.sampling.seed = seed;
      f.request.tool_choice = {.kind = ToolChoice::Kind::required};
      const ToolAnswer required = f.run();
      EXPECT_EQ(required.finish.reason, ChatFinishReason::tool_calls) << required.text;
      EXPECT_FALSE(required.calls.empty());
      EXPECT_EQ(required.text, "");
      expect_valid(required);

      f.request.tool_choice = {.kind = ToolChoice::Kind::named, .name = "get_weather"};
      const ToolAnswer named = f.run();
      ASSERT_EQ(named.calls.size(), 1u);
      EXPECT_EQ(named.calls[0].name, "get_weather");
      expect_valid(named);

      f.request.tool_choice = {.kind = ToolChoice::Kind::none};
      EXPECT_TRUE(f.run().calls.empty());

      f.request.tool_choice = {.kind = ToolChoice::Kind::automatic};
      expect_valid(f.run());
    }
    f.request.tool_choice = {.kind = ToolChoice::Kind::named, .name = "fly"};
    EXPECT_THAT(f.backend->start(f.request).error().message, HasSubstr("\"fly\""));
  }
}

TEST(ToolCalls, WhatTheModelWantsToSayIsReadThroughItsMarkers) {
  ToolFixture f(kMistral,
                "I look.[TOOL_CALLS][{\"name\": \"get_weather\", \"arguments\": "
                "{\"city\": \"Paris\", \"unit\": \"c\"}}]");
  EXPECT_TRUE(f.backend->capabilities().tools);
  f.request.sampling.temperature = 0;
  const ToolAnswer answer = f.run();
  EXPECT_EQ(answer.text, "I look.");
  ASSERT_EQ(answer.calls.size(), 1u);
  EXPECT_EQ(answer.calls[0].arguments, R"({"city": "Paris", "unit": "c"})");
  EXPECT_EQ(answer.calls[0].id.size(), 9u);
  EXPECT_EQ(answer.finish.reason, ChatFinishReason::tool_calls);
}

TEST(ToolCalls, ABadToolOrParameterIsNamed) {
  ToolFixture f(kPlain);
  f.request.tools[0]["function"]["parameters"]["properties"]["city"]["not"] = Json::object();
  EXPECT_THAT(f.backend->start(f.request).error().message,
              HasSubstr("tools[0].function.parameters/properties/city/not"));
}

TEST(ToolCalls, ToldInWordsWhereTheTemplateKnowsNone) {
  const Json messages = *parse_json(R"([{"role": "user", "content": "q"},
    {"role": "assistant", "content": null, "tool_calls": [{"id": "1", "type": "function",
      "function": {"name": "f", "arguments": "{\"a\": 1}"}}]},
    {"role": "tool", "tool_call_id": "1", "content": "r1"},
    {"role": "tool", "tool_call_id": "2", "content": [{"type": "text", "text": "r2"}]}])",
                                    "messages");
  const auto words = tools_in_words(messages, tools());
  ASSERT_TRUE(words) << words.error().message;
  ASSERT_EQ(words->size(), 4u);
  EXPECT_THAT((*words)[0]["content"].get<std::string>(), HasSubstr("get_weather"));
  EXPECT_EQ((*words)[2]["content"],
            "<tool_call>\n{\"name\": \"f\", \"arguments\": {\"a\": 1}}\n</tool_call>");
  EXPECT_EQ((*words)[3]["content"],
            "<tool_response>\nr1\n</tool_response>\n<tool_response>\nr2\n</tool_response>");
}

TEST(ToolCalls, FormatsAreEnforced) {
  ToolFixture f(kPlain);
  f.request.tools = nullptr;
  for (uint64_t seed = 0; seed < 5; ++seed) {
    f.request.sampling.seed = seed;
    f.request.format = {.kind = ResponseFormat::Kind::json_object};
    const ToolAnswer any = f.run();
    EXPECT_EQ(any.finish.reason, ChatFinishReason::stop);
    const auto object = parse_json(any.text, "answer");
    ASSERT_TRUE(object) << any.text;
    EXPECT_TRUE(object->is_object());
    f.request.format = {.kind = ResponseFormat::Kind::json_schema,
                        .schema = {{"type", "array"}, {"items", {{"type", "integer"}}}}};
    const ToolAnswer array = f.run();
    const auto value = parse_json(array.text, "answer");
    ASSERT_TRUE(value) << array.text;
    EXPECT_TRUE(validate_json(f.request.format.schema, *value));
  }
  f.request.format.schema = {{"uniqueItems", true}};
  EXPECT_EQ(f.backend->start(f.request).error().kind, ErrorKind::unsupported);
  f.request.format.schema = {
      {"type", "object"}, {"required", {"a"}}, {"properties", {{"a", false}}}};
  EXPECT_THAT(f.backend->start(f.request).error().message, HasSubstr("no answer is valid"));
}

}  // namespace
}  // namespace jiang
