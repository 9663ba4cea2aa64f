#include "engine/engine.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "engine/random.h"
#include "engine/sampler.h"
#include "tests/support/fake_model.h"

namespace jiang {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr SamplingParams kGreedy{.temperature = 0};

std::vector<TokenId> random_tokens(int32_t n, uint64_t seed, int32_t vocab_size = 97) {
  Random random(seed);
  std::vector<TokenId> tokens(static_cast<size_t>(n));
  for (TokenId& token : tokens)
    token = static_cast<TokenId>(random.next() % static_cast<uint64_t>(vocab_size));
  return tokens;
}

struct Answer {
  std::vector<TokenId> ids;
  FinishEvent finish;
};

Answer read_all(Stream& stream) {
  Answer answer;
  while (const auto event = stream.next()) answer.ids.push_back(event->id);
  answer.finish = stream.finish().value();
  return answer;
}

struct EngineFixture {
  std::shared_ptr<FakeModel> model = std::make_shared<FakeModel>();
  ThreadPool pool{1};
  std::unique_ptr<Engine> engine;

  void start(EngineOptions options = {}) { engine = Engine::create(model, pool, options).value(); }

  Stream submit(Request request) { return engine->submit(std::move(request)).value(); }
  Stream greedy(std::vector<TokenId> prompt, int32_t max_tokens) {
    return submit({.prompt = std::move(prompt), .max_tokens = max_tokens, .sampling = kGreedy});
  }
  // Returns when nothing is left to run.
  void wait_until_idle() {
    while (engine->stats().running + engine->stats().waiting > 0) std::this_thread::yield();
  }
};

TEST(Engine, AnswersWhatTheModelSays) {
  EngineFixture f;
  f.start();
  const auto prompt = random_tokens(300, 1);  // more than one chunk
  Stream stream = f.greedy(prompt, 20);
  const Answer answer = read_all(stream);
  EXPECT_EQ(answer.ids, f.model->greedy_answer(prompt, 20));
  EXPECT_EQ(answer.finish.reason, FinishReason::length);
  EXPECT_EQ(answer.finish.stats.prompt_tokens, 300);
  EXPECT_EQ(answer.finish.stats.generated_tokens, 20);
  EXPECT_EQ(stream.prefill_progress(), std::make_pair(300, 300));
  EXPECT_FALSE(stream.next().has_value()) << "after the finish nothing comes";
}

TEST(Engine, EveryChunkSizeGivesTheSameAnswer) {
  const auto prompt = random_tokens(100, 2);
  for (const int32_t rows : {1, 3, 7, 99, 100, 101}) {
    EngineFixture f;
    f.start({.max_sequences = 1, .max_batch_tokens = rows});
    Stream stream = f.greedy(prompt, 10);
    EXPECT_EQ(read_all(stream).ids, f.model->greedy_answer(prompt, 10)) << rows;
  }
}

TEST(Engine, EachOfManyInABatchGetsItsOwnAnswer) {
  EngineFixture f;
  f.start({.max_sequences = 8, .max_batch_tokens = 16});
  std::vector<std::vector<TokenId>> prompts;
  std::vector<Stream> streams;
  for (int32_t i = 0; i < 20; ++i) {
    prompts.push_back(random_tokens(1 + i * 5, 100 + static_cast<uint64_t>(i)));
    streams.push_back(f.greedy(prompts.back(), 15));
  }
  for (size_t i = 0; i < streams.size(); ++i) {
    EXPECT_EQ(read_all(streams[i]).ids, f.model->greedy_answer(prompts[i], 15)) << i;
  }
}

TEST(Engine, ASeedGivesTheSameTokensAloneAndInABatch) {
  const SamplingParams drawn{.temperature = 1, .seed = 5};
  const auto prompt = random_tokens(30, 3);
  EngineFixture alone;
  alone.start();
  Stream stream = alone.submit({.prompt = prompt, .max_tokens = 30, .sampling = drawn});
  const Answer expected = read_all(stream);
  EXPECT_EQ(expected.finish.stats.seed, 5u);

  EngineFixture crowd;
  crowd.start({.max_sequences = 8, .max_batch_tokens = 8});
  std::vector<Stream> others;
  for (uint64_t i = 0; i < 5; ++i) others.push_back(crowd.greedy(random_tokens(40, 50 + i), 40));
  Stream same = crowd.submit({.prompt = prompt, .max_tokens = 30, .sampling = drawn});
  EXPECT_EQ(read_all(same).ids, expected.ids);
}

TEST(Engine, WithoutASeedOneIsChosenAndTold) {
  EngineFixture f;
  f.start();
  Stream first = f.submit({.prompt = {1, 2, 3}, .max_tokens = 20, .sampling = {.temperature = 1}});
  const Answer drawn = read_all(first);
  Stream again = f.submit({.prompt = {1, 2, 3},
                           .max_tokens = 20,
                           .sampling = {.temperature = 1, .seed = drawn.finish.stats.seed}});
  EXPECT_EQ(read_all(again).ids, drawn.ids);
}

TEST(Engine, APrefixHitChangesNothingButTheCount) {
  EngineFixture f;
  f.start();
  auto prompt = random_tokens(100, 4);
  Stream first = f.greedy(prompt, 10);
  const Answer answer = read_all(first);
  EXPECT_EQ(answer.finish.stats.cached_tokens, 0);

  // The next turn: prompt, answer and something new.
  prompt.insert(prompt.end(), answer.ids.begin(), answer.ids.end());
  const auto more = random_tokens(20, 5);
  prompt.insert(prompt.end(), more.begin(), more.end());
  Stream second = f.greedy(prompt, 10);
  const Answer next = read_all(second);
  EXPECT_EQ(next.ids, f.model->greedy_answer(prompt, 10));
  EXPECT_EQ(next.finish.stats.cached_tokens, 109)
      << "the last token of the first answer was never fed";

  // The same again: all but the token whose logits are wanted.
  Stream third = f.greedy(prompt, 10);
  const Answer same = read_all(third);
  EXPECT_EQ(same.ids, next.ids);
  EXPECT_EQ(same.finish.stats.cached_tokens, 129);
  EXPECT_EQ(f.engine->stats().cached_tokens, 238u);
}

TEST(Engine, ARunningSequenceLendsItsPrefix) {
  EngineFixture f;
  f.model->hold();
  f.start();
  const auto prompt = random_tokens(60, 6);
  Stream first = f.greedy(prompt, 30);
  f.model->wait_until_held();
  f.model->step_once();  // the prompt is in
  auto longer = prompt;
  longer.push_back(11);
  Stream second = f.greedy(longer, 30);
  f.model->release();
  const Answer answer = read_all(second);
  EXPECT_EQ(answer.ids, f.model->greedy_answer(longer, 30));
  EXPECT_EQ(answer.finish.stats.cached_tokens, 60);
  EXPECT_EQ(read_all(first).ids, f.model->greedy_answer(prompt, 30));
}

TEST(Engine, WithoutPrefixCacheNothingIsKept) {
  EngineFixture f;
  f.start({.prefix_cache = false});
  const int64_t free_before = f.engine->stats().free_state_tokens;
  for (int i = 0; i < 2; ++i) {
    Stream stream = f.greedy(random_tokens(50, 7), 5);
    EXPECT_EQ(read_all(stream).finish.stats.cached_tokens, 0);
    EXPECT_EQ(f.engine->stats().free_state_tokens, free_before);
  }
}

TEST(Engine, MoreThanTheStateHoldsIsPreemptedAndNeverLost) {
  EngineFixture f;
  // Room for two and a half sequences of 100 tokens; six want to run.
  f.start({.context = 100, .max_sequences = 6, .kv_tokens = 250, .max_batch_tokens = 24});
  std::vector<std::vector<TokenId>> prompts;
  std::vector<Stream> streams;
  for (uint64_t i = 0; i < 12; ++i) {
    prompts.push_back(random_tokens(20, 200 + i));
    streams.push_back(f.greedy(prompts.back(), 70));
  }
  for (size_t i = 0; i < streams.size(); ++i) {
    const Answer answer = read_all(streams[i]);
    EXPECT_EQ(answer.finish.reason, FinishReason::length);
    EXPECT_EQ(answer.ids, f.model->greedy_answer(prompts[i], 70)) << i;
  }
}

TEST(Engine, DrawnTokensSurvivePreemption) {
  const auto request = [](uint64_t i) {
    return Request{.prompt = random_tokens(20, 300 + i),
                   .max_tokens = 60,
                   .sampling = {.temperature = 1, .seed = i}};
  };
  EngineFixture roomy;
  roomy.start();
  EngineFixture tight;
  tight.start({.context = 100, .max_sequences = 6, .kv_tokens = 130, .prefix_cache = false});
  std::vector<Stream> streams;
  for (uint64_t i = 0; i < 6; ++i) streams.push_back(tight.submit(request(i)));
  for (uint64_t i = 0; i < 6; ++i) {
    Stream expected = roomy.submit(request(i));
    EXPECT_EQ(read_all(streams[i]).ids, read_all(expected).ids) << i;
  }
  EXPECT_EQ(tight.engine->stats().free_state_tokens, 132) << "33 blocks of 4";
}

TEST(Engine, TheContextHasAnExactBorder) {
  EngineFixture f;
  f.start({.context = 16});
  for (const int32_t length : {1, 15}) {
    const auto prompt = random_tokens(length, 8);
    Stream stream = f.greedy(prompt, -1);
    const Answer answer = read_all(stream);
    EXPECT_EQ(answer.finish.reason, FinishReason::length);
    EXPECT_EQ(answer.ids, f.model->greedy_answer(prompt, 16 - length));
  }
  for (const int32_t length : {16, 17, 160}) {
    const auto refused = f.engine->submit({.prompt = random_tokens(length, 8)});
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().kind, ErrorKind::too_large);
    EXPECT_THAT(refused.error().message, HasSubstr(std::to_string(length) + " tokens"));
    EXPECT_THAT(refused.error().message, HasSubstr("16"));
  }
}

