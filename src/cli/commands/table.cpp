#include "cli/commands/table.h"

namespace jiang {

std::span<const Command> commands() {
  // In the order of the help. Copied at first use: the rows live in other files.
  static const Command kCommands[] = {
      kList,
      kCompletion,
      kDevMakeModel,
  };
  return kCommands;
}

}  // namespace jiang
