// Names of files as a stranger's server gives them: what may become a path below our folder.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "base/result.h"

namespace jiang {

// A relative path of plain words: no "..", no empty or hidden-by-dot-only word, no backslash, no
// control character, no percent sign, no leading '-', nothing longer than a file system takes.
// Checked before anything is made or opened.
Status check_file_name(std::string_view name);

// All of a listing: each by itself, none twice, and none that differs from another by case alone
// (on some file systems one would replace the other).
Status check_file_names(std::span<const std::string> names);

}  // namespace jiang
