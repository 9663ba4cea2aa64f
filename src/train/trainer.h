// Trainer: the loop. Steps of several batches, AdamW, evaluation on held-out data, checkpoints, and
// going on where a killed run stopped, to the same numbers.
//
// One run owns its folder (a lock file keeps a second one out).
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/result.h"
#include "train/checkpoint.h"
#include "train/objective.h"
#include "train/optimizer.h"
#include "train/run_log.h"

namespace jiang {

struct TrainerOptions {
  OptimizerOptions optimizer;  // total_steps and warmup_steps are worked out by the trainer
  double epochs = 1;           // unless steps > 0
  int64_t steps = 0;
  double warmup_share = 0.02;  // of the steps, unless warmup_steps > 0
  int64_t warmup_steps = 0;
  int64_t batches_per_step = 1;  // gradient accumulation
  int64_t evaluate_every = 0;    // steps; 0: at the end only
  double checkpoint_minutes = 5;
  TapeMode mode = TapeMode::remember_all;
  Compute compute = Compute::f32;
  uint64_t seed = 0;
  uint64_t fingerprint = 0;   // of the recipe
  bool restart = false;       // forget an earlier checkpoint
  uint64_t memory_limit = 0;  // bytes this process may use in all; 0: not checked
};

struct TrainingProgress {
  const LogEntry& entry;
  int64_t total_steps;
  double seconds_left;
};

struct TrainingReport {
  int64_t steps = 0;
  int64_t resumed_at = 0;  // 0: a new run
  double seconds = 0;      // of all its parts
  double tokens = 0;
  double first_loss = 0;
  double last_loss = 0;  // mean of the last tenth
  std::optional<double> held_out;
  bool finished = true;  // false: stopped by `go_on`
};

class Trainer {
 public:
  // `folder` exists or is made. `held_out` may be nullptr.
  Trainer(const Model& model, ParameterSet& parameters, Objective& objective, Objective* held_out,
          ThreadPool& pool, std::string folder, const TrainerOptions& options);

  // Bytes beyond the model's own that the run needs: state of the parameters, and a step's memory.
  uint64_t memory_bytes();
  // An error with both numbers if that is more than options.memory_limit. run() asks too.
  Status check_memory();

  // Called after every step; false stops the run with a checkpoint.
  std::function<bool(const TrainingProgress&)> go_on;
  // Called with each checkpoint, to write the model beside it.
  std::function<Status()> save_model;

  Result<TrainingReport> run();

 private:
  struct StepPlan {
    int64_t epoch, first, n;
  };
  void plan_steps();
  size_t measure_tape(TapeMode mode);
  Result<LogEntry> step(int64_t number, Tape& tape, Workspace& work);
  Result<double> evaluate(Tape& tape, Workspace& work);
  Status save(const CheckpointState& state, const RunLog& log);
  std::string path(const char* name) const { return folder_ + "/" + name; }

  const Model& model_;
  ParameterSet& parameters_;
  Objective& objective_;
  Objective* held_out_;
  ThreadPool& pool_;
  std::string folder_;
  TrainerOptions options_;
  std::vector<StepPlan> plan_;
  size_t tape_bytes_ = 0;     // of a step
  size_t product_bytes_ = 0;  // of packed factors
};

}  // namespace jiang
