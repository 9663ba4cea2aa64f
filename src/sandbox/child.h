// A child process under limits: started, fed, listened to, and ended. What a box adds (namespaces,
// filters) is in the Setup and in the command itself.
#pragma once

#include <sys/types.h>

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "sandbox/sandbox.h"
#include "sandbox/seccomp_filters.h"

namespace jiang {

struct ChildSetup {
  std::vector<std::string> command;        // argv; [0] is an absolute path
  std::vector<std::string> environment;    // "NAME=VALUE"
  std::string folder;                      // where it starts
  std::optional<uid_t> user = {};          // becomes this user (we are root)
  int landlock = -1;                       // a ruleset to enter, or -1
  const SeccompProgram* filter = nullptr;  // loaded before the command starts, or null
  // Given to the command as descriptors 3, 4, ... in this order; all others are closed.
  std::vector<int> descriptors = {};
  // RLIMIT_NPROC counts all processes of the user: those that are there already are added.
  bool count_own_processes = false;
};

struct ChildWatch {
  // Looked at every 50 ms: bytes resident in all processes of the box, and what lies in its folder.
  std::function<uint64_t(pid_t child)> resident_bytes = {};
  std::string folder = {};
};

// Runs the command until it ends or a limit ends it; then every process of its group is killed.
Result<SandboxResult> run_child(const ChildSetup& setup, const ChildWatch& watch,
                                const SandboxRequest& request);

// Bytes resident in `root` and all its descendants, of /proc.
uint64_t resident_bytes_below(pid_t root);

}  // namespace jiang
