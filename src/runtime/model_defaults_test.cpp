#include "runtime/model_defaults.h"

#include <gtest/gtest.h>

#include "base/json_value.h"

namespace jiang {
namespace {

TEST(ModelDefaults, TheModelsFileThenWhatWasPutAroundIt) {
  const Json config = {{"temperature", 0.7}, {"top_k", -1}, {"repetition_penalty", 1.1}};
  const auto plain = model_defaults(config, {});
  ASSERT_TRUE(plain);
  EXPECT_FLOAT_EQ(plain->sampling.temperature, 0.7f);
  EXPECT_EQ(plain->sampling.top_k, 0);
  EXPECT_FLOAT_EQ(plain->sampling.repeat_penalty, 1.1f);
  EXPECT_FLOAT_EQ(plain->sampling.top_p, SamplingParams().top_p);
  EXPECT_EQ(plain->max_tokens, -1);

  ModelSettings settings;
  settings.system = "Be brief.";
  settings.parameters = {{"temperature", "0.2"}, {"seed", "9"},   {"num_predict", "33"},
                         {"stop", "a"},          {"stop", "b"},   {"top_k", "5"},
                         {"min_p", "0.25"},      {"num_ctx", "9"}};
  settings.messages = {{"user", "hi"}};
  const auto made = model_defaults(config, settings);
  ASSERT_TRUE(made);
  EXPECT_FLOAT_EQ(made->sampling.temperature, 0.2f);
  EXPECT_FLOAT_EQ(made->sampling.repeat_penalty, 1.1f);
  EXPECT_FLOAT_EQ(made->sampling.min_p, 0.25f);
  EXPECT_EQ(made->sampling.top_k, 5);
  EXPECT_EQ(made->sampling.seed, 9u);
  EXPECT_EQ(made->max_tokens, 33);
  EXPECT_EQ(made->stop, (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(made->system, "Be brief.");
  EXPECT_EQ(made->first.size(), 1u);
}

TEST(ModelDefaults, GreedyModelsAndBadValues) {
  const auto greedy = sampling_of(Json{{"do_sample", false}, {"temperature", 0.1}});
  ASSERT_TRUE(greedy);
  EXPECT_FLOAT_EQ(greedy->temperature, SamplingParams().temperature);
  EXPECT_FALSE(sampling_of(Json{{"temperature", -1}}));
  EXPECT_FALSE(sampling_of(Json{{"top_p", "high"}}));
  EXPECT_TRUE(sampling_of(Json()));
}

}  // namespace
}  // namespace jiang