TEST(Engine, AContextOfOneRefusesEveryPrompt) {
  EngineFixture f;
  f.start({.context = 1});
  EXPECT_FALSE(f.engine->submit({.prompt = {1}}));
}

TEST(Engine, BadRequestsAreRefusedAtOnce) {
  EngineFixture f;
  f.start();
  const auto message = [&](Request request) {
    const auto stream = f.engine->submit(std::move(request));
    return stream ? std::string("accepted") : stream.error().message;
  };
  EXPECT_THAT(message({}), HasSubstr("empty"));
  EXPECT_THAT(message({.prompt = {1, 97}}), HasSubstr("97"));
  EXPECT_THAT(message({.prompt = {1, -1}}), HasSubstr("-1"));
  EXPECT_THAT(message({.prompt = {1}, .max_tokens = -2}), HasSubstr("max_tokens"));
  EXPECT_THAT(message({.prompt = {1}, .sampling = {.top_p = 2}}), HasSubstr("top_p"));
  EXPECT_THAT(message({.prompt = {1}, .top_logprobs = 98}), HasSubstr("top_logprobs"));
}

TEST(Engine, AStopTokenEndsTheAnswerAndIsNoPartOfIt) {
  EngineFixture f;
  const auto prompt = random_tokens(10, 9);
  const auto full = f.model->greedy_answer(prompt, 10);
  f.start();
  Stream stream =
      f.submit({.prompt = prompt, .max_tokens = 10, .sampling = kGreedy, .stop_ids = {full[4]}});
  const Answer answer = read_all(stream);
  EXPECT_EQ(answer.finish.reason, FinishReason::stop);
  const auto end = std::find(full.begin(), full.end(), full[4]);
  EXPECT_EQ(answer.ids, std::vector<TokenId>(full.begin(), end));
}

