// Small things about text that is looked at as ASCII: header names, model names, lines of files.
// Bytes above 127 are left as they are. (What people write goes through base/unicode.h.)
#pragma once

#include <algorithm>
#include <string>
#include <string_view>

namespace jiang {

inline std::string ascii_lower(std::string_view text) {
  std::string lower(text);
  for (char& c : lower) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  return lower;
}

// Without what `spaces` has, at both ends; a view into `text`.
inline std::string_view trim_ascii(std::string_view text, std::string_view spaces = " \t\r\n") {
  text.remove_prefix(std::min(text.find_first_not_of(spaces), text.size()));
  return text.substr(0, text.find_last_not_of(spaces) + 1);
}

inline bool contains(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

}  // namespace jiang
