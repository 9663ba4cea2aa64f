// A C program: compiled in one box, run in another, with what a learner should know of how it went.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "sandbox/sandbox.h"

namespace jiang {

struct CProgram {
  std::string source;
  std::string input = {};                   // stdin of its run
  std::vector<std::string> arguments = {};  // argv[1] and on
  // Regular files of this folder lie beside the program when it runs, and what it writes comes
  // back into it. "": none.
  std::string folder = {};
  bool run = true;  // false: compile only
  bool warnings_are_errors = false;
  bool sanitize = false;  // -fsanitize=address,undefined
  SandboxLimits run_limits = {};
  const std::atomic<bool>* cancelled = nullptr;
};

struct CRun {
  bool compiled = false;
  SandboxResult compile;             // err holds the diagnostics, of file main.c
  std::optional<SandboxResult> run;  // when it compiled
  std::string hint;                  // one sentence for a crash or a limit, or ""
};

// gcc -std=c17 -Wall -Wextra -O1 -g -lm. Errors: no compiler, no box, a source of over 1 MiB.
Result<CRun> run_c(Sandbox& sandbox, const CProgram& program);

// "SIGSEGV: it used memory that is not its own ..." for people; "" where nothing is to be said.
std::string explain_end(const SandboxResult& result, const SandboxLimits& limits, bool sanitized);

}  // namespace jiang
