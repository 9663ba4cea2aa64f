// Command: one sub-command of jiang. One file in commands/ and one line in commands/table.cpp.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace jiang {

struct Command {
  const char* name;      // "run"; "dev make-model" for a command of two words
  const char* usage;     // "jiang run [MODEL [PROMPT]]"
  const char* summary;   // one line
  const char* examples;  // shown under --help
  // Arguments after the command's name. A returned Error becomes one sentence on stderr and exit
  // code 2 for invalid_argument, 1 for the rest.
  Result<int> (*run)(const std::vector<std::string>& arguments);
};

std::span<const Command> commands();
const Command* find_command(std::string_view name);

inline constexpr const char* kVersion = JIANG_VERSION;

// The whole program; src/main.cpp calls it. Never throws.
int run_jiang(int argc, char** argv);

}  // namespace jiang
