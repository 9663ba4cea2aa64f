// A Python program, run in the box by the machine's python3.
#pragma once

#include <atomic>
#include <string>

#include "base/result.h"
#include "sandbox/sandbox.h"

namespace jiang {

struct PythonProgram {
  std::string source;
  std::string input = {};  // stdin
  // Its regular files lie beside the program, and what it writes comes back. "": none.
  std::string folder = {};
  SandboxLimits limits = {};
  const std::atomic<bool>* cancelled = nullptr;
};

struct PythonRun {
  SandboxResult run;
  std::string hint;  // one sentence for a crash or a limit, or ""
};

// Whether this machine has one that the box can see.
bool has_python();
// Errors: no Python, no box, a source of over 1 MiB.
Result<PythonRun> run_python(Sandbox& sandbox, const PythonProgram& program);

}  // namespace jiang
