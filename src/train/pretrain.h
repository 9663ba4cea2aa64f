// jiang train pretrain: a new decoder from a recipe and text files to a Hugging Face folder.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/thread_pool.h"
#include "train/documents.h"
#include "train/recipe.h"

namespace jiang {

// What a command shows while a run goes on. Nothing here may throw.
struct RunCallbacks {
  std::function<void(const std::string&)> note;           // a line for people
  std::function<bool(const TrainingProgress&)> progress;  // false: stop, with a checkpoint
};

Result<TrainingReport> pretrain(TrainRecipe recipe, ThreadPool& pool,
                                const RunCallbacks& callbacks);

}  // namespace jiang
