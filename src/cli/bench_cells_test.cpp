#include "cli/bench_cells.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace jiang {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;

// A million multiply-accumulates a token, a thousand for each pair, 1 MB of weights.
CellModel small_model(int32_t context = 1 << 20, int threads = 2) {
  return {.costs = {.macs = {.per_token = 1000000, .head = 5000, .attention_per_pair = 1000},
                    .weight_bytes = 1e6,
                    .kv_bytes = 100},
          .context = context,
          .threads = threads};
}

std::vector<std::string> names(const CellPlan& plan) {
  std::vector<std::string> names;
  for (const BenchCell& cell : plan.cells) names.push_back(cell.name());
  return names;
}

std::vector<std::string> left_out_names(const CellPlan& plan) {
  std::vector<std::string> names;
  for (const LeftOut& one : plan.left_out) names.push_back(one.name);
  return names;
}

TEST(BenchCells, AreAllSizesWhereTheyFit) {
  const CellPlan plan = plan_cells(small_model());
  EXPECT_THAT(
      names(plan),
      ElementsAre(
          "prefill of 128 tokens", "prefill of 512 tokens", "prefill of 2048 tokens",
          "prefill of 8192 tokens", "decode of 1 answer at an empty context",
          "decode of 2 answers at an empty context", "decode of 4 answers at an empty context",
          "decode of 8 answers at an empty context", "decode of 16 answers at an empty context",
          "decode at a context of 2048", "decode at a context of 8192",
          "decode at a context of 32768", "prefill of 512 tokens on 1 thread"));
  EXPECT_TRUE(plan.left_out.empty());
}

TEST(BenchCells, WhatDoesNotFitTheContextIsLeftOutAndSaid) {
  // Decoding may fill a context to its last token; a prompt leaves room for one of an answer.
  const CellPlan plan = plan_cells(small_model(8192));
  EXPECT_THAT(left_out_names(plan),
              ElementsAre("prefill of 8192 tokens", "decode at a context of 32768"));
  EXPECT_EQ(plan.left_out[0].reason, "it needs a context of 8193, the model was trained for 8192");
  EXPECT_THAT(names(plan), Contains("decode at a context of 8192"));
}

TEST(BenchCells, OneThreadHasNothingToBeComparedWith) {
  const CellPlan plan = plan_cells(small_model(1 << 20, 1));
  EXPECT_THAT(left_out_names(plan), ElementsAre("prefill of 512 tokens on 1 thread"));
  EXPECT_THAT(plan.left_out[0].reason, HasSubstr("1 thread"));
}

TEST(CellClock, LearnsWhatAttentionCosts) {
  // 1 ms a token and 2 us a pair.
  const auto truth = [](double n) { return 1e-3 * n + 2e-6 * n * (n + 1) / 2; };
  CellClock clock(small_model(), truth(512), 0.01);
  EXPECT_NEAR(clock.prefill_seconds(512), truth(512), 1e-9);
  clock.learn_prefill(128, 5);  // too short to tell: changes nothing
  EXPECT_NEAR(clock.prefill_seconds(512), truth(512), 1e-9);
  clock.learn_prefill(2048, truth(2048));
  EXPECT_NEAR(clock.prefill_seconds(512), truth(512), 1e-9);
  EXPECT_NEAR(clock.prefill_seconds(8192), truth(8192), 1e-6);
  // A disturbed run does not make the cost negative.
  clock.learn_prefill(2048, truth(512));
  EXPECT_GT(clock.prefill_seconds(8192), clock.prefill_seconds(2048));
}

TEST(CellClock, ADeepContextIsComputedOnce) {
  const CellClock clock(small_model(), 1, 0.01);
  const BenchCell deep = {
      .group = CellGroup::depth, .kind = CellKind::decode, .tokens = 64, .depth = 8192 - 65};
  // 8127 tokens of 100 bytes beside 1e6 bytes of weights.
  EXPECT_NEAR(clock.again_seconds(deep), 65 * 0.01 * (1 + 0.8127), 1e-9);
  EXPECT_NEAR(clock.first_seconds(deep, 0), clock.again_seconds(deep) + clock.prefill_seconds(8127),
              1e-9);
  EXPECT_NEAR(clock.first_seconds(deep, 2000),
              clock.again_seconds(deep) + clock.prefill_seconds(8127) - clock.prefill_seconds(2000),
              1e-9);
}

TEST(CellClock, AMinuteIsMeasuredOnceAndAddsUp) {
  EXPECT_EQ(cell_runs(59, 3), 3);
  EXPECT_EQ(cell_runs(61, 3), 1);
  const CellClock clock(small_model(), 1, 0.01);
  CellPlan plan;
  plan.cells = {{.tokens = 512}, {.group = CellGroup::one_thread, .tokens = 512}};
  EXPECT_NEAR(expected_seconds(plan, clock, 3), 3 * 1 + 3 * 2, 1e-9);
}

TEST(BenchCells, QuickLeavesOutWhatTakesLongerThanAMinute) {
  CellPlan plan = plan_cells(small_model());
  // 512 tokens in 10 s: 2048 take more than 40 s, and 8192 more than 160.
  const CellClock clock(small_model(), 10, 0.01);
  leave_out_slow(plan, clock);
  EXPECT_THAT(
      left_out_names(plan),
      ElementsAre("prefill of 2048 tokens", "prefill of 8192 tokens", "decode at a context of 2048",
                  "decode at a context of 8192", "decode at a context of 32768"));
  EXPECT_THAT(plan.left_out[1].reason, HasSubstr("--quick, and it takes about "));
}

}  // namespace
}  // namespace jiang
