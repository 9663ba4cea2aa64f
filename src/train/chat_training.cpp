#include "train/chat_training.h"

#include "train/chat_data.h"
#include "train/token_data.h"

namespace jiang {

Result<ChatTraining> read_chat_training(const TrainRecipe& recipe, const TextAssets& assets,
                                        const RunCallbacks& callbacks) {
  TRY(const ChatEncoder encoder, ChatEncoder::create(assets));
  std::vector<BadLine> bad;
  TRY(auto examples, read_conversations(recipe.train_files, encoder, recipe.sequence_length, bad));
  TRY(auto held_out,
      read_conversations(recipe.held_out_files, encoder, recipe.sequence_length, bad));
  if (!bad.empty() && callbacks.note) callbacks.note(describe_bad_lines(bad));
  if (examples.empty()) {
    return fail(ErrorKind::invalid_argument, "{}: data.train holds no usable conversation",
                recipe.path);
  }
  ChatTraining training{.n_conversations = examples.size(), .n_held_out = held_out.size()};
  TokenDataOptions data{.packing = Packing::whole,
                        .sequence_length = recipe.sequence_length,
                        .batch_rows = recipe.tokens_per_batch,
                        .seed = recipe.trainer.seed};
  training.objective = make_token_objective(std::move(examples), data);
  data.shuffles = false;
  if (!held_out.empty()) training.evaluation = make_token_objective(std::move(held_out), data);
  return training;
}

}  // namespace jiang