TEST(Engine, NoTokensAskedForPrefillsOnly) {
  EngineFixture f;
  f.start();
  Stream stream = f.greedy(random_tokens(20, 10), 0);
  const Answer answer = read_all(stream);
  EXPECT_TRUE(answer.ids.empty());
  EXPECT_EQ(answer.finish.reason, FinishReason::length);
  EXPECT_EQ(stream.prefill_progress().first, 20);
}

TEST(Engine, LogprobsAreOfTheModelsOwnDistribution) {
  EngineFixture f;
  f.start();
  const std::vector<TokenId> prompt = {5, 6, 7};
  Stream stream = f.submit({.prompt = prompt,
                            .max_tokens = 1,
                            .sampling = {.logit_bias = {{42, 1000.0f}}, .temperature = 0},
                            .top_logprobs = 3});
  const auto event = stream.next();
  ASSERT_TRUE(event.has_value());
  EXPECT_EQ(event->id, 42);
  const auto logits = f.model->logits_after(prompt);
  const double total = sampling::log_sum_exp(logits);
  EXPECT_NEAR(event->logprob, logits[42] - total, 1e-5);
  std::vector<Candidate> best;
  sampling::top_k(logits, 3, best);
  ASSERT_EQ(event->top_logprobs.size(), 3u);
  for (size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(event->top_logprobs[i].id, best[i].id);
    EXPECT_NEAR(event->top_logprobs[i].logprob, best[i].logit - total, 1e-5);
  }
}

