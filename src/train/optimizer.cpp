#include "train/optimizer.h"

#include <algorithm>
#include <cmath>

#include "kernels/training.h"

namespace jiang {
namespace {

constexpr size_t kChunk = 16384;  // elements whose squares are summed in one go

}  // namespace

float learning_rate_at(const OptimizerOptions& options, int64_t step) {
  if (step <= options.warmup_steps) {
    return options.learning_rate * static_cast<float>(step) /
           static_cast<float>(options.warmup_steps);
  }
  const auto span =
      static_cast<double>(std::max<int64_t>(1, options.total_steps - options.warmup_steps));
  const double done = std::min(1.0, static_cast<double>(step - options.warmup_steps) / span);
  const double share = 0.5 * (1 + std::cos(3.14159265358979323846 * done));
  return static_cast<float>(options.min_learning_rate +
                            share * (options.learning_rate - options.min_learning_rate));
}

double gradient_norm(const ParameterSet& parameters, ThreadPool& pool) {
  double total = 0;
  std::vector<double> sums;
  for (const auto& parameter : parameters.all()) {
    const float* gradient = parameter->gradient.view().data;
    const size_t n = parameter->size();
    sums.assign((n + kChunk - 1) / kChunk, 0.0);
    pool.parallel_for(sums.size(), 1, [&](size_t begin, size_t end) {
      for (size_t i = begin; i < end; ++i) {
        const size_t first = i * kChunk;
        const auto count = static_cast<int64_t>(std::min(kChunk, n - first));
        sums[i] = kernels::training_table().dot(gradient + first, gradient + first, count);
      }
    });
    for (const double sum : sums) total += sum;
  }
  return std::sqrt(total);
}

void adamw_step(ParameterSet& parameters, const OptimizerOptions& options, int64_t step,
                double norm, ThreadPool& pool) {
  const float rate = learning_rate_at(options, step);
  const auto t = static_cast<double>(step);
  kernels::AdamwStep update{
      .learning_rate = rate,
      .beta1 = options.beta1,
      .beta2 = options.beta2,
      .eps = options.eps,
      .decay = 0,
      .correction1 = static_cast<float>(1 - std::pow(static_cast<double>(options.beta1), t)),
      .correction2_root =
          static_cast<float>(std::sqrt(1 - std::pow(static_cast<double>(options.beta2), t))),
      .grad_scale = options.clip > 0 && norm > options.clip
                        ? static_cast<float>(static_cast<double>(options.clip) / norm)
                        : 1.0f,
  };
  for (const auto& parameter : parameters.all()) {
    update.decay = parameter->decays ? rate * options.weight_decay : 0;
    pool.parallel_for(parameter->size(), 256, [&](size_t begin, size_t end) {
      kernels::training_table().adamw(
          parameter->value.view().data + begin, parameter->gradient.view().data + begin,
          parameter->mean.view().data + begin, parameter->square.view().data + begin,
          static_cast<int64_t>(end - begin), &update);
    });
  }
}

}  // namespace jiang
