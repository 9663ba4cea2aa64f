// The values of JSON Schema's "format" that are enforced, as patterns (pattern_automaton.h).
#pragma once

#include <string_view>

namespace jiang {

// The whole string's pattern; "" for a format that is not known.
std::string_view json_format_pattern(std::string_view format);
// Formats that say nothing about what is valid here, or are expressed by a type: "int64",
// "password".
bool is_annotation_format(std::string_view format);

}  // namespace jiang
