#include "engine/draft_model.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <thread>

#include "engine/engine.h"
#include "engine/random.h"
#include "tests/support/fake_model.h"

namespace jiang {
namespace {

using testing::HasSubstr;

constexpr SamplingParams kLikeliest{.temperature = 0};

std::vector<TokenId> some_tokens(int32_t n, uint64_t seed, int32_t vocab_size = 97) {
  Random random(seed);
  std::vector<TokenId> tokens(static_cast<size_t>(n));
  for (TokenId& token : tokens)
    token = static_cast<TokenId>(random.next() % static_cast<uint64_t>(vocab_size));
  return tokens;
}

// A model, and a draft that is quick and sure of itself.
struct Pair {
  std::shared_ptr<FakeModel> model;
  std::shared_ptr<FakeModel> draft;
  ThreadPool pool{1};
  std::unique_ptr<Engine> engine;
  // Of the draft, counted on the step thread and read when nothing runs.
  int n_passes = 0;
  int n_rows = 0;
  int most_rows = 0;

  explicit Pair(int32_t vocab_size = 97, int32_t draft_vocab_size = 0, int32_t draft_context = 4096)
      : model(std::make_shared<FakeModel>(vocab_size)),
        draft(std::make_shared<FakeModel>(draft_vocab_size > 0 ? draft_vocab_size : vocab_size,
                                          draft_context)) {
    draft->sharpness = 100;
    draft->fake_bytes_per_token = 5;
    draft->on_forward = [this](const Batch& batch) {
      ++n_passes;
      n_rows += static_cast<int>(batch.tokens.size());
      most_rows = std::max(most_rows, static_cast<int>(batch.tokens.size()));
    };
  }
  void start(EngineOptions options = {}) {
    options.draft = draft;
    engine = Engine::create(model, pool, options).value();
  }
  Stream submit(Request request) { return engine->submit(std::move(request)).value(); }
  Stream greedy(std::vector<TokenId> prompt, int32_t max_tokens) {
    return submit({.prompt = std::move(prompt), .max_tokens = max_tokens, .sampling = kLikeliest});
  }
  void wait_until_idle() {
    while (engine->stats().running + engine->stats().waiting > 0) std::this_thread::yield();
  }
};

struct Events {
  std::vector<float> values;  // id and log-probability, token after token
  FinishEvent finish;
};

Events read_events(Stream& stream) {
  Events events;
  while (const auto event = stream.next()) {
    events.values.push_back(static_cast<float>(event->id));
    events.values.push_back(event->logprob);
  }
  events.finish = stream.finish().value();
  return events;
}

std::vector<TokenId> read_ids(Stream& stream) {
  std::vector<TokenId> ids;
  while (const auto event = stream.next()) ids.push_back(event->id);
  return ids;
}

TEST(DraftModel, ADraftThatIsTheModelIsRightNearlyAlways) {
  Pair f;
  f.start({.lookup = false});
  const auto prompt = some_tokens(50, 1);
  Stream stream = f.greedy(prompt, 400);
  EXPECT_EQ(read_ids(stream), f.model->greedy_answer(prompt, 400));
  const GuessCount count = stream.finish()->stats.guesses[GuessKind::draft];
  EXPECT_EQ(count.right, count.guessed);
  EXPECT_GE(count.right, 340u);
  f.wait_until_idle();
  EXPECT_LT(f.engine->stats().steps, 60u) << "seven guesses a step, and one token more";
  EXPECT_EQ(f.engine->stats().guesses[GuessKind::draft].right, count.right);
  EXPECT_EQ(f.engine->stats().guesses[GuessKind::lookup].guessed, 0u);
}

TEST(DraftModel, ADraftThatKnowsNothingIsSoonLeftAlone) {
  Pair f;
  f.draft->salt = 1;
  f.start({.lookup = false});
  const auto prompt = some_tokens(50, 1);
  Stream stream = f.greedy(prompt, 1000);
  EXPECT_EQ(read_ids(stream), f.model->greedy_answer(prompt, 1000));
  const GuessCount count = stream.finish()->stats.guesses[GuessKind::draft];
  EXPECT_LT(count.right, 10u);
  EXPECT_LT(f.n_passes, 100) << "for 1000 tokens";
}

// Every way to run gives the bits of plain decoding, greedy and drawn.
TEST(DraftModel, ChangesTheNumberOfStepsAndNothingElse) {
  enum class Draft : uint8_t { none, same, other };
  const auto answers = [](Draft draft, bool lookup, float temperature, int32_t n_streams,
                          uint64_t* steps, GuessCounts* counts) {
    // Three tokens and a hash for a model: the other draft is right now and then, and texts repeat.
    Pair f(3);
    f.draft->salt = draft == Draft::other ? 1 : 0;
    EngineOptions options{.max_sequences = n_streams, .lookup = lookup};
    if (draft != Draft::none) options.draft = f.draft;
    f.engine = Engine::create(f.model, f.pool, options).value();
    std::vector<Stream> streams;
    for (int32_t i = 0; i < n_streams; ++i) {
      streams.push_back(f.submit({.prompt = some_tokens(60, 40 + static_cast<uint64_t>(i), 3),
                                  .max_tokens = 200 + i,
                                  .sampling = {.temperature = temperature, .seed = 5},
                                  .top_logprobs = 2}));
    }
    std::vector<std::vector<float>> all;
    for (Stream& stream : streams) all.push_back(read_events(stream).values);
    f.wait_until_idle();
    *steps = f.engine->stats().steps;
    *counts = f.engine->stats().guesses;
    return all;
  };
  for (const float temperature : {0.0f, 1.0f}) {
    for (const int32_t n_streams : {1, 3, 6}) {
      uint64_t plain_steps = 0;
      GuessCounts none;
      const auto plain = answers(Draft::none, false, temperature, n_streams, &plain_steps, &none);
      EXPECT_EQ(none.total().guessed, 0u);
      for (const Draft draft : {Draft::same, Draft::other}) {
        for (const bool lookup : {false, true}) {
          uint64_t steps = 0;
          GuessCounts counts;
          EXPECT_EQ(answers(draft, lookup, temperature, n_streams, &steps, &counts), plain)
              << temperature << " " << n_streams << " " << static_cast<int>(draft) << lookup;
          EXPECT_GT(counts[GuessKind::draft].guessed, 0u);
          EXPECT_EQ(counts[GuessKind::lookup].guessed > 0, lookup);
          if (draft == Draft::same && n_streams == 1) {
            EXPECT_LT(steps, plain_steps);
          }
        }
      }
    }
  }
}

TEST(DraftModel, KeepsToTheContextAndTheStops) {
  Pair f;
  f.start({.context = 64, .max_sequences = 1, .lookup = false, .prefix_cache = false});
  const auto prompt = some_tokens(40, 50);
  const auto whole = f.model->greedy_answer(prompt, 24);
  for (const int32_t most : {-1, 1, 2, 3, 9}) {
    Stream stream = f.greedy(prompt, most);
    const auto end = most < 0 ? whole.end() : whole.begin() + most;
    EXPECT_EQ(read_ids(stream), std::vector<TokenId>(whole.begin(), end)) << most;
  }
  for (const size_t at : {size_t{1}, size_t{2}, size_t{5}, size_t{10}}) {
    Stream stream = f.submit(
        {.prompt = prompt, .max_tokens = 24, .sampling = kLikeliest, .stop_ids = {whole[at]}});
    const auto end = std::find(whole.begin(), whole.end(), whole[at]);
    EXPECT_EQ(read_ids(stream), std::vector<TokenId>(whole.begin(), end)) << at;
  }
  f.wait_until_idle();
  EXPECT_EQ(f.engine->stats().free_state_tokens, 64) << "and all its state came back";
}

TEST(DraftModel, GuessesOnlyAsFarAsItWasTrainedFor) {
  Pair f(97, 97, 80);
  int32_t furthest = 0;
  f.draft->on_forward = [&](const Batch& batch) {
    for (const BatchSequence& sequence : batch.sequences)
      furthest = std::max(furthest, sequence.start_position + sequence.n_rows);
  };
  f.start({.lookup = false});
  const auto prompt = some_tokens(40, 51);
  Stream stream = f.greedy(prompt, 100);
  EXPECT_EQ(read_ids(stream), f.model->greedy_answer(prompt, 100));
  EXPECT_GT(furthest, 70);
  EXPECT_LE(furthest, 80);
}

// Allows even tokens, and ends after `n`.
class OnlyEven final : public Constraint {
 public:
  explicit OnlyEven(int n) : left_(n) {}
  void mask(std::span<uint64_t> allowed) const override {
    for (uint64_t& word : allowed) word &= 0x5555555555555555u;
  }
  void accept(TokenId) override { --left_; }
  void rollback(int n) override { left_ += n; }
  bool is_finished() const override { return left_ == 0; }

