// Every family, in both file forms, against the f64 reference.
#include <gtest/gtest.h>

#include <cmath>

#include "tests/reference/reference_decoder.h"
#include "tests/support/model_runner.h"
#include "tests/support/temp_folder.h"
#include "tests/support/tiny_model.h"

namespace jiang {
namespace {

std::vector<TokenId> some_tokens(size_t n, int32_t vocabulary) {
  std::vector<TokenId> tokens;
  for (size_t i = 0; i < n; ++i)
    tokens.push_back(
        static_cast<TokenId>((i * i * 31 + i * 7 + 11) % static_cast<size_t>(vocabulary)));
  return tokens;
}

// Largest |ours - reference| over the largest |reference|.
double relative_error(const std::vector<float>& ours, const ReferenceOutput& reference) {
  EXPECT_EQ(ours.size(), reference.values.size());
  double worst = 0, largest = 0;
  for (size_t i = 0; i < std::min(ours.size(), reference.values.size()); ++i) {
    const double difference = std::abs(ours[i] - reference.values[i]);
    worst = difference > worst || std::isnan(difference) ? difference : worst;
    largest = std::max(largest, std::abs(reference.values[i]));
  }
  return worst / largest;
}

std::shared_ptr<const TensorSource> open(const std::string& path) {
  auto source = open_tensor_source(path);
  if (!source) throw std::runtime_error(source.error().message);
  return *source;
}

class Families : public ::testing::TestWithParam<std::string> {};

std::vector<float> run_all(const std::shared_ptr<const Model>& model, ThreadPool& pool,
                           std::span<const TokenId> tokens, KvType type = KvType::f32) {
  if (!model->config().is_encoder) return all_logits(model, pool, tokens, 0, type);
  ModelRunner runner(model, pool, type);
  return runner.run(kNoState, tokens, OutputKind::hidden_states);
}

TEST_P(Families, BothFormsAgreeWithTheReference) {
  const TempFolder folder;
  const TinyModel tiny = make_tiny_model(GetParam());
  std::vector<std::string> paths = {folder.path("hf")};
  write_hf_folder(tiny, paths[0]);
  if (has_gguf_form(GetParam())) {
    paths.push_back(folder.path("model.gguf"));
    write_gguf(tiny, paths[1]);
  }
  ThreadPool pool(2);
  for (const std::string& path : paths) {
    const auto source = open(path);
    const auto loaded = load_model(source, pool);
    ASSERT_TRUE(loaded) << loaded.error().message;
    const auto tokens = some_tokens(61, (*loaded)->config().vocab_size);
    const double error =
        relative_error(run_all(*loaded, pool, tokens), run_reference(*source, tokens));
    std::printf("%-14s %s %.2e\n", GetParam().c_str(), path.ends_with("gguf") ? "gguf" : "hf",
                error);
    EXPECT_LT(error, 1e-4);
  }
}

INSTANTIATE_TEST_SUITE_P(All, Families, ::testing::ValuesIn(tiny_fixtures()), [](const auto& fixture) {
  std::string name = fixture.param;
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
});

}  // namespace
}  // namespace jiang
