// AdamW with decoupled decay and gradient clipping, and the learning rate over a run.
#pragma once

#include <cstdint>

#include "base/thread_pool.h"
#include "train/parameters.h"

namespace jiang {

struct OptimizerOptions {
  float learning_rate = 3e-4f;
  float min_learning_rate = 0;  // where the cosine ends
  int64_t warmup_steps = 0;     // linear from 0
  int64_t total_steps = 1;
  float beta1 = 0.9f;
  float beta2 = 0.95f;
  float eps = 1e-8f;
  float weight_decay = 0.1f;  // of matrices
  float clip = 1;             // largest norm of all gradients together; 0: none
};

// Of step 1, 2, ... total_steps.
float learning_rate_at(const OptimizerOptions& options, int64_t step);

// The norm over all gradients; one order of sums for any number of threads.
double gradient_norm(const ParameterSet& parameters, ThreadPool& pool);

// Step number `step` (from 1). Gradients are left as they are.
void adamw_step(ParameterSet& parameters, const OptimizerOptions& options, int64_t step,
                double norm, ThreadPool& pool);

}  // namespace jiang