 private:
  int left_;
};

TEST(DraftModel, AConstraintHoldsWhateverIsGuessed) {
  const auto answer = [](bool has_draft, float temperature) {
    Pair f(6);
    EngineOptions options{.lookup = false};
    if (has_draft) options.draft = f.draft;
    f.engine = Engine::create(f.model, f.pool, options).value();
    Stream stream = f.submit({.prompt = {1, 2, 3},
                              .max_tokens = 100,
                              .sampling = {.temperature = temperature, .seed = 3},
                              .constraint = std::make_shared<OnlyEven>(50)});
    return read_ids(stream);
  };
  for (const float temperature : {0.0f, 1.0f}) {
    const auto ids = answer(true, temperature);
    EXPECT_EQ(ids.size(), 50u);
    EXPECT_EQ(ids, answer(false, temperature));
  }
}

TEST(DraftModel, ReadsALongPromptInPartsThatNobodyWaitsLongFor) {
  Pair f;
  f.start({.context = 1000, .max_sequences = 2, .lookup = false});
  const auto prompt = some_tokens(500, 52);
  Stream stream = f.greedy(prompt, 60);
  EXPECT_EQ(read_ids(stream), f.model->greedy_answer(prompt, 60));
  EXPECT_EQ(f.most_rows, DraftModel::kMostReadRows);
  EXPECT_GT(stream.finish()->stats.guesses[GuessKind::draft].right, 30u);
}

TEST(DraftModel, WhatItReadIsKeptForTheNextTurnOfTheSameUser) {
  for (const bool prefix_cache : {true, false}) {
    Pair f;
    f.start({.lookup = false, .prefix_cache = prefix_cache});
    auto prompt = some_tokens(300, 53);
    const auto ask = [&](const std::string& user) {
      f.n_rows = 0;
      Stream stream =
          f.submit({.prompt = prompt, .max_tokens = 40, .sampling = kLikeliest, .user = user});
      const auto ids = read_ids(stream);
      EXPECT_EQ(ids, f.model->greedy_answer(prompt, 40));
      f.wait_until_idle();
      return ids;
    };
    const auto ids = ask("a");
    EXPECT_GE(f.n_rows, 300);
    prompt.insert(prompt.end(), ids.begin(), ids.end());
    ask("a");
    if (prefix_cache) {
      EXPECT_LT(f.n_rows, 100);
    } else {
      EXPECT_GE(f.n_rows, 340);
    }
    ask("b");
    EXPECT_GE(f.n_rows, 340) << "what a wrote is not b's";
  }
}

TEST(DraftModel, MoreThanTheStateHoldsGivesTheSameAnswers) {
  Pair f;
  f.start({.context = 100, .max_sequences = 6, .kv_tokens = 250, .max_batch_tokens = 24});
  std::vector<std::vector<TokenId>> prompts;
  std::vector<Stream> streams;
  for (uint64_t i = 0; i < 12; ++i) {
    prompts.push_back(some_tokens(20, 200 + i));
    streams.push_back(f.greedy(prompts.back(), 70));
  }
  for (size_t i = 0; i < streams.size(); ++i)
    EXPECT_EQ(read_ids(streams[i]), f.model->greedy_answer(prompts[i], 70)) << i;
  EXPECT_GT(f.engine->stats().guesses[GuessKind::draft].right, 0u);
}

TEST(DraftModel, CancelledRequestsTakeTheirDraftsAlong) {
  Pair f;
  f.start({.context = 200, .max_sequences = 3, .prefix_cache = false});
  const auto steady_prompt = some_tokens(30, 60);
  Stream steady = f.greedy(steady_prompt, 150);
  for (uint64_t i = 0; i < 200; ++i) {
    Stream stream = f.greedy(some_tokens(1 + static_cast<int32_t>(i % 40), i), -1);
    for (uint64_t j = 0; j < i % 5; ++j) stream.next();
  }
  EXPECT_EQ(read_ids(steady), f.model->greedy_answer(steady_prompt, 150));
  f.wait_until_idle();
  EXPECT_EQ(f.engine->stats().free_state_tokens, 600);
  // And the draft still has room for a whole sequence.
  const GuessCounts before = f.engine->stats().guesses;
  Stream last = f.greedy(some_tokens(30, 61), -1);
  read_ids(last);
  EXPECT_GT(last.finish()->stats.guesses[GuessKind::draft].right, 100u);
  EXPECT_GT(before[GuessKind::draft].right, 0u);
}

TEST(DraftModel, ADraftWithBadNumbersMakesAnswersNoWorse) {
  Pair f;
  f.draft->nan_at = 50;
  f.start({.lookup = false});
  for (const auto& prompt : {std::vector<TokenId>{1, 2, 50}, std::vector<TokenId>{1, 2, 3}}) {
    Stream stream = f.greedy(prompt, 200);
    EXPECT_EQ(read_ids(stream), f.model->greedy_answer(prompt, 200));
    EXPECT_EQ(stream.finish()->reason, FinishReason::length);
  }
}

TEST(DraftModel, AnExceptionOfTheDraftFailsTheStepAndTheNextGoesOn) {
  Pair f;
  f.draft->throw_at = 50;
  f.start({.lookup = false});
  Stream bad = f.greedy({1, 2, 50}, 10);
  read_ids(bad);
  EXPECT_EQ(bad.finish()->reason, FinishReason::error);
  EXPECT_THAT(bad.finish()->error->message, HasSubstr("told to throw"));
  Stream good = f.greedy({1, 2, 3}, 2);
  EXPECT_EQ(read_ids(good), f.model->greedy_answer({1, 2, 3}, 2));
}

TEST(DraftModel, APaddedVocabularyIsNoObstacle) {
  for (const int32_t draft_vocab : {90, 101}) {
    Pair f(97, draft_vocab);
    f.start({.lookup = false});
    auto prompt = some_tokens(40, 70, 90);
    Stream stream = f.greedy(prompt, 50);
    EXPECT_EQ(read_ids(stream), f.model->greedy_answer(prompt, 50)) << draft_vocab;
    prompt.push_back(95);  // a token that the smaller draft has not
    Stream beyond = f.greedy(prompt, 50);
    EXPECT_EQ(read_ids(beyond), f.model->greedy_answer(prompt, 50)) << draft_vocab;
    if (draft_vocab == 90) {
      EXPECT_EQ(beyond.finish()->stats.guesses.total().guessed, 0u);
    }
  }
}

TEST(DraftModel, AnEncoderIsNoDraftAndNeedsNone) {
  Pair f;
  f.draft->mutable_config().is_encoder = true;
  const auto refused = Engine::create(f.model, f.pool, {.draft = f.draft});
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().message, HasSubstr("encoder"));
  f.draft->mutable_config().is_encoder = false;
  f.model->mutable_config().is_encoder = true;
  const auto needless = Engine::create(f.model, f.pool, {.draft = f.draft});
  ASSERT_FALSE(needless);
  EXPECT_THAT(needless.error().message, HasSubstr("encoder"));
}

// The source alone: turns as the scheduler gives them.
struct SourceFixture {
  std::shared_ptr<FakeModel> model = std::make_shared<FakeModel>();
  std::shared_ptr<FakeModel> draft = std::make_shared<FakeModel>();
  ThreadPool pool{1};
  std::shared_ptr<StepSignal> signal = std::make_shared<StepSignal>();
  std::unique_ptr<DraftModel> source;
  std::vector<std::unique_ptr<Sequence>> sequences;

