// Answers and tool calls of a small model at temperature 1 hold to their schemas: those of a random
// model, and of the bundled one. A sample; JIANG_CONSTRAINED_ANSWERS=1000 of each with
// ./test --constrained.
#include <gtest/gtest.h>

#include <iostream>
#include <set>

#include "chat/local_backend.h"
#include "runtime/local_model.h"
#include "tests/conformance/schema_corpus.h"
#include "tests/support/fake_model.h"
#include "tests/support/grammar_text.h"
#include "tests/support/test_data.h"
#include "tests/support/tiny_tokenizer.h"
#include "text/json_schema_parts.h"

namespace jiang {
namespace {

// Tools in the way of Qwen, as the bundled model's template has none.
constexpr const char* kTemplate =
    "{% if tools %}<tools>{{ tools | tojson }}</tools> answer with <tool_call>\n"
    "{\"name\": ..., \"arguments\": ...}\n</tool_call>{% endif %}"
    "{% for m in messages %}{{ '<|im_start|>' + m.role + '\n' + m.content + '<|im_end|>\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}";

int n_wanted(const std::string& model) {
  const char* wanted = std::getenv("JIANG_CONSTRAINED_ANSWERS");
  return wanted ? std::atoi(wanted) : model == "random" ? 60 : 12;
}

struct SmallModel {
  ThreadPool pool{1};
  LocalModel loaded;  // empty: a random one
  std::unique_ptr<Engine> own_engine;
  std::optional<ChatModel> chat;
  std::unique_ptr<ChatBackend> backend;

