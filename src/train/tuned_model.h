// What the three ways of tuning open and write.
#pragma once

#include <memory>
#include <string>

#include "model/model.h"
#include "text/tokenizer.h"
#include "train/model_folder.h"
#include "train/recipe.h"

namespace jiang {

struct TunedModel {
  std::shared_ptr<const TensorSource> source;
  TextAssets assets;
  std::shared_ptr<const Model> model;
};

// The model of recipe.model_path; its context must hold recipe.sequence_length. What its weights
// take is taken off the recipe's memory limit.
Result<TunedModel> open_tuned_model(TrainRecipe& recipe, ThreadPool& pool);

// All weights as parameters. Refuses a GGUF source: there is no tokenizer.json to write beside the
// weights.
Status add_whole_model(ParameterSet& parameters, const TunedModel& tuned, const TrainRecipe& recipe,
                       ThreadPool& pool);
// The folder: weights, config.json, generation_config.json, tokenizer.
Status write_whole_model(const ParameterSet& parameters, const TunedModel& tuned,
                         const TrainRecipe& recipe);

}  // namespace jiang
