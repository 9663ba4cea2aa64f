#include "chat/local_backend.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "base/json_value.h"
#include "tests/support/fake_model.h"
#include "tests/support/tiny_tokenizer.h"

namespace jiang {
namespace {

using testing::HasSubstr;

constexpr int32_t kLocalVocabulary = 262;
constexpr const char* kLocalChatMl =
    "{% for m in messages %}{{ '<|im_start|>' + m.role + '\\n' + m.content + '<|im_end|>\\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}"
    "{% if enable_thinking is defined and enable_thinking is false %}{{ "
    "'<think>\\n\\n</think>\\n\\n' }}"
    "{% elif opened %}{{ '<think>\\n' }}{% endif %}{% endif %}";

Json user(const char* text) { return Json::array({{{"role", "user"}, {"content", text}}}); }

struct Answer {
  std::string text, reasoning;
  std::vector<TokenTextLogprobs> logprobs;
  ChatFinish finish;
};

// A backend whose model says `text`, byte by byte, and then ends the turn.
struct LocalFixture {
  explicit LocalFixture(const std::string& text, ChatRequest asked = {})
      : request(std::move(asked)) {
    TextAssets assets;
    assets.tokenizer = tiny_tokenizer();
    assets.chat_template = kLocalChatMl;
    chat = ChatModel::create(assets).value();
    fake->script = chat->tokenizer().encode(text);
    fake->script.push_back(*chat->tokenizer().find("<|im_end|>"));
    if (!request.raw_text && request.messages.is_null()) request.messages = user("hi");
    request.sampling.temperature = 0;
    engine = Engine::create(fake, pool, {}).value();
    backend = make_local_backend(*chat, *engine);
    fake->script_prompt_length = backend->count_tokens(request).value();
  }

  Answer run() {
    auto stream = backend->start(request);
    EXPECT_TRUE(stream) << stream.error().message;
    return read(**stream);
  }
  static Answer read(ChatStream& stream) {
    Answer answer;
    while (const auto event = stream.next_within(-1)) {
      if (const auto* text = std::get_if<TextDelta>(&*event)) {
        EXPECT_TRUE(is_valid_utf8(text->text));
        answer.text += text->text;
        answer.logprobs.insert(answer.logprobs.end(), text->logprobs.begin(), text->logprobs.end());
      } else if (const auto* thought = std::get_if<ReasoningDelta>(&*event)) {
        answer.reasoning += thought->text;
      } else if (const auto* finish = std::get_if<ChatFinish>(&*event)) {
        answer.finish = *finish;
      }
    }
    EXPECT_FALSE(stream.next_within(0));
    return answer;
  }

  ChatRequest request;
  ThreadPool pool{1};
  std::shared_ptr<FakeModel> fake = std::make_shared<FakeModel>(kLocalVocabulary);
  std::optional<ChatModel> chat;
  std::unique_ptr<Engine> engine;
  std::unique_ptr<ChatBackend> backend;
};

TEST(LocalBackend, SaysTheAnswerAndEndsWithIts) {
  LocalFixture f("a \xE4\xBD\xA0\xE5\xA5\xBD.");
  const Answer answer = f.run();
  EXPECT_EQ(answer.text, "a \xE4\xBD\xA0\xE5\xA5\xBD.");
  EXPECT_EQ(answer.finish.reason, ChatFinishReason::stop);
  EXPECT_EQ(answer.finish.stats.generated_tokens, 9);
}

TEST(LocalBackend, TellsWhichStopStringEndedTheAnswer) {
  LocalFixture f("one two\nUser: three", {.stop = {"nothing", "\nUser:"}});
  const Answer answer = f.run();
  EXPECT_EQ(answer.text, "one two");
  EXPECT_EQ(answer.finish.reason, ChatFinishReason::stop);
  EXPECT_EQ(answer.finish.stop_string, "\nUser:");
}

TEST(LocalBackend, SplitsReasoningFromTheAnswer) {
  LocalFixture f("<think>\nlet me see\n</think>\n\nyes </think>");
  const Answer answer = f.run();
  EXPECT_EQ(answer.reasoning, "let me see");
  EXPECT_EQ(answer.text, "yes </think>");
}

TEST(LocalBackend, KnowsThatTheTemplateOpenedTheReasoning) {
  LocalFixture f("deep\n</think>\nyes", {.template_extra = {{"opened", true}}});
  const Answer answer = f.run();
  EXPECT_EQ(answer.reasoning, "deep");
  EXPECT_EQ(answer.text, "yes");
}

TEST(LocalBackend, TurnsThinkingOffThroughTheTemplate) {
  LocalFixture on("yes"), off("yes", {.thinking = false});
  EXPECT_EQ(on.run().text, "yes");
  EXPECT_EQ(off.run().text, "yes");
  EXPECT_GT(*off.backend->count_tokens(off.request), *on.backend->count_tokens(on.request));
}

TEST(LocalBackend, LogprobsAreThoseOfTheTokensOfTheText) {
  LocalFixture f("abc", {.top_logprobs = 2});
  const Answer answer = f.run();
  ASSERT_EQ(answer.logprobs.size(), 3u);
  std::string bytes;
  for (const auto& entry : answer.logprobs) {
    bytes += entry.token.bytes;
    ASSERT_EQ(entry.top.size(), 2u);
    EXPECT_EQ(entry.top[0].bytes, entry.token.bytes);  // greedy
    EXPECT_GE(entry.top[0].logprob, entry.top[1].logprob);
  }
  EXPECT_EQ(bytes, "abc");
}

TEST(LocalBackend, LogprobsOfWhatAStopStringCutAreNotTold) {
  LocalFixture f("abXY", {.stop = {"XY"}, .top_logprobs = 0});
  const Answer answer = f.run();
  EXPECT_EQ(answer.text, "ab");
  EXPECT_EQ(answer.logprobs.size(), 2u);
}

TEST(LocalBackend, ContinuesTheLastMessage) {
  ChatRequest request;
  request.messages = user("hi");
  request.messages.push_back({{"role", "assistant"}, {"content", "The answer is "}});
  request.continues_last = true;
  LocalFixture f("42", request);
  EXPECT_EQ(f.run().text, "42");
  request.messages.erase(1);
  EXPECT_FALSE(f.backend->start(request));
}

TEST(LocalBackend, CompletesRawText) {
  LocalFixture f(" world", {.raw_text = "hello"});
  EXPECT_EQ(*f.backend->count_tokens(f.request), 5);
  EXPECT_EQ(f.run().text, " world");
}

TEST(LocalBackend, CancelEndsThisStreamOnly) {
  LocalFixture f(std::string(3000, 'x'));
  auto one = f.backend->start(f.request), other = f.backend->start(f.request);
  ASSERT_TRUE(one && other);
  EXPECT_TRUE((*one)->next_within(-1));
  (*one)->cancel();
  EXPECT_EQ(LocalFixture::read(**one).finish.reason, ChatFinishReason::cancelled);
  const Answer answer = LocalFixture::read(**other);
  EXPECT_EQ(answer.finish.reason, ChatFinishReason::stop);
  EXPECT_EQ(answer.text.size(), 3000u);
}

TEST(LocalBackend, APromptThatIsTooLongIsRefusedAtOnceWithBothNumbers) {
  LocalFixture f("x");
  f.request.messages = user(std::string(10000, 'y').c_str());
  const auto stream = f.backend->start(f.request);
  ASSERT_FALSE(stream);
  EXPECT_EQ(stream.error().kind, ErrorKind::too_large);
  EXPECT_THAT(stream.error().message, HasSubstr("4096"));
}

}  // namespace
}  // namespace jiang
