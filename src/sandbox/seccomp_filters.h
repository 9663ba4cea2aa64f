// The system calls that a box may make, as BPF programs (libseccomp, whose header stays in the
// .cpp).
//
// Compiling is a deny-list, running is an allow-list; foreign architectures (i386, x32) kill the
// process. What is refused answers EPERM; clone3 answers ENOSYS, so that libc uses clone, whose
// flags can be looked at.
#pragma once

#include <cstddef>
#include <vector>

#include "base/result.h"
#include "sandbox/sandbox.h"

namespace jiang {

// An array of struct sock_filter.
using SeccompProgram = std::vector<std::byte>;

enum class MayFork : bool { no, yes };

Result<SeccompProgram> seccomp_program(SandboxRequest::Profile profile, MayFork may_fork);

}  // namespace jiang
