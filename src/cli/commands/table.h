// One line per file of this folder; a test compares the two.
#pragma once

#include "cli/command.h"

namespace jiang {

extern const Command kList;
extern const Command kCompletion;
extern const Command kDevMakeModel;

}  // namespace jiang
