// What an answer holds for its verification: the first program, and an example of its input.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace jiang {

// Of ```c (or C, h) or, where no block names a language, of the first block that has a main. The
// fence must be closed: half a program is none.
std::optional<std::string> c_program_of(std::string_view markdown);

// The input that an answer gives as an example: the first block that is no program and stands
// directly below a line that speaks of input (输入, input).
std::optional<std::string> sample_input(std::string_view markdown);

// Whether a C program asks for standard input, as far as its text tells.
bool reads_input(std::string_view program);

}  // namespace jiang