// Allows even tokens, and ends after `n`.
class EvenTokens final : public Constraint {
 public:
  explicit EvenTokens(int n) : left_(n) {}
  void mask(std::span<uint64_t> allowed) const override {
    for (uint64_t& word : allowed) word &= 0x5555555555555555u;
    if (throws_on_mask) throw std::runtime_error("a constraint with a bug");
    if (allows_nothing) std::fill(allowed.begin(), allowed.end(), 0);
  }
  void accept(TokenId id) override {
    EXPECT_EQ(id % 2, 0);
    --left_;
  }
  void rollback(int n) override { left_ += n; }
  bool is_finished() const override { return left_ == 0; }

  bool throws_on_mask = false;
  bool allows_nothing = false;

 private:
  int left_;
};

TEST(Engine, AConstraintMasksAndEndsTheAnswer) {
  EngineFixture f;
  f.start();
  for (const float temperature : {0.0f, 1.0f}) {
    Stream stream = f.submit({.prompt = {1, 2, 3},
                              .max_tokens = 100,
                              .sampling = {.temperature = temperature},
                              .constraint = std::make_shared<EvenTokens>(9)});
    const Answer answer = read_all(stream);
    EXPECT_EQ(answer.ids.size(), 9u);
    EXPECT_EQ(answer.finish.reason, FinishReason::stop);
    for (const TokenId id : answer.ids) EXPECT_EQ(id % 2, 0);
  }
}

TEST(Engine, ABadConstraintFailsItsOwnRequestOnly) {
  EngineFixture f;
  f.model->hold();
  f.start();
  auto throwing = std::make_shared<EvenTokens>(9);
  throwing->throws_on_mask = true;
  auto empty = std::make_shared<EvenTokens>(9);
  empty->allows_nothing = true;
  Stream good = f.greedy({1, 2, 3}, 12);
  Stream bad = f.submit({.prompt = {1, 2, 3}, .constraint = throwing});
  Stream stuck = f.submit({.prompt = {1, 2, 3}, .constraint = empty});
  f.model->release();
  EXPECT_EQ(read_all(good).ids, f.model->greedy_answer({1, 2, 3}, 12));
  const Answer failed = read_all(bad);
  EXPECT_EQ(failed.finish.reason, FinishReason::error);
  EXPECT_THAT(failed.finish.error->message, HasSubstr("a constraint with a bug"));
  const Answer nothing = read_all(stuck);
  EXPECT_EQ(nothing.finish.reason, FinishReason::error);
  EXPECT_THAT(nothing.finish.error->message, HasSubstr("allows no token"));
}

TEST(Engine, NanLogitsEndTheirRequestWithASentence) {
  EngineFixture f;
  f.model->nan_at = 50;
  f.model->hold();
  f.start();
  Stream bad = f.greedy({1, 2, 50}, 10);
  Stream good = f.greedy({1, 2, 3}, 1);
  f.model->release();
  const Answer answer = read_all(bad);
  EXPECT_EQ(answer.finish.reason, FinishReason::error);
  EXPECT_EQ(answer.finish.error->kind, ErrorKind::bad_numbers);
  EXPECT_THAT(answer.finish.error->message, HasSubstr("non-finite logits at token 3"));
  EXPECT_EQ(read_all(good).finish.reason, FinishReason::length);
}

TEST(Engine, AnExceptionFailsTheStepAndTheNextGoesOn) {
  EngineFixture f;
  f.model->throw_at = 50;
  f.start({.prefix_cache = false});
  const int64_t free_before = f.engine->stats().free_state_tokens;
  Stream bad = f.greedy({1, 2, 50}, 10);
  const Answer answer = read_all(bad);
  EXPECT_EQ(answer.finish.reason, FinishReason::error);
  EXPECT_THAT(answer.finish.error->message, HasSubstr("told to throw"));
  EXPECT_EQ(f.engine->stats().free_state_tokens, free_before);
  Stream good = f.greedy({1, 2, 3}, 3);
  EXPECT_EQ(read_all(good).finish.reason, FinishReason::length);
}

