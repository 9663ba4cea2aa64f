#include "engine/scheduler.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "engine/random.h"
#include "tests/support/fake_model.h"

namespace jiang {
namespace {

using testing::ElementsAre;

enum class Order : uint8_t { as_it_comes, goes_first };

// Plays the engine: after a plan, every chunk counts as computed and who has nothing left "draws".
struct SchedulerFixture {
  explicit SchedulerFixture(int64_t capacity, SchedulerOptions options = {})
      : pool(capacity), scheduler(pool, options) {}

  Sequence& add(std::vector<TokenId> prompt, Order order = Order::as_it_comes) {
    auto channel = std::make_shared<Stream::Channel>(signal, static_cast<int32_t>(prompt.size()));
    auto sequence = std::make_unique<Sequence>(
        Request{.prompt = std::move(prompt), .goes_first = order == Order::goes_first}, channel, 0);
    Sequence& added = *sequence;
    scheduler.add(std::move(sequence));
    return added;
  }
  Sequence& add(int32_t length, TokenId token, Order order = Order::as_it_comes) {
    return add(std::vector<TokenId>(static_cast<size_t>(length), token), order);
  }

  // The chunks of one step, in the order of the batch.
  std::vector<int32_t> step() {
    std::vector<int32_t> chunks;
    for (Sequence* sequence : scheduler.plan()) {
      chunks.push_back(sequence->chunk);
      sequence->computed += sequence->chunk;
      pool.set_length(sequence->state, sequence->computed);
      if (sequence->remaining() == 0) sequence->tokens.push_back(1);
    }
    return chunks;
  }

