// What the training commands share: the flags of a recipe, the progress line, Ctrl-C, the summary.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "train/pretrain.h"

namespace jiang {

// Parses "RECIPE [--restart] [-t N]", runs, prints the summary.
using RunRecipe =
    std::function<Result<TrainingReport>(TrainRecipe, ThreadPool&, const RunCallbacks&)>;
Result<int> run_training(const char* command, RecipeKind kind,
                         const std::vector<std::string>& arguments, const RunRecipe& run);

}  // namespace jiang