TEST(Engine, CancelWorksInEveryPhaseAndTouchesNobodyElse) {
  EngineFixture f;
  f.model->hold();
  f.start({.max_sequences = 2, .max_batch_tokens = 8, .prefix_cache = false});
  const int64_t free_before = f.engine->stats().free_state_tokens;
  const auto other_prompt = random_tokens(5, 20);
  Stream other = f.greedy(other_prompt, 50);
  {
    Stream prefilling = f.greedy(random_tokens(400, 21), 10);
    Stream queued = f.greedy(random_tokens(40, 22), 10);
    f.model->wait_until_held();
    f.model->step_once();
    f.model->step_once();
    f.model->step_once();
    EXPECT_GT(prefilling.prefill_progress().first, 0);
    EXPECT_LT(prefilling.prefill_progress().first, 400);
    EXPECT_EQ(queued.prefill_progress().first, 0);
    prefilling.cancel();
    queued.cancel();
    f.model->step_once();  // the step under way
    f.model->step_once();  // the next one knows
    EXPECT_EQ(read_all(prefilling).finish.reason, FinishReason::cancelled);
    EXPECT_EQ(read_all(queued).finish.reason, FinishReason::cancelled);
  }
  Stream decoding = f.greedy(random_tokens(3, 23), 1000);
  while (!decoding.next_within(0).has_value()) f.model->step_once();
  decoding.cancel();
  f.model->release();
  EXPECT_EQ(read_all(decoding).finish.reason, FinishReason::cancelled);
  EXPECT_EQ(read_all(other).ids, f.model->greedy_answer(other_prompt, 50));
  f.wait_until_idle();
  EXPECT_EQ(f.engine->stats().free_state_tokens, free_before);
}

TEST(Engine, ACancelGivesUpTheStepThatNobodyElseIsIn) {
  EngineFixture f;
  f.model->hold();
  f.start({.max_sequences = 2, .max_batch_tokens = 8, .prefix_cache = false});
  Stream alone = f.greedy(random_tokens(400, 31), 10);
  f.model->wait_until_held();
  alone.cancel();
  f.model->release();
  EXPECT_EQ(read_all(alone).finish.reason, FinishReason::cancelled);
  EXPECT_GE(f.model->n_abandoned, 1);
  EXPECT_EQ(alone.prefill_progress().first, 0);
}

TEST(Engine, AShortStepGivesWayToAPromptThatGoesFirst) {
  EngineFixture f;
  f.start({.max_sequences = 4, .max_batch_tokens = 64});
  const auto stream_prompt = random_tokens(10, 41);
  const auto first_prompt = random_tokens(30, 42);
  const auto second_prompt = random_tokens(20, 43);
  f.model->hold();
  Stream stream = f.greedy(stream_prompt, 50);
  f.model->wait_until_held();
  f.model->step_once();
  const auto go_first = [&f](const std::vector<TokenId>& prompt) {
    return f.submit({.prompt = prompt, .max_tokens = 5, .sampling = kGreedy, .goes_first = true});
  };
  Stream first = go_first(first_prompt);
  f.model->step_once();
  EXPECT_EQ(f.model->n_abandoned, 1) << "the step that only streams";
  Stream second = go_first(second_prompt);
  f.model->step_once();
  EXPECT_EQ(f.model->n_abandoned, 1) << "not the first one's own";
  f.model->release();
  EXPECT_EQ(read_all(first).ids, f.model->greedy_answer(first_prompt, 5));
  EXPECT_EQ(read_all(second).ids, f.model->greedy_answer(second_prompt, 5));
  EXPECT_EQ(read_all(stream).ids, f.model->greedy_answer(stream_prompt, 50));
}

TEST(Engine, NoStepGivesWayTwiceInTurnOrIfItIsLong) {
  EngineFixture f;
  f.start({.max_sequences = 4, .max_batch_tokens = 200, .prefix_cache = false});
  const auto tokens_of = [](uint64_t seed) { return random_tokens(20, seed); };
  const auto go_first = [&](uint64_t seed) {
    return f.submit(
        {.prompt = tokens_of(seed), .max_tokens = 1, .sampling = kGreedy, .goes_first = true});
  };
  const auto prompt = random_tokens(129, 51);
  f.model->hold();
  Stream stream = f.greedy(prompt, 20);
  f.model->wait_until_held();
  std::vector<Stream> firsts;
  firsts.push_back(go_first(61));
  f.model->step_once();
  EXPECT_EQ(f.model->n_abandoned, 0) << "129 tokens are too much to do again";
  f.model->step_once();  // the first one's own step
  firsts.push_back(go_first(62));
  f.model->step_once();  // the stream's step was given up
  EXPECT_EQ(f.model->n_abandoned, 1);
  f.model->step_once();  // the second one's own
  firsts.push_back(go_first(63));
  f.model->step_once();
  EXPECT_EQ(f.model->n_abandoned, 1) << "the stream's next step is done";
  f.model->release();
  for (uint64_t i = 0; i < firsts.size(); ++i) {
    EXPECT_EQ(read_all(firsts[i]).ids, f.model->greedy_answer(tokens_of(61 + i), 1)) << i;
  }
  EXPECT_EQ(read_all(stream).ids, f.model->greedy_answer(prompt, 20));
}

