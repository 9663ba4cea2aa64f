// Substring search in any script, letters of either case alike.
#pragma once

#include <string>
#include <string_view>

namespace jiang {

// The form in which find_folded wants its needle.
std::string fold_for_search(std::string_view needle);
// Where `folded_needle` first occurs in `text` (a byte offset of text), or npos. An empty needle
// is found at 0. A needle without cased letters, such as Chinese, costs one memmem.
size_t find_folded(std::string_view text, std::string_view folded_needle);
// About `characters` characters of `text` around byte `at`, on character borders, line breaks as
// spaces, "..." where something was left out.
std::string snippet_around(std::string_view text, size_t at, size_t characters);

}  // namespace jiang
