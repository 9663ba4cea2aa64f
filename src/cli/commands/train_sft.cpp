// jiang train sft: tune a model on conversations.
#include "cli/commands/table.h"
#include "cli/train_run.h"
#include "train/tune.h"

namespace jiang {
namespace {

Result<int> run_train_sft(const std::vector<std::string>& arguments) {
  return run_training("train sft", RecipeKind::sft, arguments, tune_on_chats);
}

}  // namespace

const Command kTrainSft = {
    .name = "train sft",
    .usage = "usage: jiang train sft RECIPE [OPTIONS]",
    .summary = "tune a model on conversations",
    .examples =
        "  jiang train sft recipes/sft.toml\n"
        "  jiang train sft recipes/sft.toml --restart",
    .run = run_train_sft,
};

}  // namespace jiang