TEST(Engine, LookupChangesTheNumberOfStepsAndNothingElse) {
  // Two tokens and a hash for a model: texts repeat, and guesses are right one time in two.
  const auto answer = [](bool lookup, float temperature, uint64_t seed, int32_t n_streams,
                         uint64_t* steps, int32_t* right) {
    EngineFixture f;
    f.model = std::make_shared<FakeModel>(2);
    f.start({.max_sequences = n_streams, .lookup = lookup, .prefix_cache = lookup});
    std::vector<Stream> streams;
    for (int32_t i = 0; i < n_streams; ++i) {
      streams.push_back(f.submit({.prompt = random_tokens(60, 40 + static_cast<uint64_t>(i), 2),
                                  .max_tokens = 300 + i,
                                  .sampling = {.temperature = temperature, .seed = seed},
                                  .top_logprobs = 2}));
    }
    std::vector<std::vector<float>> all;
    for (Stream& stream : streams) {
      std::vector<float> events;
      while (const auto event = stream.next()) {
        events.push_back(static_cast<float>(event->id));
        events.push_back(event->logprob);
      }
      *right += static_cast<int32_t>(stream.finish()->stats.guesses[GuessKind::lookup].right);
      all.push_back(std::move(events));
    }
    f.wait_until_idle();
    *steps = f.engine->stats().steps;
    return all;
  };
  for (const float temperature : {0.0f, 1.0f}) {
    for (const int32_t n_streams : {1, 3}) {
      uint64_t plain_steps = 0, steps = 0;
      int32_t none = 0, right = 0;
      const auto plain = answer(false, temperature, 5, n_streams, &plain_steps, &none);
      const auto guessed = answer(true, temperature, 5, n_streams, &steps, &right);
      EXPECT_EQ(guessed, plain);
      EXPECT_EQ(none, 0);
      EXPECT_GT(right, 0);
      if (n_streams == 1) {
        EXPECT_LT(steps, plain_steps);
      }
    }
  }
}

TEST(Engine, LookupKeepsToTheContextTheStopsAndTheConstraint) {
  for (const bool lookup : {false, true}) {
    EngineFixture f;
    f.model = std::make_shared<FakeModel>(4);
    f.start({.context = 64, .max_sequences = 1, .lookup = lookup, .prefix_cache = false});
    const auto prompt = random_tokens(40, 50, 4);
    Stream to_the_end = f.greedy(prompt, -1);
    EXPECT_EQ(read_all(to_the_end).ids, f.model->greedy_answer(prompt, 24)) << lookup;
    const auto whole = f.model->greedy_answer(prompt, 24);
    Stream stopped = f.submit(
        {.prompt = prompt, .max_tokens = 24, .sampling = kGreedy, .stop_ids = {whole[10]}});
    const auto end = std::find(whole.begin(), whole.end(), whole[10]);
    EXPECT_EQ(read_all(stopped).ids, std::vector<TokenId>(whole.begin(), end)) << lookup;
    EXPECT_EQ(f.engine->stats().free_state_tokens, 64) << "and all its state came back";
  }
}

TEST(Engine, ACancelStormLeaksNothing) {
  for (const bool prefix_cache : {false, true}) {
    EngineFixture f;
    f.start({.context = 64,
             .max_sequences = 4,
             .kv_tokens = 160,
             .max_batch_tokens = 16,
             .prefix_cache = prefix_cache});
    const int64_t capacity = f.engine->stats().free_state_tokens;
    const auto steady_prompt = random_tokens(20, 30);
    Stream steady = f.greedy(steady_prompt, 40);
    std::vector<std::thread> clients;
    for (uint64_t client = 0; client < 3; ++client) {
      clients.emplace_back([&f, client] {
        Random random(client);
        for (int i = 0; i < 300; ++i) {
          Stream stream = f.greedy(
              random_tokens(1 + static_cast<int32_t>(random.next() % 50), random.next()), -1);
          const uint64_t n_read = random.next() % 4;
          for (uint64_t j = 0; j < n_read; ++j) stream.next();
        }
      });
    }
    for (std::thread& client : clients) client.join();
    EXPECT_EQ(read_all(steady).ids, f.model->greedy_answer(steady_prompt, 40));
    f.wait_until_idle();
    if (!prefix_cache) {
      EXPECT_EQ(f.engine->stats().free_state_tokens, capacity);
    }
    EXPECT_EQ(f.engine->stats().running, 0);
    // And there is room for a sequence of the whole context.
    Stream last = f.greedy(random_tokens(63, 31), -1);
    EXPECT_EQ(read_all(last).finish.reason, FinishReason::length);
  }
}

