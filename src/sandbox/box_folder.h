// What goes into a box's folder and what comes out of it. A box works on a copy: links, FIFOs and
// devices that a program leaves never reach the caller's folder.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "sandbox/sandbox.h"

namespace jiang {

// Copies the regular files of `from` (not of its sub-folders) into `to`; `owner` owns the copies
// when we are root. Refuses what passes the limits.
Status copy_into_box(const std::string& from, const std::string& to, uid_t owner,
                     const SandboxLimits& limits);

// Copies the regular files of `from` back into `to`; returns the names of what was refused.
Result<std::vector<std::string>> copy_out_of_box(const std::string& from, const std::string& to,
                                                 const SandboxLimits& limits);

struct FolderUse {
  uint64_t bytes = 0;
  int32_t files = 0;
};
// What lies in the folder, at any depth up to 8. Follows no link.
FolderUse folder_use(const std::string& folder);

// Removes a folder and all in it, however deep a program made it and whatever it forbade.
Status remove_folder(const std::string& folder);

}  // namespace jiang
