// The two kinds of box, before their self-test.
#pragma once

#include <memory>

#include "base/result.h"
#include "sandbox/sandbox.h"

namespace jiang {

// Fails when bubblewrap is not installed or may not open a user namespace.
Result<std::unique_ptr<Sandbox>> open_bubblewrap_box(int n_slots);
// Fails when the kernel has no Landlock, or (not started as root) none that holds signals in.
Result<std::unique_ptr<Sandbox>> open_landlock_box(int n_slots);

// What every box's environment begins with.
std::vector<std::string> box_environment(const SandboxRequest& request);

}  // namespace jiang