TEST(Engine, AReaderThatDoesNotReadBlocksNobody) {
  EngineFixture f;
  f.start({.context = 4096, .max_sequences = 1, .max_batch_tokens = 64});
  // 97 log-probabilities of 8 bytes per event: some 300 events fill its channel.
  Stream deaf =
      f.submit({.prompt = {1, 2, 3}, .max_tokens = 1000, .sampling = kGreedy, .top_logprobs = 97});
  for (int i = 0; i < 3; ++i) {
    Stream lively = f.greedy({4, 5, 6}, 600);
    EXPECT_EQ(read_all(lively).ids, f.model->greedy_answer({4, 5, 6}, 600));
  }
  EXPECT_LT(f.engine->stats().generated_tokens, 1800u + 1000u) << "the deaf one is paused";
  // It lost nothing.
  EXPECT_EQ(read_all(deaf).ids, f.model->greedy_answer({1, 2, 3}, 1000));
}

TEST(Engine, EvaluateGivesEveryPositionsOutput) {
  EngineFixture f;
  f.start();
  const auto ids = random_tokens(150, 40);  // more than one chunk
  const Tensor out = f.engine->evaluate(ids, OutputKind::logits).value();
  ASSERT_EQ(out.view().rows, 150);
  ASSERT_EQ(out.view().cols, 97);
  for (const size_t position : {size_t{0}, size_t{63}, size_t{64}, size_t{149}}) {
    const auto expected = f.model->logits_after(
        {ids.begin(), ids.begin() + static_cast<std::ptrdiff_t>(position) + 1});
    const float* row = out.view().row(static_cast<int64_t>(position));
    EXPECT_EQ(std::vector<float>(row, row + 97), expected) << position;
  }
}

TEST(Engine, EvaluateRunsBesideStreams) {
  EngineFixture f;
  f.start();
  Stream stream = f.greedy({1, 2, 3}, 200);
  std::thread evaluator(
      [&] { EXPECT_TRUE(f.engine->evaluate(random_tokens(300, 41), OutputKind::logits)); });
  EXPECT_EQ(read_all(stream).ids, f.model->greedy_answer({1, 2, 3}, 200));
  evaluator.join();
}

TEST(Engine, EvaluateRefusesWhatItCannot) {
  EngineFixture f;
  f.start({.context = 16, .memory_budget = 18000});
  EXPECT_THAT(f.engine->evaluate({}, OutputKind::logits).error().message, HasSubstr("no tokens"));
  EXPECT_THAT(f.engine->evaluate(random_tokens(17, 1), OutputKind::logits).error().message,
              HasSubstr("17"));
  EXPECT_THAT(f.engine->evaluate({200}, OutputKind::logits).error().message, HasSubstr("200"));
  EXPECT_THAT(f.engine->evaluate(random_tokens(16, 1), OutputKind::logits).error().message,
              HasSubstr("budget"));
}

TEST(Engine, TheEngineRefusesAModelBeyondItsBudget) {
  EngineFixture f;
  const auto refused = Engine::create(f.model, f.pool, {.memory_budget = 1500});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind, ErrorKind::too_large);
  EXPECT_THAT(refused.error().message, HasSubstr("the budget is 1.5 kB"));
}

TEST(Engine, ShutdownFinishesStreamsAsCancelled) {
  EngineFixture f;
  f.start({.max_sequences = 1});
  Stream running = f.greedy({1, 2, 3}, -1);
  Stream waiting = f.greedy({1, 2, 3}, -1);
  ASSERT_TRUE(running.next().has_value());
  f.engine.reset();
  EXPECT_EQ(read_all(running).finish.reason, FinishReason::cancelled);
  EXPECT_EQ(read_all(waiting).finish.reason, FinishReason::cancelled);
}

TEST(Engine, NextWithinGivesUpAndGoesOn) {
  EngineFixture f;
  f.model->hold();
  f.start();
  Stream stream = f.greedy({1, 2, 3}, 1);
  EXPECT_FALSE(stream.next_within(0.001).has_value());
  EXPECT_FALSE(stream.finish().has_value());
  f.model->release();
  EXPECT_TRUE(stream.next_within(1e300).has_value());
  EXPECT_FALSE(stream.next().has_value());
  EXPECT_TRUE(stream.finish().has_value());
}

