// Five steps of AdamW against PyTorch: losses and gradient norms, recorded in training_oracle.json
// and, with JIANG_TRAIN_ORACLE set to a Python that has torch (./test --train-oracle), made anew.
#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>

#include "base/file.h"
#include "base/json_value.h"
#include "tests/support/memory_source.h"
#include "tests/support/temp_folder.h"
#include "tests/support/test_data.h"
#include "tests/support/tiny_model.h"
#include "train/loss.h"
#include "train/objective.h"
#include "train/optimizer.h"

namespace jiang {
namespace {

constexpr int kSteps = 5;
constexpr float kRate = 1e-3f;
constexpr int kOracleLengths[] = {61, 23};

std::vector<std::vector<TokenId>> sequences() {
  std::vector<std::vector<TokenId>> all;
  int i = 0;
  for (const int n : kOracleLengths) {
    all.emplace_back();
    for (int k = 0; k < n; ++k, ++i) all.back().push_back((i * i * 31 + i * 7 + 11) % 256);
  }
  return all;
}

struct Steps {
  std::vector<double> losses, norms;
};

Steps our_steps(const TinyModel& tiny) {
  ThreadPool pool(2);
  const auto model = *load_model(std::make_shared<MemorySource>(tiny), pool);
  ParameterSet parameters;
  parameters.add_all(*model, pool);
  auto owned = std::make_unique<Tape>(pool, parameters.bindings, size_t{256} << 20);
  Tape& tape = *owned;
  Workspace work(std::move(owned));
  TrainingBatch batch;
  for (const auto& ids : sequences()) {
    const int32_t row = batch.add(ids);
    for (size_t i = 0; i + 1 < ids.size(); ++i)
      batch.targets.push_back({row + static_cast<int32_t>(i), ids[i + 1], 1});
  }
  for (Target& target : batch.targets) target.weight = 1 / static_cast<float>(batch.targets.size());
  const OptimizerOptions options{
      .learning_rate = kRate, .min_learning_rate = kRate, .total_steps = kSteps};
  Steps steps;
  for (int step = 1; step <= kSteps; ++step) {
    parameters.clear_gradients(pool);
    tape.begin(TapeMode::remember_all, 0);
    std::vector<float> losses(batch.targets.size());
    backward_losses(tape, run_model(work, *model, batch), *model, batch.targets, losses);
    tape.backward();
    double loss = 0;
    for (const float value : losses) loss += value / static_cast<double>(losses.size());
    steps.losses.push_back(loss);
    steps.norms.push_back(gradient_norm(parameters, pool));
    adamw_step(parameters, options, step, steps.norms.back(), pool);
  }
  return steps;
}

// Both compute in f32; what differs is the order of sums, and after five steps of size 1e-3 what
// that made of small gradients' signs.
void expect_same(const Steps& ours, const Json& oracle) {
  for (size_t i = 0; i < kSteps; ++i) {
    EXPECT_NEAR(ours.losses[i], oracle["losses"][i].get<double>(), 2e-3) << "step " << i;
    EXPECT_NEAR(ours.norms[i], oracle["norms"][i].get<double>(),
                5e-3 * oracle["norms"][i].get<double>())
        << "step " << i;
  }
}

TEST(TrainingOracle, StepsAreThoseOfPyTorch) {
  const TinyModel tiny = make_tiny_model("qwen2");
  const Steps ours = our_steps(tiny);
  const std::string recorded = std::string(source_dir()) + "/tests/golden/training_oracle.json";
  const char* python = std::getenv("JIANG_TRAIN_ORACLE");
  if (python && *python) {
    const TempFolder folder;
    write_hf_folder(tiny, folder.path());
    const Json wanted = {{"steps", kSteps}, {"learning_rate", kRate}, {"sequences", sequences()}};
    ASSERT_TRUE(write_file(folder.path("tokens.json"), to_string(wanted)));
    const std::string command = std::string(python) + " " + source_dir() +
                                "/tools/train_oracle.py steps " + folder.path() + " " +
                                folder.path("tokens.json") + " > " + folder.path("out.json");
    ASSERT_EQ(std::system(command.c_str()), 0) << command;
    const auto live = parse_json_file(folder.path("out.json"));
    ASSERT_TRUE(live) << live.error().message;
    expect_same(ours, *live);
    std::printf("PyTorch now: %s\n", to_string(*live).c_str());
  }
  const auto oracle = parse_json_file(recorded);
  ASSERT_TRUE(oracle) << oracle.error().message;
  expect_same(ours, *oracle);
}

}  // namespace
}  // namespace jiang
