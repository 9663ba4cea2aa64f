// Gradients against the f64 reference: every family that trains, packed sequences, checkpointing,
// adapters over frozen weights, any number of threads.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>

#include "tests/reference/reference_decoder.h"
#include "tests/support/memory_source.h"
#include "tests/support/tiny_model.h"
#include "train/loss.h"
#include "train/parameters.h"
#include "train/tape.h"

namespace jiang {
namespace {

constexpr size_t kMemory = size_t{256} << 20;
constexpr int32_t kLengths[] = {61, 23};  // two sequences, packed

std::vector<TokenId> some_tokens(int32_t vocabulary) {
  std::vector<TokenId> tokens;
  for (int i = 0; i < kLengths[0] + kLengths[1]; ++i)
    tokens.push_back(static_cast<TokenId>((i * i * 31 + i * 7 + 11) % vocabulary));
  return tokens;
}

// Every row but the last of a sequence predicts the next; weights differ, and one is negative.
std::vector<Target> some_targets(std::span<const TokenId> tokens) {
  std::vector<Target> targets;
  int32_t first = 0;
  for (const int32_t n : kLengths) {
    for (int32_t i = first; i + 1 < first + n; ++i)
      targets.push_back({i, tokens[static_cast<size_t>(i) + 1], i % 5 == 0 ? -0.3f : 0.7f});
    first += n;
  }
  return targets;
}

double reference_loss(const TinyModel& model, std::span<const TokenId> tokens,
                      std::span<const Target> targets) {
  const MemorySource source(model);
  double loss = 0;
  int32_t first = 0;
  for (const int32_t n : kLengths) {
    const ReferenceOutput out =
        run_reference(source, tokens.subspan(static_cast<size_t>(first), static_cast<size_t>(n)));
    for (const Target& target : targets) {
      if (target.row < first || target.row >= first + n) continue;
      const double* row = out.values.data() + static_cast<size_t>(target.row - first) * out.cols;
      const double most = *std::max_element(row, row + out.cols);
      double sum = 0;
      for (size_t i = 0; i < out.cols; ++i) sum += std::exp(row[i] - most);
      loss += target.weight * (most + std::log(sum) - row[target.id]);
    }
    first += n;
  }
  return loss;
}

double run_backward(const Model& model, ParameterSet& parameters, ThreadPool& pool, TapeMode mode,
                    std::span<const TokenId> tokens, std::span<const Target> targets,
                    Compute compute = Compute::f32) {
  auto owned = std::make_unique<Tape>(pool, parameters.bindings, kMemory, compute);
  Tape& tape = *owned;
  Workspace work(std::move(owned));
  tape.begin(mode, 7);
  const BatchSequence sequences[] = {{kNoState, 0, kLengths[0], 0},
                                     {kNoState, kLengths[0], kLengths[1], 0}};
  const TensorView hidden =
      model.hidden_states({.tokens = tokens, .sequences = sequences, .wanted = {}}, work);
  std::vector<float> losses(targets.size());
  backward_losses(tape, hidden, model, targets, losses);
  tape.backward();
  double loss = 0;
  for (size_t i = 0; i < losses.size(); ++i)
    loss += static_cast<double>(targets[i].weight) * losses[i];
  return loss;
}

std::shared_ptr<const Model> load(const TinyModel& tiny, ThreadPool& pool) {
  auto model = load_model(std::make_shared<MemorySource>(tiny), pool);
  if (!model) throw std::runtime_error(model.error().message);
  return *model;
}

class TrainingFamilies : public ::testing::TestWithParam<std::string> {};

// The derivative by central differences of the f64 reference at the largest gradients of every
// tensor. The step is 2^-10 of the weight's scale, so that what is left of its own error is far
// below the bound.
TEST_P(TrainingFamilies, GradientsMatchFiniteDifferencesOfTheReference) {
  TinyModel tiny = make_tiny_model(GetParam());
  ThreadPool pool(2);
  const auto model = load(tiny, pool);
  ParameterSet parameters;
  parameters.add_all(*model, pool);
  const std::vector<TokenId> tokens = some_tokens(model->config().vocab_size);
  const std::vector<Target> targets = some_targets(tokens);
  const double loss =
      run_backward(*model, parameters, pool, TapeMode::remember_all, tokens, targets);
  const double expected = reference_loss(tiny, tokens, targets);
  EXPECT_NEAR(loss, expected, 1e-4 * std::abs(expected) + 1e-4);

  int checked = 0;
  for (const auto& parameter : parameters.all()) {
    TinyTensor* tensor = nullptr;
    for (TinyTensor& candidate : tiny.tensors) {
      if (candidate.name == parameter->name && candidate.values.size() == parameter->size())
        tensor = &candidate;
    }
    if (!tensor) continue;  // a part of a fused or shared matrix
    // GPT-2 stores its projections transposed.
    const bool is_transposed = GetParam() == "gpt2" && !parameter->is_vector &&
                               parameter->name.find(".h.") != std::string::npos;
    const float* gradient = parameter->gradient.view().data;
    float largest = 0;
    size_t at = 0;
    for (size_t i = 0; i < parameter->size(); ++i) {
      if (std::abs(gradient[i]) > largest) largest = std::abs(gradient[i]), at = i;
    }
    const size_t places[] = {at, parameter->size() / 3};
    for (const size_t place : places) {
      const auto cols = static_cast<size_t>(parameter->cols);
      const size_t index = is_transposed
                               ? place % cols * static_cast<size_t>(parameter->rows) + place / cols
                               : place;
      const float before = tensor->values[index];
      const float step = std::ldexp(std::max(std::abs(before), 0.05f), -10);
      tensor->values[index] = before + step;
      const float above = tensor->values[index];
      const double up = reference_loss(tiny, tokens, targets);
      tensor->values[index] = before - step;
      const double width = static_cast<double>(above) - tensor->values[index];
      const double slope = (up - reference_loss(tiny, tokens, targets)) / width;
      tensor->values[index] = before;
      EXPECT_NEAR(gradient[place], slope, 2e-3 * static_cast<double>(largest) + 1e-5)
          << parameter->name << " element " << place;
      ++checked;
    }
  }
  EXPECT_GT(checked, 10);
}

TEST_P(TrainingFamilies, CheckpointingAndThreadsChangeNoBit) {
  const TinyModel tiny = make_tiny_model(GetParam());
  ThreadPool one(1), three(3);
  const auto model = load(tiny, one);
  const std::vector<TokenId> tokens = some_tokens(model->config().vocab_size);
  const std::vector<Target> targets = some_targets(tokens);
  ParameterSet plain, other;
  plain.add_all(*model, one);
  other.add_all(*model, one);
  const double a = run_backward(*model, plain, one, TapeMode::remember_all, tokens, targets);
  const double b = run_backward(*model, other, three, TapeMode::checkpointing, tokens, targets);
  EXPECT_EQ(a, b);
  for (size_t p = 0; p < plain.all().size(); ++p) {
    const float* x = plain.all()[p]->gradient.view().data;
    const float* y = other.all()[p]->gradient.view().data;
    for (size_t i = 0; i < plain.all()[p]->size(); ++i)
      ASSERT_EQ(x[i], y[i]) << plain.all()[p]->name << " element " << i;
  }
}

// bf16 moves each factor by 2^-8 of itself at most, a product by 2^-7. Some 20 products in a row
// lie between a weight and the loss; were all their errors of one sign, a gradient would be off by
// 20 * 2^-7 = 0.16 of itself.
TEST_P(TrainingFamilies, GradientsOfBf16ProductsAreNearThoseOfF32AndOneForAnyThreads) {
  const TinyModel tiny = make_tiny_model(GetParam());
  ThreadPool one(1), three(3);
  const auto model = load(tiny, one);
  const std::vector<TokenId> tokens = some_tokens(model->config().vocab_size);
  const std::vector<Target> targets = some_targets(tokens);
  ParameterSet f32, bf16, other;
  for (ParameterSet* parameters : {&f32, &bf16, &other}) parameters->add_all(*model, one);
  const double exact = run_backward(*model, f32, one, TapeMode::remember_all, tokens, targets);
  const double loss =
      run_backward(*model, bf16, one, TapeMode::remember_all, tokens, targets, Compute::bf16);
  const double again =
      run_backward(*model, other, three, TapeMode::checkpointing, tokens, targets, Compute::bf16);
  EXPECT_EQ(loss, again);
  EXPECT_NE(loss, exact);
  EXPECT_NEAR(loss, exact, 0x1p-7 * std::abs(exact));
  double error = 0, size = 0;
  for (size_t p = 0; p < f32.all().size(); ++p) {
    const float* x = f32.all()[p]->gradient.view().data;
    const float* y = bf16.all()[p]->gradient.view().data;
    const float* z = other.all()[p]->gradient.view().data;
    for (size_t i = 0; i < f32.all()[p]->size(); ++i) {
      ASSERT_EQ(y[i], z[i]) << f32.all()[p]->name << " element " << i;
      error += (static_cast<double>(x[i]) - y[i]) * (static_cast<double>(x[i]) - y[i]);
      size += static_cast<double>(x[i]) * x[i];
    }
  }
  EXPECT_LT(std::sqrt(error), 0.16 * std::sqrt(size));
}

// The first file of tiny_fixtures() that covers each way of a block.
INSTANTIATE_TEST_SUITE_P(Fixtures, TrainingFamilies,
                         ::testing::Values("llama3", "qwen2", "qwen2-window", "qwen3", "gemma2",
                                           "gemma3", "phi3", "glm4", "gpt2"),
                         [](const auto& fixture) {
                           std::string name = fixture.param;
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

// A frozen model with adapters is W + scale B A: the reference runs over the merged weights.
TEST(TrainingAdapters, GradientsMatchFiniteDifferencesOfMergedWeights) {
  TinyModel tiny = make_tiny_model("qwen2");
  ThreadPool pool(2);
  const auto model = load(tiny, pool);
  const std::vector<TokenId> tokens = some_tokens(model->config().vocab_size);
  const std::vector<Target> targets = some_targets(tokens);
  ParameterSet parameters;
  struct Place {
    Parameter* a;
    Parameter* b;
    TinyTensor* tensor;
  };
  std::vector<Place> places;
  std::mt19937 random(3);
  std::normal_distribution<float> normal(0, 0.1f);
  constexpr float kScale = 0.5f;
  for (const ModelPart& part : model->parts()) {
    if (!part.linear || part.name.find("layers.1.") == std::string::npos) continue;
    const int64_t rank = 3;
    Parameter& a = parameters.add(part.name + ".a", rank, part.linear->in_features());
    Parameter& b = parameters.add(part.name + ".b", part.linear->out_features(), rank);
    for (Parameter* p : {&a, &b}) {
      for (size_t i = 0; i < p->size(); ++i) p->value.view().data[i] = normal(random);
    }
    parameters.bindings.adapters[part.linear] = {&a, &b, kScale, 0};
    for (TinyTensor& tensor : tiny.tensors) {
      if (tensor.name == part.name) places.push_back({&a, &b, &tensor});
    }
  }
  ASSERT_EQ(places.size(), 7u);
  const auto merged_loss = [&] {
    TinyModel merged = tiny;
    for (const Place& place : places) {
      for (TinyTensor& tensor : merged.tensors) {
        if (tensor.name != place.tensor->name) continue;
        for (int64_t r = 0; r < place.b->rows; ++r) {
          for (int64_t c = 0; c < place.a->cols; ++c) {
            double sum = 0;
            for (int64_t k = 0; k < place.a->rows; ++k)
              sum += static_cast<double>(place.b->value.view().row(r)[k]) *
                     place.a->value.view().row(k)[c];
            tensor.values[static_cast<size_t>(r * place.a->cols + c)] +=
                static_cast<float>(kScale * sum);
          }
        }
      }
    }
    return reference_loss(merged, tokens, targets);
  };
  const double loss =
      run_backward(*model, parameters, pool, TapeMode::checkpointing, tokens, targets);
  const double expected = merged_loss();
  EXPECT_NEAR(loss, expected, 1e-4 * std::abs(expected) + 1e-4);
  for (const auto& parameter : parameters.all()) {
    const float* gradient = parameter->gradient.view().data;
    const size_t at = static_cast<size_t>(
        std::max_element(gradient, gradient + parameter->size(),
                         [](float a, float b) { return std::abs(a) < std::abs(b); }) -
        gradient);
    float* value = parameter->value.view().data + at;
    const float before = *value;
    *value = before + 0.03125f;
    const double up = merged_loss();
    *value = before - 0.03125f;
    const double slope = (up - merged_loss()) / 0.0625;
    *value = before;
    EXPECT_NEAR(gradient[at], slope, 2e-2 * std::abs(slope) + 1e-4) << parameter->name;
  }
}

}  // namespace
}  // namespace jiang