  explicit SourceFixture(int64_t state_tokens = 400) {
    draft->sharpness = 100;
    draft->fake_bytes_per_token = 5;
    source = DraftModel::create({.draft = draft,
                                 .model = *model,
                                 .pool = pool,
                                 .state_tokens = state_tokens,
                                 .prefix_cache = false})
                 .value();
  }
  Sequence& add(int32_t length, uint64_t seed) {
    auto tokens = some_tokens(length, seed);
    auto channel = std::make_shared<Stream::Channel>(signal, length);
    sequences.push_back(
        std::make_unique<Sequence>(Request{.prompt = std::move(tokens)}, channel, seed));
    return *sequences.back();
  }
  // The guesses of all, after a step in which nothing was guessed right.
  std::vector<size_t> guess(int32_t rows, int32_t most = 100) {
    std::vector<GuessTurn> turns;
    for (const auto& sequence : sequences) {
      sequence->guesses.clear();
      turns.push_back({sequence.get(), most});
    }
    source->guess(turns, rows);
    std::vector<size_t> counts;
    for (const auto& sequence : sequences) counts.push_back(sequence->guesses.size());
    return counts;
  }
};

using testing::ElementsAre;

TEST(DraftModelSource, ShareTheRowsAGuessEachFirst) {
  SourceFixture f;
  for (uint64_t i = 0; i < 3; ++i) f.add(10, i);
  const auto draw = [&] {
    for (const auto& sequence : f.sequences) sequence->tokens.push_back(5);
  };
  EXPECT_THAT(f.guess(5), ElementsAre(2, 2, 1));
  draw();
  EXPECT_THAT(f.guess(2), ElementsAre(1, 1, 0));
  draw();
  EXPECT_THAT(f.guess(7, 1), ElementsAre(1, 1, 1));
  for (const auto& sequence : f.sequences) {
    EXPECT_EQ(sequence->guesses, f.draft->greedy_answer(sequence->tokens, 1));
  }
}

TEST(DraftModelSource, WhatWasWrongIsForgottenAndWhatWasRightKept) {
  SourceFixture f;
  Sequence& sequence = f.add(10, 1);
  EXPECT_THAT(f.guess(7), ElementsAre(3));
  EXPECT_EQ(f.source->states().length(0), 12) << "the last guess is not fed";
  // One was right, then something else was drawn.
  sequence.tokens.push_back(sequence.guesses[0]);
  sequence.tokens.push_back((sequence.guesses[1] + 1) % 97);
  f.source->record(sequence, 1);
  int n_rows = 0;
  f.draft->on_forward = [&](const Batch& batch) {
    n_rows += static_cast<int>(batch.tokens.size());
  };
  f.guess(7);
  EXPECT_EQ(sequence.guesses, f.draft->greedy_answer(sequence.tokens, 2));
  EXPECT_EQ(n_rows, 2) << "the token that was drawn, and a guess";
  // All were right.
  for (const TokenId id : sequence.guesses) sequence.tokens.push_back(id);
  sequence.tokens.push_back(7);
  f.source->record(sequence, 2);
  f.guess(7);
  EXPECT_EQ(sequence.guesses, f.draft->greedy_answer(sequence.tokens, 5));
}

TEST(DraftModelSource, AStepThatCameToNothingIsNoMatter) {
  SourceFixture f;
  Sequence& sequence = f.add(10, 1);
  f.guess(7);
  EXPECT_THAT(f.guess(7), ElementsAre(0)) << "there is nothing new to read: the step was given up";
  sequence.tokens.push_back(5);
  EXPECT_THAT(f.guess(7), ElementsAre(3));
  EXPECT_EQ(sequence.guesses, f.draft->greedy_answer(sequence.tokens, 3));
}

TEST(DraftModelSource, OutOfMemoryThoseWhoPauseGiveTheirsUp) {
  SourceFixture f(60);
  Sequence& first = f.add(40, 1);
  EXPECT_THAT(f.guess(7), ElementsAre(3));
  Sequence& second = f.add(40, 2);
  first.tokens.push_back(3);
  EXPECT_THAT(f.guess(7), ElementsAre(3, 0)) << "no room for both";
  std::swap(f.sequences[0], f.sequences[1]);
  auto waiting = std::move(f.sequences.back());
  f.sequences.pop_back();
  EXPECT_THAT(f.guess(7), ElementsAre(3)) << "the other takes the place of one who waits";
  EXPECT_EQ(second.guesses, f.draft->greedy_answer(second.tokens, 3));
  f.sequences.push_back(std::move(waiting));
  f.source->forget(second);
  f.source->forget(first);
  EXPECT_EQ(f.source->n_memories(), 0u);
  EXPECT_EQ(f.source->states().free_tokens(), 60);
}

}  // namespace
}  // namespace jiang
