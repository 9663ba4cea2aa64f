// A model that runs with adapters says what the model says whose weights have them merged in; rows
// of a batch that ask for none are those of the model alone, to the bit.
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>

#include "base/file.h"
#include "convert/merge.h"
#include "model/adapters.h"
#include "tests/support/model_runner.h"
#include "tests/support/temp_folder.h"
#include "tests/support/tiny_model.h"
#include "train/model_folder.h"

namespace jiang {
namespace {

constexpr int64_t kRank = 3;
const std::vector<TokenId> kTokens = {10, 200, 3, 77, 42, 9, 130};

std::vector<float> noise(int64_t n, uint32_t seed) {
  std::vector<float> values(static_cast<size_t>(n));
  for (float& value : values) {
    seed = seed * 1664525u + 1013904223u;
    value = static_cast<float>(seed >> 8) * 0x1p-24f * 0.4f - 0.2f;
  }
  return values;
}

// In PEFT's form, of every matrix whose name holds one of `targets`.
std::string write_adapter(const TinyModel& model, const std::string& folder,
                          const std::vector<std::string>& targets, uint32_t seed) {
  std::filesystem::create_directories(folder);
  std::vector<std::vector<float>> memory;
  std::vector<NamedMatrix> matrices;
  for (const TinyTensor& tensor : model.tensors) {
    for (const std::string& target : targets) {
      if (tensor.name.find(target + ".weight") == std::string::npos) continue;
      const std::string name = "base_model.model." + tensor.name.substr(0, tensor.name.size() - 7);
      memory.push_back(noise(kRank * tensor.shape[1], ++seed));
      memory.push_back(noise(tensor.shape[0] * kRank, ++seed));
      matrices.push_back({name + ".lora_A.weight", {kRank, tensor.shape[1]}, nullptr});
      matrices.push_back({name + ".lora_B.weight", {tensor.shape[0], kRank}, nullptr});
    }
  }
  for (size_t i = 0; i < matrices.size(); ++i) matrices[i].values = memory[i].data();
  EXPECT_FALSE(matrices.empty());
  EXPECT_TRUE(write_safetensors(folder + "/adapter_model.safetensors", matrices, Format::f32, {}));
  EXPECT_TRUE(write_file(folder + "/adapter_config.json",
                         R"({"peft_type": "LORA", "r": 3, "lora_alpha": 6})"));
  return folder;
}

std::shared_ptr<const TensorSource> opened(const std::string& path) {
  auto source = open_tensor_source(path);
  EXPECT_TRUE(source) << source.error().message;
  return *source;
}

std::vector<float> logits_of(const std::shared_ptr<const Model>& model, ThreadPool& pool,
                             const AdapterMix* mix) {
  ModelRunner runner(model, pool);
  const ModelRunner::Piece piece{runner.create(), kTokens, mix};
  return runner.run_batch({&piece, 1});
}

struct AdapterCase {
  std::string fixture;
  std::vector<std::string> targets;
  bool is_gguf;
};

class Adapters : public ::testing::TestWithParam<AdapterCase> {};

TEST_P(Adapters, SayWhatMergedWeightsSay) {
  const auto& [fixture, targets, is_gguf] = GetParam();
  const TempFolder folder;
  const TinyModel tiny = make_tiny_model(fixture);
  std::string path = folder.path() + "/model";
  std::filesystem::create_directories(path);
  if (is_gguf) {
    path += "/m.gguf";
    write_gguf(tiny, path);
  } else {
    write_hf_folder(tiny, path);
  }
  const std::string one = write_adapter(tiny, folder.path() + "/one", targets, 1);
  const std::string two = write_adapter(tiny, folder.path() + "/two", targets, 99);
  ThreadPool pool(2);
  const auto source = opened(path);
  const auto plain = load_model(source, pool);
  const auto model = load_model(source, pool, {.adapters = {one, two}});
  ASSERT_TRUE(model) << model.error().message;
  EXPECT_EQ(adapter_count(**model), 2);
  const AdapterMix both{{{0, 0.5f}, {1, 1.5f}}};
  const AdapterMix none;

  std::vector<ScaledAdapter> scaled;
  for (const auto& [adapter, scale] : {std::pair{one, 0.5f}, std::pair{two, 1.5f}})
    scaled.push_back({*read_adapter_file(adapter), scale});
  const auto merged_source =
      merge_adapters(source, std::move(scaled), (*plain)->config().head_dim, pool);
  ASSERT_TRUE(merged_source) << merged_source.error().message;
  const auto merged = load_model(*merged_source, pool);
  ASSERT_TRUE(merged) << merged.error().message;

  const auto wanted = logits_of(*merged, pool, nullptr);
  const auto given = logits_of(*model, pool, &both);
  const auto alone = logits_of(*plain, pool, nullptr);
  ASSERT_EQ(given.size(), wanted.size());
  float largest = 0, moved = 0;
  for (size_t i = 0; i < given.size(); ++i) {
    largest = std::max(largest, std::abs(given[i] - wanted[i]));
    moved = std::max(moved, std::abs(alone[i] - wanted[i]));
  }
  EXPECT_GT(moved, 0.1f);
  EXPECT_LT(largest, 1e-3f * (1 + moved));

  // Side by side in one batch.
  ModelRunner runner(*model, pool);
  const std::vector<ModelRunner::Piece> pieces = {{runner.create(), kTokens, nullptr},
                                                  {runner.create(), kTokens, &both},
                                                  {runner.create(), kTokens, &none}};
  const auto all = runner.run_batch(pieces);
  const auto part = [&](size_t i) {
    const auto first = all.begin() + static_cast<std::ptrdiff_t>(i * given.size());
    return std::vector<float>(first, first + static_cast<std::ptrdiff_t>(given.size()));
  };
  EXPECT_EQ(part(0), alone);
  EXPECT_EQ(part(1), given);
  EXPECT_EQ(part(2), alone);
}

INSTANTIATE_TEST_SUITE_P(
    , Adapters,
    ::testing::Values(AdapterCase{"qwen2", {"q_proj", "v_proj", "down_proj"}, false},
                      AdapterCase{"llama", {"q_proj", "k_proj", "o_proj"}, true},
                      AdapterCase{"gemma2", {"gate_proj", "up_proj"}, false},
                      AdapterCase{"phi3", {"qkv_proj", "gate_up_proj"}, false}),
    [](const auto& adapted) { return adapted.param.fixture; });

TEST(AdapterFiles, ThatFitNoProjectionAreRefusedByName) {
  const TempFolder folder;
  const TinyModel tiny = make_tiny_model("qwen2");
  write_hf_folder(tiny, folder.path());
  ThreadPool pool(1);
  const std::string other =
      write_adapter(make_tiny_model("phi3"), folder.path() + "/other", {"qkv_proj"}, 1);
  const auto model = load_model(opened(folder.path()), pool, {.adapters = {other}});
  ASSERT_FALSE(model);
  EXPECT_NE(model.error().message.find("qkv_proj"), std::string::npos) << model.error().message;
}

}  // namespace
}  // namespace jiang
