// jiang train pretrain: a new language model from text.
#include "cli/commands/table.h"
#include "cli/train_run.h"

namespace jiang {
namespace {

Result<int> run_train_pretrain(const std::vector<std::string>& arguments) {
  return run_training("train pretrain", RecipeKind::pretrain, arguments, pretrain);
}

}  // namespace

const Command kTrainPretrain = {
    .name = "train pretrain",
    .usage = "usage: jiang train pretrain RECIPE [OPTIONS]",
    .summary = "train a new model from random weights on text",
    .examples =
        "  jiang train pretrain recipes/pretrain.toml\n"
        "  jiang train pretrain recipes/pretrain.toml --restart",
    .run = run_train_pretrain,
};

}  // namespace jiang
