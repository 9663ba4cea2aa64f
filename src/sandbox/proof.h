// The proof that a box holds: a program that tries to get out, compiled and run in it.
#pragma once

#include "base/result.h"
#include "sandbox/sandbox.h"

namespace jiang {

// An error names the first thing that should have been refused and was not.
Status prove(Sandbox& sandbox);

}  // namespace jiang
