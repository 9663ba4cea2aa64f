// What tuning on conversations learns from and is measured by, whichever weights it changes.
#pragma once

#include <cstddef>
#include <memory>

#include "text/tokenizer.h"
#include "train/objective.h"
#include "train/pretrain.h"

namespace jiang {

struct ChatTraining {
  std::unique_ptr<Objective> objective = {};
  std::unique_ptr<Objective> evaluation = {};  // null: nothing is held out
  size_t n_conversations = 0;
  size_t n_held_out = 0;
};

// The conversations of the recipe's files through the model's template. Lines that cannot be used
// are told to callbacks.note; none that can is an error.
Result<ChatTraining> read_chat_training(const TrainRecipe& recipe, const TextAssets& assets,
                                        const RunCallbacks& callbacks);

}  // namespace jiang
