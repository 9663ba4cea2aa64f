// "did you mean": the closest of the known names.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace jiang {

// The candidate with the smallest edit distance to `word` (transpositions count one), if it is
// close enough to be a slip: at most a third of the word's length, and at least 1.
std::optional<std::string> suggest(std::string_view word, std::span<const std::string> candidates);

}  // namespace jiang