TEST(Engine, AReaderThatIsNotifiedNeedsNoThread) {
  std::mutex mutex;  // these outlive the engine, whose thread uses them
  std::condition_variable changed;
  int n_calls = 0;
  EngineFixture f;
  f.start();
  const auto prompt = random_tokens(50, 6);
  Stream stream = f.submit({.prompt = prompt, .max_tokens = 20, .sampling = kGreedy, .notify = [&] {
                              const std::lock_guard lock(mutex);
                              ++n_calls;
                              changed.notify_one();
                            }});
  Answer answer;
  for (int seen = 0; !stream.finish().has_value();) {
    {
      std::unique_lock lock(mutex);
      changed.wait(lock, [&] { return n_calls > seen; });
      seen = n_calls;
    }
    while (const auto event = stream.next_within(0)) answer.ids.push_back(event->id);
  }
  EXPECT_EQ(answer.ids, f.model->greedy_answer(prompt, 20));
  f.engine.reset();  // the reader may see the finish before it is told of it
  EXPECT_GE(n_calls, 2) << "for the first token and for the finish";
  EXPECT_LE(n_calls, 21) << "no more than one a token and one for the finish";
}

TEST(Engine, TokensThatComeQuicklyAreToldTogether) {
  constexpr int kTokens = 2000;
  std::atomic<int> n_calls = 0;
  EngineFixture f;
  f.start();
  const auto prompt = random_tokens(50, 6);
  const auto began = std::chrono::steady_clock::now();
  Stream stream = f.submit(
      {.prompt = prompt, .max_tokens = kTokens, .sampling = kGreedy, .notify = [&] { ++n_calls; }});
  const Answer answer = read_all(stream);
  const double seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
  EXPECT_EQ(answer.ids.size(), static_cast<size_t>(kTokens));
  f.engine.reset();
  // Once every 15 ms, the first and the last, and where 64 wait.
  EXPECT_LE(n_calls, seconds / 0.015 + 2 + kTokens / 64);
}

TEST(Engine, NotifyMayReadItsOwnStream) {
  EngineFixture f;
  f.model->hold();
  f.start();
  std::atomic<Stream*> shared = nullptr;
  std::vector<TokenId> ids;
  std::atomic<bool> is_done = false;
  Stream stream =
      f.submit({.prompt = {1, 2, 3}, .max_tokens = 5, .sampling = kGreedy, .notify = [&] {
                  Stream& own = *shared.load();  // no lock is held: this cannot block
                  while (const auto event = own.next_within(0)) ids.push_back(event->id);
                  if (own.finish().has_value()) is_done.store(true);
                }});
  shared.store(&stream);
  f.model->release();
  while (!is_done.load()) std::this_thread::yield();
  EXPECT_EQ(ids, f.model->greedy_answer({1, 2, 3}, 5));
}

TEST(Engine, TellsHowLongAStepHasTaken) {
  EngineFixture f;
  f.model->hold();
  f.start();
  Stream stream = f.greedy({1, 2, 3}, 2);
  // A look for requests that finds none is told too, and over at once: what is held grows.
  double first = 0;
  while (first == 0 || f.engine->stats().seconds_in_step <= first) {
    first = f.engine->stats().seconds_in_step;
    std::this_thread::yield();
  }
  f.model->release();
  read_all(stream);
  while (f.engine->stats().seconds_in_step > 0) std::this_thread::yield();
}

TEST(Engine, ThoseWhoWaitKnowTheirPlace) {
  EngineFixture f;
  f.start({.max_sequences = 1, .prefix_cache = false});
  Stream running = f.greedy({1, 2, 3}, 2000);
  ASSERT_TRUE(running.next().has_value());
  Stream second = f.greedy({4, 5, 6}, 1);
  Stream third = f.greedy({7, 8, 9}, 1);
  while (third.queue_position() != 2) std::this_thread::yield();
  EXPECT_EQ(running.queue_position(), 0);
  EXPECT_EQ(second.queue_position(), 1);
  running.cancel();
  read_all(second);
  EXPECT_EQ(second.queue_position(), 0);
}

TEST(Engine, AScriptedModelSaysItsScript) {
  EngineFixture f;
  f.model->script = {7, 8, 9};
  f.model->script_prompt_length = 2;
  f.start();
  Stream stream = f.submit({.prompt = {1, 2}, .sampling = kGreedy, .stop_ids = {9}});
  EXPECT_THAT(read_all(stream).ids, ElementsAre(7, 8));
}

TEST(Engine, AnEncoderCannotGenerate) {
  EngineFixture f;
  f.model->mutable_config().is_encoder = true;
  f.start();
  const auto refused = f.engine->submit({.prompt = {1, 2}});
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().message, HasSubstr("encoder"));
}

}  // namespace
}  // namespace jiang
