// jiang train sft.
#include "train/chat_data.h"
#include "train/token_data.h"
#include "train/tune.h"
#include "train/tuned_model.h"

namespace jiang {

Result<TrainingReport> tune_on_chats(TrainRecipe recipe, ThreadPool& pool,
                                     const RunCallbacks& callbacks) {
  TRY(const TunedModel tuned, open_tuned_model(recipe, pool));
  TRY(const ChatEncoder encoder, ChatEncoder::create(tuned.assets));
  std::vector<BadLine> bad;
  TRY(auto examples, read_conversations(recipe.train_files, encoder, recipe.sequence_length, bad));
  TRY(auto held_out,
      read_conversations(recipe.held_out_files, encoder, recipe.sequence_length, bad));
  if (!bad.empty() && callbacks.note) callbacks.note(describe_bad_lines(bad));
  if (examples.empty()) {
    return fail(ErrorKind::invalid_argument, "{}: data.train holds no usable conversation",
                recipe.path);
  }
  ParameterSet parameters;
  TRY_STATUS(add_whole_model(parameters, tuned, recipe, pool));
  if (callbacks.note) {
    callbacks.note(fmt::format("{:.2f} M parameters; {} conversations, {} held out",
                               static_cast<double>(parameters.count()) / 1e6, examples.size(),
                               held_out.size()));
  }
  TokenDataOptions data{.packing = Packing::whole,
                        .sequence_length = recipe.sequence_length,
                        .batch_rows = recipe.tokens_per_batch,
                        .seed = recipe.trainer.seed};
  const auto objective = make_token_objective(std::move(examples), data);
  data.shuffles = false;
  std::unique_ptr<Objective> evaluation;
  if (!held_out.empty()) evaluation = make_token_objective(std::move(held_out), data);
  Trainer trainer(*tuned.model, parameters, *objective, evaluation.get(), pool, recipe.out,
                  recipe.trainer);
  trainer.go_on = callbacks.progress;
  trainer.save_model = [&] { return write_whole_model(parameters, tuned, recipe); };
  return trainer.run();
}

}  // namespace jiang
