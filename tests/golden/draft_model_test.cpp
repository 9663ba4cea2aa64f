// A draft model changes no bit of an answer: on real weights and on fixtures, greedy and drawn,
// alone and in a batch, with lookup beside it, with any number of threads; and it guesses the same
// tokens whatever the threads.
#include <gmock/gmock.h>

#include <algorithm>

#include "engine/engine.h"
#include "tests/support/model_runner.h"
#include "tests/support/temp_folder.h"
#include "tests/support/test_data.h"
#include "tests/support/tiny_model.h"

namespace jiang {
namespace {

struct Outcome {
  std::vector<std::vector<float>> answers;  // id and log-probability, token after token
  GuessCounts guesses;
};

struct Run {
  std::shared_ptr<const Model> draft = nullptr;
  bool lookup = false;
  float temperature = 0;
  int32_t at_once = 1;
  int threads = 1;
  int32_t max_tokens = 60;
};

Outcome answer(const std::shared_ptr<const Model>& model, const Run& run) {
  ThreadPool pool(run.threads);
  const auto engine =
      Engine::create(
          model, pool,
          {.context = 256, .max_sequences = run.at_once, .lookup = run.lookup, .draft = run.draft})
          .value();
  std::vector<Stream> streams;
  for (int32_t i = 0; i < 5; ++i) {
    std::vector<TokenId> prompt;
    for (int32_t j = 0; j < 20 + 13 * i; ++j)
      prompt.push_back((j * 31 + j * j * 7 + (i % 2) * 53 + 3) % model->config().vocab_size);
    streams.push_back(engine
                          ->submit({.prompt = std::move(prompt),
                                    .max_tokens = run.max_tokens,
                                    .sampling = {.temperature = run.temperature, .seed = 7},
                                    .top_logprobs = 0})
                          .value());
  }
  Outcome outcome;
  for (Stream& stream : streams) {
    std::vector<float>& events = outcome.answers.emplace_back();
    while (const auto event = stream.next()) {
      events.push_back(static_cast<float>(event->id));
      events.push_back(event->logprob);
    }
    for (size_t i = 0; i < kGuessKindNames.size(); ++i) {
      outcome.guesses.of_kind[i].guessed += stream.finish()->stats.guesses.of_kind[i].guessed;
      outcome.guesses.of_kind[i].right += stream.finish()->stats.guesses.of_kind[i].right;
    }
  }
  return outcome;
}

void expect_same_bits(const std::shared_ptr<const Model>& model,
                      const std::shared_ptr<const Model>& draft) {
  for (const float temperature : {0.0f, 1.0f}) {
    const auto plain = answer(model, {.temperature = temperature}).answers;
    for (const bool lookup : {false, true}) {
      for (const int32_t at_once : {1, 3}) {
        const Run run{
            .draft = draft, .lookup = lookup, .temperature = temperature, .at_once = at_once};
        const Outcome outcome = answer(model, run);
        EXPECT_EQ(outcome.answers, plain) << temperature << lookup << at_once;
        EXPECT_GT(outcome.guesses[GuessKind::draft].guessed, 0u);
      }
    }
  }
}

TEST(DraftOnRealWeights, TheSameModelWithSmallerWeightsIsOftenRight) {
  JIANG_NEED_DATA(file, "weights/tiny-qwen2/tiny-qwen2-f16.gguf");
  JIANG_NEED_DATA(draft_file, "weights/tiny-qwen2/tiny-qwen2-Q4_0.gguf");
  ThreadPool pool(1);
  const auto model = load_test_model(file, pool);
  const auto draft = load_test_model(draft_file, pool);
  expect_same_bits(model, draft);
  const GuessCount count = answer(model, {.draft = draft}).guesses[GuessKind::draft];
  EXPECT_GT(count.right, 60u) << "of 300 tokens";
  EXPECT_GT(count.right, count.guessed / 2);
}

TEST(DraftOnRealWeights, AModelThatGuessesForItselfIsNearlyAlwaysRight) {
  JIANG_NEED_DATA(file, "weights/stories260K/stories260K-f32.gguf");
  ThreadPool pool(1);
  const auto model = load_test_model(file, pool);
  expect_same_bits(model, model);
  const GuessCount count = answer(model, {.draft = model}).guesses[GuessKind::draft];
  EXPECT_GE(count.right, 100u) << "of 300 tokens; the first of each is the prompt's";
  EXPECT_GE(count.right * 100, count.guessed * 95);
}

TEST(DraftOnRealWeights, GuessesTheSameTokensWhateverTheThreads) {
  JIANG_NEED_DATA(file, "weights/tiny-qwen2/tiny-qwen2-f16.gguf");
  JIANG_NEED_DATA(draft_file, "weights/tiny-qwen2/tiny-qwen2-Q4_0.gguf");
  ThreadPool pool(1);
  const auto model = load_test_model(file, pool);
  const auto draft = load_test_model(draft_file, pool);
  const Outcome one = answer(model, {.draft = draft, .lookup = true, .threads = 1});
  const Outcome three = answer(model, {.draft = draft, .lookup = true, .threads = 3});
  EXPECT_EQ(one.answers, three.answers);
  for (size_t i = 0; i < kGuessKindNames.size(); ++i) {
    EXPECT_EQ(one.guesses.of_kind[i].guessed, three.guesses.of_kind[i].guessed);
    EXPECT_EQ(one.guesses.of_kind[i].right, three.guesses.of_kind[i].right);
  }
}

// Other weights under the same vocabulary: the guesses are worth nothing, the answers are the same.
class DraftOnFixtures : public ::testing::TestWithParam<std::string> {};

TEST_P(DraftOnFixtures, ADraftThatKnowsNothingChangesNothing) {
  const TempFolder folder;
  write_hf_folder(make_tiny_model(GetParam()), folder.path("model"));
  write_hf_folder(make_tiny_model("llama", 2), folder.path("draft"));
  ThreadPool pool(1);
  const auto model = load_test_model(folder.path("model"), pool);
  const auto draft = load_test_model(folder.path("draft"), pool);
  ASSERT_EQ(model->config().vocab_size, draft->config().vocab_size);
  expect_same_bits(model, draft);
}

INSTANTIATE_TEST_SUITE_P(All, DraftOnFixtures, ::testing::Values("qwen2", "gemma3", "gpt2"));

}  // namespace
}  // namespace jiang
