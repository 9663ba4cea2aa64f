// jiang train lora: train adapters beside a model's frozen weights.
#include "cli/commands/table.h"
#include "cli/train_run.h"
#include "train/tune.h"

namespace jiang {
namespace {

Result<int> run_train_lora(const std::vector<std::string>& arguments) {
  return run_training("train lora", RecipeKind::lora, arguments, tune_adapters);
}

}  // namespace

const Command kTrainLora = {
    .name = "train lora",
    .usage = "usage: jiang train lora RECIPE [OPTIONS]",
    .summary = "train adapters beside a model's frozen weights",
    .examples =
        "  jiang train lora recipes/lora.toml\n"
        "  jiang train lora recipes/lora.toml --restart",
    .run = run_train_lora,
};

}  // namespace jiang
