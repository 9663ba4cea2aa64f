#include "engine/memory_plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/fake_model.h"

namespace jiang {
namespace {

using testing::HasSubstr;

constexpr uint64_t kPlenty = uint64_t{1} << 40;

TEST(MemoryPlan, TheDefaultContextIsTheTrainedOneUpTo8192) {
  EXPECT_EQ(plan_memory(FakeModel(97, 512), {}, kPlenty)->context, 512);
  EXPECT_EQ(plan_memory(FakeModel(97, 131072), {}, kPlenty)->context, 8192);
  EXPECT_EQ(plan_memory(FakeModel(97, 131072), {.context = 100000}, kPlenty)->context, 100000);
}

TEST(MemoryPlan, AContextBeyondTheTrainedOneIsRefusedWithBothNumbers) {
  const auto plan = plan_memory(FakeModel(97, 512), {.context = 513}, kPlenty);
  ASSERT_FALSE(plan);
  EXPECT_THAT(plan.error().message, HasSubstr("513"));
  EXPECT_THAT(plan.error().message, HasSubstr("512"));
}

TEST(MemoryPlan, TheBudgetIsFourFifthsOfTheMachine) {
  EXPECT_EQ(plan_memory(FakeModel(), {}, 1000 * 1000)->budget, 800u * 1000);
}

TEST(MemoryPlan, StateForAllWhereItFitsAndForOneAtLeast) {
  const FakeModel model(97, 1000);  // 4 bytes of state per token
  const auto roomy = plan_memory(model, {.max_sequences = 4}, kPlenty);
  EXPECT_EQ(roomy->kv_tokens, 4000);
  const uint64_t fixed = roomy->committed - 4000 * 4;
  const auto tight =
      plan_memory(model, {.max_sequences = 4, .memory_budget = fixed + 1500 * 4}, kPlenty);
  EXPECT_EQ(tight->kv_tokens, 1500);
  EXPECT_EQ(tight->committed, tight->budget);
  EXPECT_TRUE(plan_memory(model, {.max_sequences = 4, .memory_budget = fixed + 1000 * 4}, kPlenty));
  EXPECT_FALSE(
      plan_memory(model, {.max_sequences = 4, .memory_budget = fixed + 1000 * 4 - 1}, kPlenty));
}

TEST(MemoryPlan, StateForAllIsInWholeBlocksOfEach) {
  const FakeModel model(97, 1000);
  ASSERT_EQ(FakeStatePool::kBlock, 4);
  EXPECT_EQ(plan_memory(model, {.context = 18, .max_sequences = 8}, kPlenty)->kv_tokens, 8 * 20);
}

TEST(MemoryPlan, WhatDoesNotFitIsRefusedWithBothNumbers) {
  FakeModel model;
  model.fake_weight_bytes = uint64_t{30} * 1000 * 1000 * 1000;
  const auto plan = plan_memory(model, {}, uint64_t{20} * 1000 * 1000 * 1000);
  ASSERT_FALSE(plan);
  EXPECT_EQ(plan.error().kind, ErrorKind::too_large);
  EXPECT_THAT(plan.error().message, HasSubstr("30 GB"));
  EXPECT_THAT(plan.error().message, HasSubstr("16 GB"));
}

TEST(MemoryPlan, ADraftModelCountsWithItsWeightsWorkspaceAndState) {
  const FakeModel model(97, 1000);
  const auto draft = std::make_shared<FakeModel>(97, 1000);
  draft->fake_weight_bytes = 12345;
  const auto alone = plan_memory(model, {.max_sequences = 2, .lookup = true}, kPlenty);
  const auto both =
      plan_memory(model, {.max_sequences = 2, .lookup = true, .draft = draft}, kPlenty);
  const uint64_t logits = 8 * 97 * 4;
  EXPECT_EQ(both->committed - alone->committed, 12345 + 4096 + logits + 2000 * 4);
  const auto refused =
      plan_memory(model, {.max_sequences = 2, .draft = draft, .memory_budget = 9000}, kPlenty);
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().message, HasSubstr("draft model"));
}

TEST(MemoryPlan, AskedForStateIsNeverShrunkSilently) {
  const FakeModel model(97, 1000);
  EXPECT_EQ(plan_memory(model, {.kv_tokens = 5000}, kPlenty)->kv_tokens, 5000);
  EXPECT_FALSE(plan_memory(model, {.kv_tokens = 999}, kPlenty));
  EXPECT_FALSE(plan_memory(model, {.kv_tokens = int64_t{1} << 60}, kPlenty));
}

TEST(MemoryPlan, ImpossibleOptionsAreNamed) {
  const auto error = [](const EngineOptions& options) {
    const auto plan = plan_memory(FakeModel(), options, kPlenty);
    return plan ? std::string("accepted") : plan.error().message;
  };
  EXPECT_THAT(error({.context = -1}), HasSubstr("context"));
  EXPECT_THAT(error({.max_sequences = 0}), HasSubstr("max_sequences"));
  EXPECT_THAT(error({.max_sequences = 300, .max_batch_tokens = 256}),
              HasSubstr("max_batch_tokens"));
  EXPECT_THAT(error({.kv_tokens = -5}), HasSubstr("kv_tokens"));
}

TEST(MemoryPlan, BytesReadLikeAPersonWritesThem) {
  EXPECT_EQ(memory_text(512), "0.5 kB");
  EXPECT_EQ(memory_text(1500), "1.5 kB");
  EXPECT_EQ(memory_text(1500 * 1000 * 1000), "1.5 GB");
  EXPECT_EQ(memory_text(uint64_t{42} * 1000 * 1000 * 1000), "42 GB");
}

}  // namespace
}  // namespace jiang
