// Every family against the f64 reference: in both file forms, at the ISA level of this process,
// with f32 and f16 caches; and the promise of decision 5, bit by bit.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "tests/reference/reference_decoder.h"
#include "tests/support/memory_source.h"
#include "tests/support/model_runner.h"
#include "tests/support/temp_folder.h"
#include "tests/support/tiny_model.h"

namespace jiang {
namespace {

constexpr size_t kFamilyTokens =
    77;  // two whole blocks of the cache and a part, beyond every window

std::vector<TokenId> some_tokens(size_t n, int32_t vocabulary, size_t salt = 0) {
  std::vector<TokenId> tokens;
  for (size_t i = 0; i < n; ++i) {
    tokens.push_back(static_cast<TokenId>((i * i * 31 + i * 7 + 11 + salt * 97) %
                                          static_cast<size_t>(vocabulary)));
  }
  return tokens;
}

// Largest |ours - reference| in units of the largest |reference|.
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

double family_error(const std::vector<float>& ours, const ReferenceOutput& reference) {
  double squares = 0;
  for (size_t i = 0; i < ours.size(); ++i) {
    squares += (ours[i] - reference.values[i]) * (ours[i] - reference.values[i]);
  }
  return std::sqrt(squares / static_cast<double>(ours.size()));
}

// A layer has about 8 steps that sum (norms, projections, scores, mixtures); a sum of n terms in
// f32 is off by about sqrt(n) roundings of 2^-24; the steps' errors add up at worst.
double f32_bound(const ModelConfig& config) {
  const double widest = std::max(config.hidden_size, config.intermediate_size);
  return config.num_hidden_layers * 8 * std::sqrt(widest) * 0x1p-24;
}

std::vector<float> run_all(const std::shared_ptr<const Model>& model, ThreadPool& pool,
                           std::span<const TokenId> tokens, KvType type = KvType::f32,
                           int32_t chunk = 0) {
  if (!model->config().is_encoder) return all_logits(model, pool, tokens, chunk, type);
  ModelRunner runner(model, pool, type, 2 * kFamilyTokens);
  return runner.run(kNoState, tokens, OutputKind::hidden_states);
}

std::shared_ptr<const TensorSource> open(const std::string& path) {
  auto source = open_tensor_source(path);
  if (!source) throw std::runtime_error(source.error().message);
  return *source;
}

std::shared_ptr<const Model> load(std::shared_ptr<const TensorSource> source, ThreadPool& pool) {
  auto model = load_model(std::move(source), pool);
  if (!model) throw std::runtime_error(model.error().message);
  return *model;
}

std::string test_name(const ::testing::TestParamInfo<std::string>& fixture) {
  std::string name = fixture.param;
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
}

// ---- against the reference

class Families : public ::testing::TestWithParam<std::string> {};

TEST_P(Families, BothFormsAgreeWithTheReference) {
  const TempFolder folder;
  const TinyModel tiny = make_tiny_model(GetParam());
  std::vector<std::string> paths = {folder.path("hf")};
  write_hf_folder(tiny, paths[0]);
  if (has_gguf_form(GetParam())) {
    paths.push_back(folder.path("model.gguf"));
    write_gguf(tiny, paths[1]);
  }
  ThreadPool pool(1);
  // The HF form is the specification of both files.
  const auto tokens = some_tokens(kFamilyTokens, tiny.gguf_architecture == "bert" ? 64 : 259);
  const ReferenceOutput reference = run_reference(*open(paths[0]), tokens);
  for (const std::string& path : paths) {
    const auto model = load(open(path), pool);
    const double error = relative_error(run_all(model, pool, tokens), reference);
    EXPECT_LT(error, f32_bound(model->config())) << path;
    RecordProperty(path.ends_with("gguf") ? "gguf" : "hf", std::to_string(error * 1e6) + "e-6");
  }
}

TEST_P(Families, SixteenBitFilesAgreeWithTheReference) {
  const TempFolder folder;
  const TinyModel tiny = make_tiny_model(GetParam(), 2);
  ThreadPool pool(1);
  for (const Format format : {Format::f16, Format::bf16}) {
    write_hf_folder(tiny, folder.path("hf"), format);
    const auto source = open(folder.path("hf"));
    const auto model = load(source, pool);
    const auto tokens = some_tokens(20, model->config().vocab_size);
    EXPECT_LT(relative_error(run_all(model, pool, tokens), run_reference(*source, tokens)),
              f32_bound(model->config()));
  }
}

TEST_P(Families, ASmallerCacheIsNothingButRoundedKeysAndValues) {
  const auto source = std::make_shared<MemorySource>(make_tiny_model(GetParam(), 3));
  ThreadPool pool(1);
  const auto model = load(source, pool);
  if (model->config().is_encoder) return;  // has no cache
  const auto tokens = some_tokens(kFamilyTokens, model->config().vocab_size);
  const ReferenceOutput exact = run_reference(*source, tokens);
  // Every value off by up to 2^-12 of itself, or 1/254 of the largest, layer after layer.
  for (const auto& [type, step] : {std::pair(KvType::f16, 0x1p-12), {KvType::int8, 1.0 / 254}}) {
    const auto ours = run_all(model, pool, tokens, type);
    const ReferenceOutput rounded = run_reference(*source, tokens, {.kv_type = type});
    // Rounding keys and values is the whole of the difference, but for the few that f32 and f64
    // have on two sides of a tie: those round to neighbours, and what they add is small in the
    // mean.
    EXPECT_LT(family_error(ours, rounded), family_error(ours, exact) / 4);
    EXPECT_LT(relative_error(ours, exact), model->config().num_hidden_layers * 8 * step);
  }
}

INSTANTIATE_TEST_SUITE_P(All, Families, ::testing::ValuesIn(tiny_fixtures()), test_name);

TEST(LongRope, ContextDecidesBetweenShortAndLongFactors) {
  const auto source = std::make_shared<MemorySource>(make_tiny_model("phi3"));
  ThreadPool pool(1);
  const auto tokens = some_tokens(40, 259);
  const auto long_model = load(source, pool);  // trained for 256, first for 64
  LoadOptions options;
  options.context_length = 64;
  const auto short_model = *load_model(source, pool, options);
  const double bound = f32_bound(long_model->config());
  EXPECT_LT(relative_error(run_all(long_model, pool, tokens), run_reference(*source, tokens)),
            bound);
  const auto reference = run_reference(*source, tokens, {.context_length = 64});
  EXPECT_LT(relative_error(run_all(short_model, pool, tokens), reference), bound);
  EXPECT_GT(relative_error(run_all(long_model, pool, tokens), reference), 1e-3);
}

// ---- decision 5: the same bits

class SameBits : public ::testing::TestWithParam<std::string> {
 protected:
  SameBits() : model_(load(std::make_shared<MemorySource>(make_tiny_model(GetParam())), pool_)) {
    tokens_ = some_tokens(kFamilyTokens, model_->config().vocab_size);
  }
  bool is_encoder() const { return model_->config().is_encoder; }

