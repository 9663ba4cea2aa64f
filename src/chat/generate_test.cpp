#include <gtest/gtest.h>

#include <thread>

#include "chat/chat.h"
#include "engine/channel.h"
#include "tests/support/fake_model.h"
#include "tests/support/tiny_tokenizer.h"

namespace jiang {
namespace {

constexpr int32_t kVocabulary = 262;

// An engine whose model says `text`, byte by byte, and then ends the turn.
struct GenerateFixture {
  explicit GenerateFixture(const std::string& text) {
    TextAssets assets;
    assets.tokenizer = tiny_tokenizer();
    chat = ChatModel::create(assets).value();
    fake->script = chat->tokenizer().encode(text);
    fake->script.push_back(*chat->tokenizer().find("<|im_end|>"));
    fake->script_prompt_length = static_cast<int32_t>(prompt().size());
    engine = Engine::create(fake, pool, {}).value();
  }

  std::vector<TokenId> prompt() const { return chat->raw_prompt("say"); }

  Result<Generation> run(GenerateOptions options = {}) {
    options.sampling.temperature = 0;
    return generate(*engine, *chat, prompt(), options, [this](std::string_view text) {
      pieces.emplace_back(text);
      shown += text;
      return shown.size() < stop_after;
    });
  }

  ThreadPool pool{1};
  std::shared_ptr<FakeModel> fake = std::make_shared<FakeModel>(kVocabulary);
  std::optional<ChatModel> chat;
  std::unique_ptr<Engine> engine;
  std::vector<std::string> pieces;
  std::string shown;
  size_t stop_after = SIZE_MAX;
};

TEST(Generate, HandsOutWholeCharactersAndEndsAtTheEndOfTheTurn) {
  const std::string text = "a \xE4\xBD\xA0\xE5\xA5\xBD \xF0\x9F\x98\x80.";
  GenerateFixture f(text);
  const auto generation = f.run();
  ASSERT_TRUE(generation) << generation.error().message;
  EXPECT_EQ(generation->text, text);
  EXPECT_EQ(f.shown, text);
  EXPECT_EQ(generation->finish.reason, FinishReason::stop);
  for (const std::string& piece : f.pieces) EXPECT_TRUE(is_valid_utf8(piece)) << piece;
}

TEST(Generate, CutsBeforeAStopString) {
  GenerateFixture f("one two\nUser: three");
  const auto generation = f.run({.stop = {"\nUser:", "nothing"}});
  ASSERT_TRUE(generation);
  EXPECT_EQ(generation->text, "one two");
  EXPECT_EQ(f.shown, "one two");
  EXPECT_EQ(generation->finish.reason, FinishReason::stop);
  EXPECT_FALSE(generation->finish.error.has_value());
}

TEST(Generate, ShowsWhatOnlyBeganLikeAStopString) {
  GenerateFixture f("one\nUse");
  const auto generation = f.run({.stop = {"\nUser:"}});
  ASSERT_TRUE(generation);
  EXPECT_EQ(f.shown, "one\nUse");
}

TEST(Generate, StopsWhenTheReaderHasEnough) {
  GenerateFixture f(std::string(500, 'x'));
  f.stop_after = 10;
  const auto generation = f.run();
  ASSERT_TRUE(generation);
  EXPECT_EQ(generation->text, std::string(10, 'x'));
  EXPECT_EQ(generation->finish.reason, FinishReason::cancelled);
}

TEST(Generate, StopsAtTheLimitAndKeepsHalfACharacterAsAReplacement) {
  GenerateFixture f("ab\xE4\xBD\xA0");
  const auto generation = f.run({.max_tokens = 4});
  ASSERT_TRUE(generation);
  EXPECT_EQ(generation->text, "ab\xEF\xBF\xBD");
  EXPECT_EQ(generation->finish.reason, FinishReason::length);
}

// Says nothing until it is cancelled.
class SilentEngine final : public Engine {
 public:
  ~SilentEngine() override {
    if (answering_.joinable()) answering_.join();
  }
  Result<Stream> submit(Request request) override {
    auto channel = std::make_shared<Stream::Channel>(std::make_shared<StepSignal>(),
                                                     static_cast<int32_t>(request.prompt.size()));
    answering_ = std::thread([channel] {
      while (!channel->is_cancelled()) std::this_thread::yield();
      channel->push_finish({FinishReason::cancelled, std::nullopt, {}});
    });
    return Stream(channel);
  }
  Result<Tensor> evaluate(const std::vector<TokenId>&, OutputKind) override {
    return fail(ErrorKind::unsupported, "the silent engine evaluates nothing");
  }
  EngineStats stats() const override { return {}; }
  const Model& model() const override { return model_; }
  int32_t context() const override { return 100; }

 private:
  FakeModel model_;
  std::thread answering_;
};

TEST(Generate, AsksWhileItWaits) {
  const GenerateFixture f("");
  SilentEngine engine;
  int asked = 0;
  const auto wait = [&](int32_t done, int32_t all) {
    EXPECT_EQ(done, 0);
    EXPECT_EQ(all, 3);
    return ++asked < 2;
  };
  const auto generation = generate(engine, *f.chat, f.prompt(), {.on_wait = wait},
                                   [](std::string_view) { return true; });
  ASSERT_TRUE(generation);
  EXPECT_EQ(asked, 2);
  EXPECT_EQ(generation->finish.reason, FinishReason::cancelled);
}

TEST(Generate, RefusesStopStringsThatCannotWork) {
  GenerateFixture f("x");
  EXPECT_FALSE(f.run({.stop = {""}}));
}

}  // namespace
}  // namespace jiang
