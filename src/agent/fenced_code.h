// The first fenced block of C in an answer.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace jiang {

// Of ```c (or C, h) or, where no block names a language, of the first block that has a main. The
// fence must be closed: half a program is none.
std::optional<std::string> first_c_program(std::string_view markdown);

}  // namespace jiang