  static std::unique_ptr<SmallModel> random(std::shared_ptr<const Tokenizer> tokenizer) {
    auto made = std::make_unique<SmallModel>();
    TextAssets assets;
    assets.tokenizer = tokenizer;
    assets.chat_template = kTemplate;
    made->own_engine =
        Engine::create(std::make_shared<FakeModel>(tokenizer->vocab_size()), made->pool, {})
            .value();
    made->finish(std::move(assets), *made->own_engine);
    return made;
  }
  static std::unique_ptr<SmallModel> bundled() {
    auto made = std::make_unique<SmallModel>();
    const auto source = open_model(std::string(source_dir()) + "/models/craftsman.gguf").value();
    made->loaded = load_local_model(source, made->pool, {}).value();
    TextAssets assets = made->loaded.text;
    assets.chat_template = kTemplate;
    made->finish(std::move(assets), *made->loaded.engine);
    return made;
  }
  void finish(TextAssets assets, Engine& engine) {
    chat = ChatModel::create(std::move(assets)).value();
    backend = make_local_backend(*chat, engine);
  }
};

struct SmallModelAnswer {
  std::string text;
  std::vector<std::pair<std::string, std::string>> calls;  // name, arguments
  ChatFinishReason reason = ChatFinishReason::error;
};

SmallModelAnswer answer_of(ChatBackend& backend, const ChatRequest& request) {
  SmallModelAnswer answer;
  auto stream = backend.start(request);
  EXPECT_TRUE(stream) << stream.error().message;
  if (!stream) return answer;
  while (const auto event = (*stream)->next_within(-1)) {
    if (const auto* delta = std::get_if<TextDelta>(&*event)) answer.text += delta->text;
    if (const auto* call = std::get_if<ToolCallDelta>(&*event)) {
      if (!call->name.empty()) answer.calls.emplace_back(call->name, "");
      if (!answer.calls.empty()) answer.calls.back().second += call->arguments;
    }
    if (const auto* finish = std::get_if<ChatFinish>(&*event)) answer.reason = finish->reason;
  }
  return answer;
}

bool holds(const Json& schema, const std::string& text) {
  const auto value = parse_json(text, "answer");
  return value && validate_json(schema, *value);
}

SamplingParams anything(int seed) {
  return {
      .temperature = 1, .top_k = 0, .top_p = 1, .min_p = 0, .seed = static_cast<uint64_t>(seed)};
}

class ConstrainedAnswers : public testing::TestWithParam<const char*> {
 protected:
  // A stride spreads a sample over the whole list.
  size_t place(int i, size_t n) const {
    const size_t stride = std::max<size_t>(1, n / static_cast<size_t>(n_answers_));
    return (static_cast<size_t>(i) * stride + static_cast<size_t>(i)) % n;
  }
  const bool is_random_ = GetParam() == std::string("random");
  const int n_answers_ = n_wanted(GetParam());
};

TEST_P(ConstrainedAnswers, HoldToTheirSchema) {
  const auto model =
      is_random_ ? SmallModel::random(WordTokenizer::of_pieces()) : SmallModel::bundled();
  const auto schemas = satisfiable_schemas();
  int n_ended = 0, n_valid = 0;
  for (int i = 0; i < n_answers_; ++i) {
    const auto& [name, schema] = schemas[place(i, schemas.size())];
    ChatRequest request{.raw_ids = {65, 66, static_cast<TokenId>(i % 250)}, .max_tokens = 256};
    request.format = {.kind = ResponseFormat::Kind::json_schema, .schema = schema};
    request.sampling = anything(i);
    const SmallModelAnswer answer = answer_of(*model->backend, request);
    ASSERT_NE(answer.reason, ChatFinishReason::error) << name;
    if (answer.reason != ChatFinishReason::stop) continue;
    ++n_ended;
    const bool is_valid = holds(schema, answer.text);
    n_valid += is_valid ? 1 : 0;
    EXPECT_TRUE(is_valid) << name << "\n" << to_string(schema) << "\n" << answer.text;
  }
  std::cout << fmt::format("{}: {} answers over {} schemas: {} ended by themselves, {} valid\n",
                           GetParam(), n_answers_, schemas.size(), n_ended, n_valid);
  EXPECT_EQ(n_valid, n_ended);
  EXPECT_GE(static_cast<double>(n_ended), 0.99 * n_answers_);
}

TEST_P(ConstrainedAnswers, CallTheToolsThatTheyMust) {
  TinyTokens tokens;  // can be written with, which messages need
  tokens.special = {"<|im_start|>", "<|im_end|>"};
  const auto model =
      is_random_ ? SmallModel::random(tiny_tokenizer(tokens)) : SmallModel::bundled();
  std::vector<std::pair<std::string, Json>> schemas;
  for (auto& one : satisfiable_schemas()) {
    if (one.second.is_object() && one.second.value("type", Json()) == "object")
      schemas.push_back(std::move(one));
  }
  ASSERT_FALSE(schemas.empty());
  int n_ended = 0, n_valid = 0;
  for (int i = 0; i < n_answers_; ++i) {
    const auto& [name, schema] = schemas[place(i, schemas.size())];
    ChatRequest request{.max_tokens = 256};
    request.messages = Json::array({{{"role", "user"}, {"content", fmt::format("hi {}", i)}}});
    request.tools = Json::array(
        {{{"type", "function"}, {"function", {{"name", "pick"}, {"parameters", schema}}}},
         {{"type", "function"}, {"function", {{"name", "now"}}}}});
    const bool is_named = i % 2 == 0;
    request.tool_choice = {.kind = is_named ? ToolChoice::Kind::named : ToolChoice::Kind::required,
                           .name = is_named ? "pick" : ""};
    request.parallel_tool_calls = false;
    request.sampling = anything(i);
    const SmallModelAnswer answer = answer_of(*model->backend, request);
    ASSERT_NE(answer.reason, ChatFinishReason::error) << name;
    if (answer.reason == ChatFinishReason::length) continue;
    ++n_ended;
    const bool is_valid =
        answer.calls.size() == 1 && answer.text.empty() &&
        (answer.calls[0].first == "pick" ? holds(schema, answer.calls[0].second)
                                         : !is_named && answer.calls[0].first == "now");
    n_valid += is_valid ? 1 : 0;
    EXPECT_TRUE(is_valid) << name << "\n"
                          << to_string(schema) << "\n"
                          << (answer.calls.empty() ? answer.text : answer.calls[0].second);
  }
  std::cout << fmt::format("{}: {} calls over {} schemas: {} ended by themselves, {} valid\n",
                           GetParam(), n_answers_, schemas.size(), n_ended, n_valid);
  EXPECT_EQ(n_valid, n_ended);
  EXPECT_GE(static_cast<double>(n_ended), 0.99 * n_answers_);
}

INSTANTIATE_TEST_SUITE_P(Models, ConstrainedAnswers, testing::Values("random", "bundled"),
                         [](const auto& one) { return std::string(one.param); });

}  // namespace
}  // namespace jiang