  ThreadPool pool_{1};  // many small steps: quick where cores are busy
  std::shared_ptr<const Model> model_;
  std::vector<TokenId> tokens_;
};

TEST_P(SameBits, AtAnyNumberOfThreads) {
  const auto expected = run_all(model_, pool_, tokens_);
  for (const int n : {2, 5}) {
    ThreadPool pool(n);
    EXPECT_EQ(run_all(model_, pool, tokens_), expected) << n << " threads";
  }
}

TEST_P(SameBits, InAnyChunks) {
  if (is_encoder()) return;
  for (const KvType type : {KvType::f32, KvType::f16, KvType::int8}) {
    const auto expected = run_all(model_, pool_, tokens_, type);
    for (const int32_t chunk : {1, 5, 32, 64}) {
      EXPECT_EQ(run_all(model_, pool_, tokens_, type, chunk), expected) << "chunks of " << chunk;
    }
  }
}

TEST_P(SameBits, InAnyCompany) {
  const OutputKind kind = is_encoder() ? OutputKind::hidden_states : OutputKind::logits;
  const auto expected = run_all(model_, pool_, tokens_);
  ModelRunner runner(model_, pool_, KvType::f32, 4 * kFamilyTokens);
  std::vector<ModelRunner::Piece> batch;
  for (const size_t n : {3, 77, 33, 1}) {
    batch.push_back(
        {is_encoder() ? kNoState : runner.create(),
         n == kFamilyTokens ? tokens_ : some_tokens(n, model_->config().vocab_size, n)});
  }
  const auto outputs = runner.run_batch(batch, kind);
  const size_t width = runner.width(kind);
  const std::vector<float> mine(
      outputs.begin() + static_cast<ptrdiff_t>(3 * width),
      outputs.begin() + static_cast<ptrdiff_t>((3 + kFamilyTokens) * width));
  EXPECT_EQ(mine, expected);
}

TEST_P(SameBits, AfterForkAndTrim) {
  if (is_encoder()) return;
  for (const KvType type : {KvType::f16, KvType::int8}) {
    const auto expected = run_all(model_, pool_, tokens_, type);
    ModelRunner runner(model_, pool_, type, kFamilyTokens);
    const size_t width = runner.width(OutputKind::logits);
    const auto from = [&](size_t first) {
      return std::vector<float>(expected.begin() + static_cast<ptrdiff_t>(first * width),
                                expected.end());
    };
    const StateId parent = runner.create();
    runner.run(parent, tokens_);
    for (const int32_t shared : {0, 31, 32, 50, 64}) {
      const auto first = static_cast<size_t>(shared);
      const StateId child = runner.states().fork(parent, shared);
      ASSERT_NE(child, kNoState);
      // Another continuation first, so that a block written in spite of being shared would show.
      const StateId other = runner.states().fork(child, shared);
      runner.run(other, some_tokens(9, model_->config().vocab_size, 5));
      EXPECT_EQ(runner.run(child, std::span(tokens_).subspan(first)), from(first))
          << "forked at " << shared;
      runner.states().trim(child, 40);
      EXPECT_EQ(runner.run(child, std::span(tokens_).subspan(40)), from(40)) << "trimmed to 40";
      runner.states().free(other);
      runner.states().free(child);
    }
    runner.states().trim(parent, 33);
    EXPECT_EQ(runner.run(parent, std::span(tokens_).subspan(33)), from(33))
        << "the parent is as it was";
  }
}

INSTANTIATE_TEST_SUITE_P(All, SameBits, ::testing::ValuesIn(tiny_fixtures()), test_name);

}  // namespace
}  // namespace jiang
