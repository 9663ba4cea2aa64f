// jiang train dpo: tune a model on pairs of better and worse answers.
#include "cli/commands/table.h"
#include "cli/train_run.h"
#include "train/tune.h"

namespace jiang {
namespace {

Result<int> run_train_dpo(const std::vector<std::string>& arguments) {
  return run_training("train dpo", RecipeKind::dpo, arguments, tune_on_preferences);
}

}  // namespace

const Command kTrainDpo = {
    .name = "train dpo",
    .usage = "usage: jiang train dpo RECIPE [OPTIONS]",
    .summary = "tune a model on pairs of better and worse answers",
    .examples =
        "  jiang train dpo recipes/dpo.toml\n"
        "  jiang train dpo recipes/dpo.toml --restart",
    .run = run_train_dpo,
};

}  // namespace jiang
