#include "cli/commands/table.h"

namespace jiang {

std::span<const Command> commands() {
  // In the order of the help. Copied at first use: the rows live in other files.
  static const Command kCommands[] = {
      kRun,      kTokenize, kTemplate,   kLogits,       kShow,
      kList,     kEmbed,    kPerplexity, kBench,        kDoctor,
      kQuantize, kImatrix,  kCompletion, kDevMakeModel, kDevQuantError,
  };
  return kCommands;
}

}  // namespace jiang