  std::shared_ptr<StepSignal> signal = std::make_shared<StepSignal>();
  FakeStatePool pool;
  Scheduler scheduler;
};

TEST(Scheduler, PrefillsInChunksOfTheBatch) {
  SchedulerFixture f(1000, {.max_sequences = 4, .max_batch_tokens = 10});
  f.add(25, 5);
  EXPECT_THAT(f.step(), ElementsAre(10));
  EXPECT_THAT(f.step(), ElementsAre(10));
  EXPECT_THAT(f.step(), ElementsAre(5));
  EXPECT_THAT(f.step(), ElementsAre(1));
}

TEST(Scheduler, DecodesGoOnBesideALongPrompt) {
  SchedulerFixture f(1000, {.max_sequences = 4, .max_batch_tokens = 10});
  f.add(4, 5);
  EXPECT_THAT(f.step(), ElementsAre(4));
  f.add(100, 6);
  for (int i = 0; i < 11; ++i) EXPECT_THAT(f.step(), ElementsAre(1, 9)) << i;
  EXPECT_THAT(f.step(), ElementsAre(1, 1));  // the hundredth
}

TEST(Scheduler, AStepWithDecodesStaysShort) {
  SchedulerFixture f(1000, {.max_sequences = 4, .max_batch_tokens = 200});
  f.add(300, 5);
  EXPECT_THAT(f.step(), ElementsAre(200)) << "nobody waits";
  EXPECT_THAT(f.step(), ElementsAre(100));
  f.add(300, 6);
  EXPECT_THAT(f.step(), ElementsAre(1, 16));
}

TEST(Scheduler, AShortPromptThatGoesFirstHasAStepForItself) {
  SchedulerFixture f(2000, {.max_sequences = 5, .max_batch_tokens = 200});
  f.add(20, 5);
  f.step();
  f.add(300, 6);
  EXPECT_THAT(f.step(), ElementsAre(1, 16));
  f.add(90, 7, Order::goes_first);
  EXPECT_THAT(f.step(), ElementsAre(90)) << "the others wait for a step";
  EXPECT_THAT(f.step(), ElementsAre(1, 16, 1));
  f.add(150, 8, Order::goes_first);
  EXPECT_THAT(f.step(), ElementsAre(1, 8, 1, 8)) << "no short one";
}

TEST(Scheduler, DecodesDoNotWaitTwiceInTurnForPromptsThatGoFirst) {
  SchedulerFixture f(2000, {.max_sequences = 5, .max_batch_tokens = 200});
  f.add(20, 5);
  f.step();
  f.add(90, 6, Order::goes_first);
  EXPECT_THAT(f.step(), ElementsAre(90));
  f.add(80, 7, Order::goes_first);
  EXPECT_THAT(f.step(), ElementsAre(1, 1, 80));
  f.add(70, 8, Order::goes_first);
  EXPECT_THAT(f.step(), ElementsAre(70));
}

TEST(Scheduler, PromptsShareTheBatchAndShortOnesAreThroughFirst) {
  SchedulerFixture f(1000, {.max_sequences = 4, .max_batch_tokens = 12});
  f.add(100, 5);
  f.add(3, 6);
  f.add(100, 7);
  EXPECT_THAT(f.step(), ElementsAre(4, 3, 5));
  EXPECT_THAT(f.step(), ElementsAre(6, 1, 5));
}

TEST(Scheduler, EvenAFullHouseLeavesEachPromptARow) {
  SchedulerFixture f(1000, {.max_sequences = 3, .max_batch_tokens = 3});
  f.add(1, 5);
  f.add(1, 6);
  f.step();
  f.add(10, 7);
  EXPECT_THAT(f.step(), ElementsAre(1, 1, 1));
}

TEST(Scheduler, TheQueueIsFirstInFirstOut) {
  SchedulerFixture f(1000, {.max_sequences = 1, .max_batch_tokens = 10});
  Sequence& first = f.add(5, 5);
  Sequence& second = f.add(2, 6);
  Sequence& third = f.add(2, 7);
  f.step();
  EXPECT_EQ(second.computed, 0);
  f.scheduler.finish(first, StateFate::discard);
  f.step();
  EXPECT_EQ(second.computed, 2);
  EXPECT_EQ(third.computed, 0);
}

TEST(Scheduler, APromptIsAdmittedOnlyWithRoomForAllOfIt) {
  SchedulerFixture f(100, {.max_sequences = 4, .max_batch_tokens = 200, .prefix_cache = false});
  f.add(60, 5);
  Sequence& big = f.add(60, 6);
  Sequence& small = f.add(2, 7);
  f.step();
  EXPECT_EQ(big.state, kNoState);
  EXPECT_EQ(small.state, kNoState) << "nobody overtakes";
}

// Room to grow is kept for what an answer can still need, not for more: with a context's room for
// each, all of them run.
TEST(Scheduler, AllRunTogetherWhereEachHasRoomForItsContext) {
  for (const int32_t context : {2, 18, 100, 513}) {
    constexpr int32_t kSequences = 8;
    SchedulerFixture f(FakeStatePool::whole_blocks(context) * kSequences,
                       {.max_sequences = kSequences, .max_batch_tokens = 8 * 1024});
    std::vector<Sequence*> all;
    for (int32_t i = 0; i < kSequences; ++i) {
      all.push_back(&f.add(std::max(1, context - 17), i));
      all.back()->most_tokens = context;
    }
    EXPECT_EQ(f.step().size(), size_t{kSequences}) << context;
    while (all.front()->length() < context) f.step();
    EXPECT_EQ(f.scheduler.n_preemptions(), 0u) << context;
    for (const Sequence* sequence : all) EXPECT_EQ(sequence->length(), context);
  }
}

TEST(Scheduler, OutOfStateTheYoungestGoesBackAndTheOldestOn) {
  SchedulerFixture f(40, {.max_sequences = 3, .max_batch_tokens = 40, .prefix_cache = false});
  Sequence& oldest = f.add(8, 5);
  Sequence& middle = f.add(8, 6);
  Sequence& youngest = f.add(8, 7);
  for (int i = 0; i < 6; ++i) f.step();
  EXPECT_EQ(f.scheduler.n_preemptions(), 1u);
  EXPECT_EQ(youngest.state, kNoState);
  EXPECT_EQ(youngest.computed, 0);
  EXPECT_EQ(youngest.length(), 8 + youngest.n_answer()) << "its tokens stay";
  EXPECT_GT(youngest.n_answer(), 0);
  for (int i = 0; i < 8; ++i) f.step();
  EXPECT_EQ(middle.state, kNoState);
  EXPECT_EQ(oldest.n_answer(), 14);
  // When the oldest leaves, the others come back, older first.
  f.scheduler.finish(oldest, StateFate::discard);
  f.step();
  EXPECT_NE(middle.state, kNoState);
  EXPECT_GE(middle.computed, middle.n_prompt);
}

TEST(Scheduler, KeptStatesAreEvictedBeforeAnyoneIsPreempted) {
  SchedulerFixture f(80, {.max_sequences = 2, .max_batch_tokens = 80});
  Sequence& gone = f.add(40, 5);
  f.step();
  f.scheduler.finish(gone, StateFate::keep);
  EXPECT_EQ(f.pool.free_tokens(), 40);
  Sequence& other = f.add(60, 6);
  f.step();
  EXPECT_EQ(other.computed, 60);
  EXPECT_EQ(f.scheduler.n_preemptions(), 0u);
  f.scheduler.finish(other, StateFate::discard);
  EXPECT_EQ(f.pool.free_tokens(), 80);
}

TEST(Scheduler, AForkedSequenceWritesItsOwnBlocks) {
  SchedulerFixture f(200, {.max_sequences = 2, .max_batch_tokens = 80});
  std::vector<TokenId> prompt(30, 5);
  Sequence& first = f.add(prompt);
  f.step();
  prompt[20] = 6;
  Sequence& second = f.add(prompt);
  f.step();
  EXPECT_EQ(second.stats.cached_tokens, 20);
  EXPECT_NE(first.state, second.state);
  // FakeStatePool throws if a shared block is written.
  f.pool.write(second.state, 20, 6);
  f.pool.write(first.state, 30, 1);
}

TEST(Scheduler, ACommonPrefixIsComputedOnceEvenWhenAllComeAtOnce) {
  SchedulerFixture f(1000, {.max_sequences = 4, .max_batch_tokens = 50});
  Sequence& first = f.add(100, 5);
  Sequence& second = f.add(120, 5);
  Sequence& other = f.add(20, 6);
  EXPECT_THAT(f.step(), ElementsAre(30, 20)) << "the second waits, another passes it";
  EXPECT_EQ(other.computed, 20);
  for (int i = 0; i < 3; ++i) EXPECT_THAT(f.step(), ElementsAre(16, 1)) << i;
  EXPECT_THAT(f.step(), ElementsAre(8, 1, 8)) << "too little left to wait for";
  EXPECT_EQ(first.remaining(), 14);
  EXPECT_EQ(second.stats.cached_tokens, 78);
}

TEST(Scheduler, WaitingForAPrefixEndsWithItsComputer) {
  SchedulerFixture f(1000, {.max_sequences = 4, .max_batch_tokens = 50});
  Sequence& first = f.add(100, 5);
  Sequence& second = f.add(120, 5);
  EXPECT_THAT(f.step(), ElementsAre(50));
  f.scheduler.finish(first, StateFate::discard);
  EXPECT_THAT(f.step(), ElementsAre(50));
  EXPECT_EQ(second.computed, 50);
}

TEST(Scheduler, AParkedSequenceLeavesItsPlaceAndComesBack) {
  SchedulerFixture f(200, {.max_sequences = 1, .max_batch_tokens = 80});
  Sequence& deaf = f.add(10, 5);
  f.step();
  TokenEvent big;
  big.top_logprobs.resize(Stream::Channel::kMaxBytes / sizeof(TokenLogprob));
  deaf.channel->push(big);
  Sequence& next = f.add(10, 6);
  EXPECT_THAT(f.step(), ElementsAre(10));
  EXPECT_EQ(next.computed, 10);
  EXPECT_EQ(deaf.computed, 10) << "its state is kept while there is room";
  EXPECT_EQ(f.scheduler.n_waiting(), 1);
  f.scheduler.finish(next, StateFate::discard);
  EXPECT_THAT(f.step(), ElementsAre());
  deaf.channel->pop(0);
  EXPECT_THAT(f.step(), ElementsAre(1));
}

TEST(Scheduler, TheStateOfAParkedSequenceYieldsToOthers) {
  SchedulerFixture f(40, {.max_sequences = 1, .max_batch_tokens = 80});
  Sequence& deaf = f.add(20, 5);
  f.step();
  TokenEvent big;
  big.top_logprobs.resize(Stream::Channel::kMaxBytes / sizeof(TokenLogprob));
  deaf.channel->push(big);
  Sequence& next = f.add(30, 6);
  f.step();
  EXPECT_EQ(next.computed, 30);
  EXPECT_EQ(deaf.state, kNoState);
  f.scheduler.finish(next, StateFate::discard);
  deaf.channel->pop(0);
  EXPECT_THAT(f.step(), ElementsAre(21)) << "prompt and answer are computed again";
}

TEST(Scheduler, WhatExceedsTheWholePoolIsUnfit) {
  SchedulerFixture f(16, {.max_sequences = 2, .max_batch_tokens = 80});
  f.add(20, 5);
  Sequence& fits = f.add(5, 6);
  EXPECT_THAT(f.step(), ElementsAre(5));
  EXPECT_EQ(f.scheduler.take_unfit().size(), 1u);
  for (int i = 0; i < 11; ++i) EXPECT_THAT(f.step(), ElementsAre(1)) << i;
  EXPECT_EQ(fits.length(), 17);
  EXPECT_THAT(f.step(), ElementsAre()) << "it outgrew the pool, alone";
  EXPECT_EQ(f.scheduler.take_unfit().size(), 1u);
  EXPECT_EQ(f.pool.free_tokens(), 16);
}

TEST(Scheduler, CancelledOnesLeaveFromEverywhere) {
  SchedulerFixture f(200, {.max_sequences = 1, .max_batch_tokens = 80, .prefix_cache = false});
  Sequence& running = f.add(10, 5);
  Sequence& waiting = f.add(10, 6);
  f.step();
  running.channel->cancel();
  waiting.channel->cancel();
  EXPECT_TRUE(f.signal->take_cancelled());
  EXPECT_FALSE(f.signal->take_cancelled());
  EXPECT_EQ(f.scheduler.remove_cancelled().size(), 2u);
  EXPECT_EQ(f.pool.free_tokens(), 200);
  EXPECT_EQ(f.pool.n_states(), 0u);
}

// Random arrivals, ends and cancellations: no block is lost and everyone gets on.
TEST(Scheduler, ChurnLosesNoBlockAndStarvesNobody) {
  for (uint64_t seed = 0; seed < 20; ++seed) {
    SchedulerFixture f(120, {.max_sequences = 5, .max_batch_tokens = 11});
    Random random(seed);
    std::map<Sequence*, int32_t> ends;  // length at which each finishes
    int n_added = 0;
    int n_finished = 0;
    for (int i = 0; i < 3000 && n_finished < 60; ++i) {
      if (n_added < 60 && random.next() % 3 == 0) {
        // Few different tokens: prefixes are shared often.
        std::vector<TokenId> prompt(1 + random.next() % 50);
        for (TokenId& token : prompt) token = random.next() % 20 == 0 ? 2 : 1;
        const auto length = static_cast<int32_t>(prompt.size());
        Sequence& sequence = f.add(std::move(prompt));
        ends[&sequence] = length + 1 + static_cast<int32_t>(random.next() % 60);
        ++n_added;
      }
      f.step();
      ASSERT_TRUE(f.scheduler.take_unfit().empty());
      std::erase_if(ends, [&](const auto& entry) {
        Sequence& sequence = *entry.first;
        if (sequence.state == kNoState || sequence.length() < entry.second) return false;
        f.scheduler.finish(sequence, random.next() % 2 == 0 ? StateFate::keep : StateFate::discard);
        ++n_finished;
        return true;
      });
    }
    EXPECT_EQ(n_finished, 60) << seed;
    // All that is left is the cache's: one sequence may have everything.
    Sequence& last = f.add(119, 9);
    while (last.computed < 119) f.step();
    f.scheduler.finish(last, StateFate::discard);
    EXPECT_EQ(f.pool.free_tokens(), 120) << seed;
  }
}

}  // namespace
}  // namespace jiang
