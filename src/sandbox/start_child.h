// Starts the process of a ChildSetup. Between fork and exec only raw system calls run: jiang has
// many threads, and any of them may hold a lock.
#pragma once

#include "base/result.h"
#include "sandbox/child.h"

namespace jiang {

struct StartedChild {
  pid_t pid = -1;
  int pidfd = -1;
  int in = -1;  // our ends, non-blocking
  int out = -1;
  int err = -1;
};

Result<StartedChild> start_child(const ChildSetup& setup, const SandboxRequest& request);

}  // namespace jiang
