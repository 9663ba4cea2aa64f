// What errors of weights cost, as measured by a pass backwards.
#include "train/sensitivity.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "quant/column_products.h"
#include "tests/support/memory_source.h"
#include "tests/support/model_runner.h"
#include "tests/support/tiny_model.h"

namespace jiang {
namespace {

std::vector<std::vector<TokenId>> sensitivity_chunks() {
  std::vector<std::vector<TokenId>> chunks(6);
  std::mt19937 random(3);
  for (auto& chunk : chunks) {
    for (int i = 0; i < 48; ++i) chunk.push_back(static_cast<TokenId>(random() % 200));
  }
  return chunks;
}

using Chunks = std::vector<std::vector<TokenId>>;

Result<ImportanceMatrix> sensitivity_of(const TinyModel& tiny, int threads,
                                        const Chunks& chunks = sensitivity_chunks()) {
  ThreadPool pool(threads);
  const auto model = load_model(std::make_shared<MemorySource>(tiny), pool);
  EXPECT_TRUE(model) << model.error().message;
  return measure_sensitivity(
      **model, chunks, pool,
      {.gguf_architecture = tiny.gguf_architecture, .datasets = {"words"}, .progress = {}});
}

TEST(Sensitivity, KnowsEveryMatrixAndDoesNotDependOnThreads) {
  const TinyModel tiny = make_tiny_model("qwen2");
  const auto one = sensitivity_of(tiny, 1);
  ASSERT_TRUE(one) << one.error().message;
  const auto five = sensitivity_of(tiny, 5);
  ASSERT_TRUE(five);
  EXPECT_EQ(one->products, five->products);
  EXPECT_EQ(one->columns, five->columns);
  EXPECT_EQ(one->products.size(), one->columns.size());
  for (const char* name : {"blk.0.attn_q.weight", "blk.0.attn_v.weight", "blk.0.attn_output.weight",
                           "blk.1.ffn_gate.weight", "blk.1.ffn_down.weight"}) {
    const auto found = one->products.find(name);
    ASSERT_NE(found, one->products.end()) << name;
    const auto cols = static_cast<int64_t>(one->columns.at(name).size());
    ASSERT_EQ(static_cast<int64_t>(found->second.size()), ColumnProducts::count(cols));
    EXPECT_GT(found->second.front(), 0);
  }
}

double mean_divergence(const std::vector<float>& p, const std::vector<float>& q, size_t vocab) {
  double sum = 0;
  for (size_t at = 0; at < p.size(); at += vocab) {
    double p_sum = 0, q_sum = 0;
    for (size_t i = at; i < at + vocab; ++i) {
      p_sum += std::exp(double{p[i]});
      q_sum += std::exp(double{q[i]});
    }
    for (size_t i = at; i < at + vocab; ++i) {
      sum += std::exp(double{p[i]}) / p_sum * (p[i] - q[i] + std::log(q_sum / p_sum));
    }
  }
  return sum / static_cast<double>(p.size() / vocab);
}

// Text drawn from the model itself: the estimate takes the text's next tokens for the model's, and
// a model that foretells its text badly has larger gradients than it would on its own.
Chunks drawn_from(const std::shared_ptr<const Model>& model, ThreadPool& pool) {
  std::mt19937 random(5);
  Chunks chunks;
  for (TokenId start = 1; start <= 6; ++start) {
    std::vector<TokenId> chunk = {start};
    while (chunk.size() < 48) {
      const auto logits = all_logits(model, pool, chunk);
      const size_t vocab = logits.size() / chunk.size();
      const float* row = logits.data() + logits.size() - vocab;
      double total = 0;
      for (size_t i = 0; i < vocab; ++i) total += std::exp(double{row[i]});
      double left = total * (static_cast<double>(random()) * 0x1p-32);
      size_t drawn = 0;
      while (drawn + 1 < vocab && (left -= std::exp(double{row[drawn]})) > 0) ++drawn;
      chunk.push_back(static_cast<TokenId>(drawn));
    }
    chunks.push_back(std::move(chunk));
  }
  return chunks;
}

// Small noise in one matrix: what it is said to cost, and what it costs. The estimate takes the
// gradients of outputs as alike and as independent of each other, so it is good to a factor.
TEST(Sensitivity, ForetellsTheDivergenceToAFactor) {
  const TinyModel tiny = make_tiny_model("qwen2");
  ThreadPool pool(2);
  const auto original = load_model(std::make_shared<MemorySource>(tiny), pool);
  ASSERT_TRUE(original);
  const Chunks chunks = drawn_from(*original, pool);
  const auto matrix = sensitivity_of(tiny, 2, chunks);
  ASSERT_TRUE(matrix);
  const std::pair<const char*, const char*> names[] = {
      {"model.layers.0.self_attn.v_proj.weight", "blk.0.attn_v.weight"},
      {"model.layers.0.mlp.down_proj.weight", "blk.0.ffn_down.weight"},
      {"model.layers.1.mlp.up_proj.weight", "blk.1.ffn_up.weight"}};
  for (const auto& [hf_name, name] : names) {
    TinyModel noisy = tiny;
    std::mt19937 random(9);
    double told = 0;
    for (TinyTensor& tensor : noisy.tensors) {
      if (tensor.name != hf_name) continue;
      const auto cols = static_cast<size_t>(tensor.shape[1]);
      const ColumnProducts products(matrix->products.at(name), tensor.shape[1], pool);
      double squares = 0;
      for (const float value : tensor.values) squares += double{value} * value;
      const double size = 0.05 * std::sqrt(squares / static_cast<double>(tensor.values.size()));
      const std::vector<float> before = tensor.values;
      for (float& value : tensor.values) {
        value += static_cast<float>(size * std::sqrt(12.0) *
                                    (static_cast<double>(random()) * 0x1p-32 - 0.5));
      }
      for (size_t at = 0; at < before.size(); at += cols)
        told += products.error(&before[at], &tensor.values[at]) / 2;
    }
    const auto changed = load_model(std::make_shared<MemorySource>(noisy), pool);
    ASSERT_TRUE(changed);
    double costs = 0;
    for (const auto& chunk : chunks) {
      const auto p = all_logits(*original, pool, chunk), q = all_logits(*changed, pool, chunk);
      costs += mean_divergence(p, q, p.size() / chunk.size()) / 6;
    }
    EXPECT_GT(told, costs / 4) << name;
    EXPECT_LT(told, costs * 4) << name;
  }
}

TEST(Sensitivity, StopsWhenToldAndRefusesEncoders) {
  ThreadPool pool(1);
  const TinyModel tiny = make_tiny_model("qwen2");
  const auto model = load_model(std::make_shared<MemorySource>(tiny), pool);
  ASSERT_TRUE(model);
  SensitivityOptions options{.gguf_architecture = "qwen2", .datasets = {}, .progress = {}};
  options.progress = [](size_t done) { return done < 2; };
  const auto stopped = measure_sensitivity(**model, sensitivity_chunks(), pool, options);
  ASSERT_FALSE(stopped);
  EXPECT_EQ(stopped.error().kind, ErrorKind::cancelled);
  const auto encoder = load_model(std::make_shared<MemorySource>(make_tiny_model("bert")), pool);
  ASSERT_TRUE(encoder);
  EXPECT_FALSE(measure_sensitivity(**encoder, sensitivity_chunks(), pool, options));
}

}  // namespace
}  // namespace jiang
