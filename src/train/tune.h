// Tuning of a model that is there: on conversations (sft), on preferences (dpo), or by adapters
// over frozen weights (lora).
#pragma once

#include "train/pretrain.h"

namespace jiang {

// All weights, from a Hugging Face folder to another.
Result<TrainingReport> tune_on_chats(TrainRecipe recipe, ThreadPool& pool,
                                     const RunCallbacks& callbacks);
// The same on lines of {"prompt", "chosen", "rejected"}; prompt is text or a list of messages.
Result<TrainingReport> tune_on_preferences(TrainRecipe recipe, ThreadPool& pool,
                                           const RunCallbacks& callbacks);
// Adapters over any model that jiang runs, quantised ones too: PEFT's files and adapter.gguf.
Result<TrainingReport> tune_adapters(TrainRecipe recipe, ThreadPool& pool,
                                     const RunCallbacks& callbacks);

}  // namespace jiang
