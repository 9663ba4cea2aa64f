#include "cli/generation_flags.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/json_value.h"

namespace jiang {
namespace {

TEST(GenerationFlags, FlagsBeatTheModelsFileWhichBeatsTheDefaults) {
  const Json config = {{"temperature", 0.6}, {"top_k", 20}, {"repetition_penalty", 1.1}};
  GenerationFlags flags;
  flags.temp = 0.0f;
  const auto options = flags.apply(config);
  ASSERT_TRUE(options);
  EXPECT_EQ(options->sampling.temperature, 0.0f);
  EXPECT_EQ(options->sampling.top_k, 20);
  EXPECT_EQ(options->sampling.repeat_penalty, 1.1f);
  EXPECT_EQ(options->sampling.top_p, 0.95f);
  EXPECT_EQ(options->max_tokens, -1);
}

TEST(GenerationFlags, AFileThatSamplesNotIsNotAsked) {
  const Json config = {{"do_sample", false}, {"temperature", 0.6}};
  EXPECT_EQ(GenerationFlags().apply(config)->sampling.temperature, 0.8f);
}

TEST(GenerationFlags, NonsenseInTheFileIsNamed) {
  const auto bad = GenerationFlags().apply(Json({{"temperature", -3}}));
  ASSERT_FALSE(bad);
  EXPECT_THAT(bad.error().message, testing::HasSubstr("temperature"));
  EXPECT_FALSE(GenerationFlags().apply(Json({{"top_p", "much"}})));
  EXPECT_EQ(GenerationFlags().apply(Json({{"top_k", -1}}))->sampling.top_k, 0);
}

TEST(GenerationFlags, ParametersAreSetByNameWithTheRangesOfTheFlags) {
  GenerationFlags flags;
  EXPECT_TRUE(flags.set("temp", "0.25"));
  EXPECT_TRUE(flags.set("temperature", "0.5"));
  EXPECT_TRUE(flags.set("num_predict", "12"));
  EXPECT_TRUE(flags.set("stop", "END"));
  EXPECT_TRUE(flags.set("stop", "STOP"));
  EXPECT_EQ(flags.temp, 0.5f);
  EXPECT_EQ(flags.max_tokens, 12);
  EXPECT_THAT(flags.stop, testing::ElementsAre("STOP"));
  EXPECT_THAT(flags.set("tempp", "1").error().message, testing::HasSubstr("'temp'"));
  EXPECT_THAT(flags.set("top_p", "2").error().message, testing::HasSubstr("between 0 and 1"));
  EXPECT_EQ(flags.top_p, std::nullopt);
}

}  // namespace
}  // namespace jiang
