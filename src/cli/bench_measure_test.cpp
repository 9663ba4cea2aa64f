#include "cli/bench_measure.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "tests/support/fake_model.h"

namespace jiang {
namespace {

const TokenCosts kCosts = {.macs = {.per_token = 100, .head = 7, .attention_per_pair = 2},
                           .weight_bytes = 1000,
                           .kv_bytes = 10};

TEST(BenchMeasure, MedianAndSpread) {
  EXPECT_EQ((Rates{{3, 1, 2}}.median()), 2);
  EXPECT_EQ((Rates{{4, 1, 2, 3}}.median()), 2.5);
  EXPECT_EQ((Rates{{3, 1, 2}}.low()), 1);
  EXPECT_EQ((Rates{{3, 1, 2}}.high()), 3);
}

TEST(BenchMeasure, AMultiplyAccumulateIsTwoOperations) {
  // 4 tokens see 1 + 2 + 3 + 4 tokens; one row of logits.
  EXPECT_EQ(prefill_operations(kCosts, 4), 2 * (4 * 100 + 10 * 2 + 7));
  // After 3 tokens two are decoded, which see 4 and 5.
  EXPECT_EQ(decode_operations(kCosts, 3, 2), 2 * (100 + 7 + 2 * 4.5));
}

TEST(BenchMeasure, WeightsAreReadOnceForAllThatRunTogether) {
  // The contexts read are 3 and 4 tokens long.
  EXPECT_EQ(decode_bytes(kCosts, 1, 3, 2), 1000 + 10 * 3.5);
  EXPECT_EQ(decode_bytes(kCosts, 4, 3, 2), 250 + 10 * 3.5);
  // Passes of 4, 4 and 2 tokens.
  EXPECT_EQ(prefill_bytes(kCosts, 10, 4), 3 * 1000 + 10 * (4 + 8 + 10));
}

TEST(BenchMeasure, PromptsOfOneSaltBeginAlikeAndOthersDiffer) {
  const auto longer = bench_prompt(64, 500, 1);
  const auto shorter = bench_prompt(16, 500, 1);
  EXPECT_TRUE(std::equal(shorter.begin(), shorter.end(), longer.begin()));
  EXPECT_NE(bench_prompt(16, 500, 2), shorter);
  for (const TokenId id : longer) EXPECT_TRUE(id >= 0 && id < 500);
}

TEST(BenchMeasure, AnswersDecodeTogetherOrAreNotMeasured) {
  const auto model = std::make_shared<FakeModel>();
  ThreadPool pool(1);
  const DecodeSizes sizes{.batch = 8, .depth = 16, .n_decode = 16};
  EngineOptions options{.context = 33, .max_sequences = 8, .prefix_cache = false};
  const auto roomy = *Engine::create(model, pool, options);
  // It ticks when it waits: no step ends before all are submitted.
  const BenchTick release = [&] { model->release(); };
  model->hold();
  EXPECT_TRUE(measure_decode(*roomy, sizes, 1, release));
  // The first may be alone in a step before the others came.
  EXPECT_LE(roomy->stats().steps, 20u);

  options.kv_tokens = 40;
  const auto tight = *Engine::create(model, pool, options);
  model->hold();
  const auto in_turns = measure_decode(*tight, sizes, 1, release);
  ASSERT_FALSE(in_turns);
  EXPECT_EQ(in_turns.error().kind, ErrorKind::too_large);
}

TEST(BenchMeasure, PeakMemoryIsWhatTheSystemSays) {
  const auto peak = peak_memory_bytes();
  ASSERT_TRUE(peak);
  EXPECT_GT(*peak, 1u << 20);
  const std::vector<char> big(64 << 20, 1);
  EXPECT_GE(*peak_memory_bytes(), big.size());
}

TEST(BenchMeasure, TheBetterOfTwoLimitsIsTakenEach) {
  const MachineLimits best =
      better_of({.read_gb_per_s = 1, .dot_gop_per_s = 5}, {.read_gb_per_s = 2, .dot_gop_per_s = 3});
  EXPECT_EQ(best.read_gb_per_s, 2);
  EXPECT_EQ(best.dot_gop_per_s, 5);
}

}  // namespace
}  // namespace jiang
