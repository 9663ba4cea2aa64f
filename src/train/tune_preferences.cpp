// jiang train dpo.
#include "base/json_value.h"
#include "train/chat_data.h"
#include "train/preference_data.h"
#include "train/tune.h"
#include "train/tuned_model.h"

namespace jiang {
namespace {

Result<PreferencePair> encode_pair(const Json& line, const ChatEncoder& encoder) {
  const Json* prompt = find_member(line, "prompt");
  if (!prompt) return fail(ErrorKind::invalid_argument, "\"prompt\" is missing");
  Json messages = *prompt;
  if (prompt->is_string()) {
    messages = Json::array();
    messages.push_back({{"role", "user"}, {"content", *prompt}});
  } else if (!prompt->is_array() || prompt->empty()) {
    return fail(ErrorKind::invalid_argument, "\"prompt\" is neither text nor a list of messages");
  }
  TRY(const std::string chosen, get_string(line, "chosen", "line"));
  TRY(const std::string rejected, get_string(line, "rejected", "line"));
  if (chosen == rejected)
    return fail(ErrorKind::invalid_argument, "\"chosen\" and \"rejected\" are the same");
  PreferencePair pair;
  TRY(pair.prompt, encoder.prompt(messages, Json()));
  TRY(pair.chosen, encoder.answer(messages, Json(), chosen));
  TRY(pair.rejected, encoder.answer(messages, Json(), rejected));
  return pair;
}

Result<std::vector<PreferencePair>> read_pairs(const std::vector<std::string>& paths,
                                               const ChatEncoder& encoder, int64_t most_tokens,
                                               std::vector<BadLine>& bad) {
  std::vector<PreferencePair> pairs;
  for (const std::string& path : paths) {
    TRY(const auto lines, read_json_lines(path, bad));
    for (const JsonLine& line : lines) {
      auto pair = encode_pair(line.value, encoder);
      if (!pair) {
        bad.push_back({path, line.line, pair.error().message});
        continue;
      }
      const auto longest = static_cast<int64_t>(
          pair->prompt.size() + std::max(pair->chosen.size(), pair->rejected.size()));
      if (longest > most_tokens) {
        bad.push_back({path, line.line,
                       fmt::format("{} tokens, sequence_length is {}", longest, most_tokens)});
        continue;
      }
      pairs.push_back(*std::move(pair));
    }
  }
  return pairs;
}

}  // namespace

Result<TrainingReport> tune_on_preferences(TrainRecipe recipe, ThreadPool& pool,
                                           const RunCallbacks& callbacks) {
  TRY(const TunedModel tuned, open_tuned_model(recipe, pool));
  TRY(const ChatEncoder encoder, ChatEncoder::create(tuned.assets));
  std::vector<BadLine> bad;
  TRY(auto pairs, read_pairs(recipe.train_files, encoder, recipe.sequence_length, bad));
  TRY(auto held_out, read_pairs(recipe.held_out_files, encoder, recipe.sequence_length, bad));
  if (!bad.empty() && callbacks.note) callbacks.note(describe_bad_lines(bad));
  if (pairs.empty()) {
    return fail(ErrorKind::invalid_argument, "{}: data.train holds no usable pair", recipe.path);
  }
  ParameterSet parameters;
  TRY_STATUS(add_whole_model(parameters, tuned, recipe, pool));
  if (callbacks.note) {
    callbacks.note(fmt::format("{:.2f} M parameters; {} pairs, {} held out",
                               static_cast<double>(parameters.count()) / 1e6, pairs.size(),
                               held_out.size()));
  }
  PreferenceOptions options{.beta = recipe.dpo_beta,
                            .batch_rows = recipe.tokens_per_batch,
                            .longest_sequence = recipe.sequence_length,
                            .seed = recipe.trainer.seed};
  const auto objective = make_preference_objective(std::move(pairs), options);
  options.shuffles = false;
  std::unique_ptr<PreferenceObjective> evaluation;
  if (!held_out.empty()) evaluation = make_preference_objective(std::move(held_out), options);

  Trainer trainer(*tuned.model, parameters, *objective, evaluation.get(), pool, recipe.out,
                  recipe.trainer);
  TRY_STATUS(trainer.check_memory());
  {  // the reference: this model, before anything changes
    auto owned = std::make_unique<Tape>(pool, parameters.bindings, trainer.memory_bytes(),
                                        recipe.trainer.compute);
    Tape& tape = *owned;
    Workspace work(std::move(owned));
    objective->measure_reference(tape, work, *tuned.model);
    if (evaluation) evaluation->measure_reference(tape, work, *tuned.model);
  }
  trainer.go_on = callbacks.progress;
  trainer.save_model = [&] { return write_whole_model(parameters, tuned, recipe); };
  return trainer.run();
}

}  // namespace jiang
