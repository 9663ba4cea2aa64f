// jiang train sft.
#include "train/chat_training.h"
#include "train/tune.h"
#include "train/tuned_model.h"

namespace jiang {

Result<TrainingReport> tune_on_chats(TrainRecipe recipe, ThreadPool& pool,
                                     const RunCallbacks& callbacks) {
  TRY(const TunedModel tuned, open_tuned_model(recipe, pool));
  TRY(const ChatTraining chats, read_chat_training(recipe, tuned.assets, callbacks));
  ParameterSet parameters;
  TRY_STATUS(add_whole_model(parameters, tuned, recipe, pool));
  if (callbacks.note) {
    callbacks.note(fmt::format("{:.2f} M parameters; {} conversations, {} held out",
                               static_cast<double>(parameters.count()) / 1e6, chats.n_conversations,
                               chats.n_held_out));
  }
  Trainer trainer(*tuned.model, parameters, *chats.objective, chats.evaluation.get(), pool,
                  recipe.out, recipe.trainer);
  trainer.go_on = callbacks.progress;
  trainer.save_model = [&] { return write_whole_model(parameters, tuned, recipe); };
  return trainer.run();
}

}  // namespace jiang
