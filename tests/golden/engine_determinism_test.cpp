// Decision 5 through the whole engine, on real weights and on every family's fixture: the tokens
// and log-probabilities of a request are the same bits alone, in a batch, in any chunks, after a
// prefix hit, after preemption, and with any number of threads.
#include <gmock/gmock.h>

#include <algorithm>
#include <filesystem>
#include <limits>

#include "engine/engine.h"
#include "tests/support/model_runner.h"
#include "tests/support/temp_folder.h"
#include "tests/support/test_data.h"
#include "tests/support/tiny_model.h"

namespace jiang {
namespace {

struct Answer {
  std::vector<TokenId> ids;
  std::vector<float> logprobs;  // of the drawn and of the five best, token after token
  FinishEvent finish;
  bool operator==(const Answer& other) const {
    return ids == other.ids && logprobs == other.logprobs;
  }
};

constexpr int32_t kAnswer = 10;

Stream submit(Engine& engine, std::vector<TokenId> prompt) {
  return engine
      .submit({.prompt = std::move(prompt),
               .max_tokens = kAnswer,
               .sampling = {.temperature = 0},
               .top_logprobs = 5})
      .value();
}

Answer read_all(Stream stream) {
  Answer answer;
  while (const auto event = stream.next()) {
    answer.ids.push_back(event->id);
    answer.logprobs.push_back(event->logprob);
    for (const TokenLogprob& best : event->top_logprobs) answer.logprobs.push_back(best.logprob);
  }
  answer.finish = stream.finish().value();
  return answer;
}

// Eight prompts of different lengths; half of them begin alike.
std::vector<std::vector<TokenId>> make_prompts(int32_t vocab_size) {
  std::vector<std::vector<TokenId>> prompts;
  for (int32_t i = 0; i < 8; ++i) {
    std::vector<TokenId> prompt;
    for (int32_t j = 0; j < 40 + 7 * i; ++j) {
      const int32_t salt = i % 2 == 0 && j < 37 ? 0 : i;
      prompt.push_back((j * 31 + j * j * 7 + salt * 53 + 3) % vocab_size);
    }
    prompts.push_back(std::move(prompt));
  }
  return prompts;
}

void expect_same_bits(const std::shared_ptr<const Model>& model) {
  ThreadPool one_thread(1);
  ThreadPool three_threads(3);
  const auto prompts = make_prompts(model->config().vocab_size);
  const auto start = [&](EngineOptions options, ThreadPool& pool) {
    options.context = 256;
    return Engine::create(model, pool, options).value();
  };

  std::vector<Answer> expected;
  const auto alone =
      start({.max_sequences = 1, .lookup = false, .prefix_cache = false}, one_thread);
  for (const auto& prompt : prompts) expected.push_back(read_all(submit(*alone, prompt)));
  ASSERT_EQ(expected[0].ids.size(), static_cast<size_t>(kAnswer));

  const auto expect_same = [&](Engine& engine, const char* how) {
    std::vector<Stream> streams;
    for (const auto& prompt : prompts) streams.push_back(submit(engine, prompt));
    for (size_t i = 0; i < prompts.size(); ++i) {
      EXPECT_EQ(read_all(std::move(streams[i])), expected[i]) << how << ", prompt " << i;
    }
  };
  expect_same(*start({.max_sequences = 1, .prefix_cache = false}, one_thread), "lookup");
  expect_same(*start({.max_sequences = 8, .prefix_cache = false}, one_thread), "a batch of 8");
  expect_same(*start({.max_sequences = 8, .prefix_cache = false}, three_threads), "3 threads");
  expect_same(*start({.max_sequences = 8, .max_batch_tokens = 13}, one_thread), "chunks");
  expect_same(*start({.max_sequences = 3, .max_batch_tokens = 3}, three_threads), "tiny chunks");
  expect_same(*start({.max_sequences = 8, .kv_tokens = 288}, one_thread), "preemption");

  const auto cached = start({.max_sequences = 2, .kv_tokens = 2048}, one_thread);
  expect_same(*cached, "first pass of a prefix cache");
  expect_same(*cached, "second pass of a prefix cache");
  EXPECT_GT(cached->stats().cached_tokens, 400u) << "the second pass should hit";

  // Half a dozen clients that come and go change nothing for one that stays.
  const auto busy =
      start({.max_sequences = 4, .kv_tokens = 512, .max_batch_tokens = 16}, one_thread);
  Stream steady = submit(*busy, prompts[3]);
  for (int round = 0; round < 6; ++round) {
    Stream a = submit(*busy, prompts[static_cast<size_t>(round)]);
    Stream b = submit(*busy, prompts[7]);
    a.next();
  }
  EXPECT_EQ(read_all(std::move(steady)), expected[3]) << "beside cancelled requests";
}

class EngineOnRealWeights : public ::testing::TestWithParam<const char*> {};

TEST_P(EngineOnRealWeights, AnswersAreTheSameBitsHoweverTheyAreComputed) {
  JIANG_NEED_DATA(file, std::string("weights/") + GetParam() + ".gguf");
  ThreadPool pool(1);
  expect_same_bits(load_test_model(file, pool));
}

TEST_P(EngineOnRealWeights, EvaluateEqualsOnePassOfTheModel) {
  JIANG_NEED_DATA(file, std::string("weights/") + GetParam() + ".gguf");
  ThreadPool pool(2);
  const auto model = load_test_model(file, pool);
  const auto engine = Engine::create(model, pool, {.context = 256}).value();
  const auto prompt = make_prompts(model->config().vocab_size)[7];  // more than one chunk
  const Tensor out = engine->evaluate(prompt, OutputKind::logits).value();
  const std::vector<float> expected = all_logits(model, pool, prompt, 0);
  const TensorView view = out.view();
  ASSERT_EQ(view.rows * view.cols, static_cast<int64_t>(expected.size()));
  EXPECT_EQ(std::vector<float>(view.data, view.data + expected.size()), expected);
}

TEST_P(EngineOnRealWeights, AStepGivenUpLeavesNoTrace) {
  JIANG_NEED_DATA(file, std::string("weights/") + GetParam() + ".gguf");
  ThreadPool pool(1);
  const auto model = load_test_model(file, pool);
  const auto prompt = make_prompts(model->config().vocab_size)[3];
  const std::vector<float> expected = all_logits(model, pool, prompt, 0);
  ModelRunner runner(model, pool);
  const StateId state = runner.create();
  for (int layers = 0; layers < 2; ++layers) {
    int n_asked = 0;
    const std::function<bool()> after = [&] { return ++n_asked > layers; };
    EXPECT_TRUE(runner.run_until(state, prompt, after).empty());
    EXPECT_EQ(n_asked, layers + 1);
    EXPECT_EQ(runner.states().length(state), 0);
  }
  EXPECT_EQ(runner.run(state, prompt), expected);
}

class EngineOnFixtures : public ::testing::TestWithParam<std::string> {};

TEST_P(EngineOnFixtures, AnswersAreTheSameBitsHoweverTheyAreComputed) {
  const TempFolder folder;
  write_hf_folder(make_tiny_model(GetParam()), folder.path("hf"));
  ThreadPool pool(1);
  const auto model = load_test_model(folder.path("hf"), pool);
  if (model->config().is_encoder) {
    EXPECT_FALSE(Engine::create(model, pool).value()->submit({.prompt = {1}}));
    return;
  }
  expect_same_bits(model);
}

// Windows, soft-caps, learned positions, interleaved rope; model-level tests have all families.
INSTANTIATE_TEST_SUITE_P(All, EngineOnFixtures,
                         ::testing::Values("mistral", "gemma3", "gpt2", "glm4", "bert"));

// Hardening A17: a model with bad numbers says so, and does not hang or draw outside the
// vocabulary.
TEST(EngineOnBadWeights, EndsWithASentence) {
  for (const float bad :
       {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
    const TempFolder folder;
    TinyModel tiny = make_tiny_model("llama");
    for (TinyTensor& tensor : tiny.tensors) {
      if (tensor.name == "model.norm.weight") tensor.values[3] = bad;
    }
    write_hf_folder(tiny, folder.path("hf"));
    ThreadPool pool(1);
    const auto model = load_test_model(folder.path("hf"), pool);
    const auto engine = Engine::create(model, pool, {.context = 64}).value();
    for (const float temperature : {0.0f, 1.0f}) {
      Stream stream =
          engine->submit({.prompt = {1, 2, 3}, .sampling = {.temperature = temperature}}).value();
      EXPECT_FALSE(stream.next().has_value());
      ASSERT_TRUE(stream.finish().has_value());
      EXPECT_EQ(stream.finish()->reason, FinishReason::error);
      EXPECT_THAT(stream.finish()->error->message,
                  ::testing::HasSubstr("non-finite logits at token 3"));
    }
  }
}

INSTANTIATE_TEST_SUITE_P(All, EngineOnRealWeights,
                         ::testing::Values("stories260K/stories260K-f32",
                                           "tiny-qwen2/tiny-qwen2-f16",
                                           "tiny-qwen2/tiny-qwen2-Q4_0"));

}  // namespace
}  // namespace jiang
