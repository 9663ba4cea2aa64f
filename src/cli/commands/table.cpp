#include "cli/commands/table.h"

namespace jiang {

std::span<const Command> commands() {
  // In the order of the help. Copied at first use: the rows live in other files.
  // One row a line, so that two new commands do not meet in one.
  // clang-format off
  static const Command kCommands[] = {
      kRun,
      kTokenize,
      kTemplate,
      kLogits,
      kShow,
      kPull,
      kList,
      kRm,
      kCp,
      kCreate,
      kVerify,
      kGc,
      kDu,
      kEmbed,
      kPerplexity,
      kEval,
      kRunCode,
      kBench,
      kBenchServe,
      kDoctor,
      kQuantize,
      kImatrix,
      kBackup,
      kRestore,
      kTrainTokenizer,
      kTrainPretrain,
      kTrainSft,
      kTrainDpo,
      kTrainLora,
      kTrainPairs,
      kMerge,
      kCompletion,
      kServe,
      kDevMakeModel,
      kDevQuantError,
  };
  // clang-format on
  return kCommands;
}

}  // namespace jiang
