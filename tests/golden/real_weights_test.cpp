// Real files against what llama.cpp computed from them (the .json beside each): prompt ids, greedy
// ids, and the five largest logits of every step, within the bounds of decision 23.
#include <algorithm>
#include <cmath>
#include <filesystem>

#include "base/json_value.h"
#include "tests/support/model_runner.h"
#include "tests/support/test_data.h"

namespace jiang {
namespace {

double bound_of(const std::string& name) {
  if (name.find("BF16") != std::string::npos) return 2.5e-2;
  for (const char* exact : {"f32", "F32", "f16", "F16"}) {
    if (name.find(exact) != std::string::npos) return 1e-2;
  }
  return 0.15;
}

void expect_agreement(const std::string& stem) {
  const auto expected = parse_json_file(stem + ".json");
  ASSERT_TRUE(expected) << expected.error().message;
  const double bound = bound_of(stem);
  ThreadPool pool(2);
  const auto model = load_test_model(stem + ".gguf", pool);
  ModelRunner runner(model, pool);
  const StateId state = runner.create();
  const auto prompt = (*expected)["prompt_ids"].get<std::vector<TokenId>>();
  std::vector<float> logits = runner.run(state, prompt);
  const size_t vocabulary = runner.width(OutputKind::logits);
  double worst = 0;
  int n_beyond = 0;
  int n_compared = 0;
  for (const Json& step : (*expected)["steps"]) {
    const float* row = logits.data() + (logits.size() - vocabulary);
    const float best = *std::max_element(row, row + vocabulary);
    const auto greedy = step["id"].get<size_t>();
    ASSERT_GE(row[greedy], best - bound) << "the reference's greedy id " << greedy;
    for (const Json& pair : step["top5"]) {
      const double difference = std::abs(pair[1].get<double>() - row[pair[0].get<size_t>()]);
      worst = std::max(worst, difference);
      ASSERT_LE(difference, 2 * bound) << "logit of id " << pair[0];
      n_beyond += difference > bound;
      ++n_compared;
    }
    const auto next = static_cast<TokenId>(greedy);
    logits = runner.run(state, {&next, 1});
  }
  // llama.cpp's f16 cache and f16 flash attention are noise of its own: on stories260K 2 and 3 of
  // the 320 logits lie beyond the bound, by up to half of it. jiang's own error is tested
  // elsewhere.
  EXPECT_LE(n_beyond, n_compared / 100);
  std::printf("%s: largest difference %.5f of %.3f allowed\n",
              std::filesystem::path(stem).filename().c_str(), worst, bound);
}

class RealWeights : public ::testing::TestWithParam<const char*> {};

TEST_P(RealWeights, LogitsAgreeWithLlamaCpp) {
  JIANG_NEED_DATA(file, std::string("weights/") + GetParam() + ".gguf");
  expect_agreement(file.substr(0, file.size() - 5));
}

INSTANTIATE_TEST_SUITE_P(
    All, RealWeights,
    ::testing::Values("stories260K/stories260K-f32", "stories260K/stories260K-F16",
                      "tiny-qwen2/tiny-qwen2-f16", "tiny-qwen2/tiny-qwen2-BF16",
                      "tiny-qwen2/tiny-qwen2-Q8_0", "tiny-qwen2/tiny-qwen2-Q4_0",
                      "tiny-qwen2/tiny-qwen2-Q4_1", "tiny-qwen2/tiny-qwen2-Q5_0",
                      "tiny-qwen2/tiny-qwen2-Q5_1", "tiny-qwen2/tiny-qwen2-Q4_K_S",
                      "tiny-qwen2/tiny-qwen2-Q6_K", "tiny-qwen2/tiny-qwen2-IQ4_NL"));

}  // namespace
}  // namespace jiang
