#include "runtime/model_facts.h"

#include <gtest/gtest.h>

#include "tests/support/test_data.h"

namespace jiang {
namespace {

TEST(ModelFacts, AreReadWithoutLoading) {
  JIANG_NEED_DATA(path, "weights/stories260K/stories260K-f32.gguf");
  const auto facts = model_facts(path);
  ASSERT_TRUE(facts);
  EXPECT_GT(facts->parameters, 200'000u);
  EXPECT_LT(facts->parameters, 400'000u);
  EXPECT_EQ(facts->type, "f32");
  EXPECT_EQ(facts->architecture, "llama");
  EXPECT_EQ(model_facts(path)->parameters, facts->parameters);
}

TEST(ModelFacts, WhatIsNoModelHasNone) {
  EXPECT_FALSE(model_facts("/nonexistent.gguf"));
  EXPECT_FALSE(model_facts("/proc/self/status"));
}

}  // namespace
}  // namespace jiang
