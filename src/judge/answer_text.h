// What an answer says: its first program, its prose, the language it is in.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace jiang {

// The text of the first fenced block (```c, ```C or bare ```); nullopt without one, or when it is
// not closed. Blocks in another language are passed over.
std::optional<std::string> first_c_program(std::string_view answer);

// The answer without fenced blocks and without `code`.
std::string prose_of(std::string_view answer);

// "zh" when a third or more of the letters of its prose are Chinese characters, "en" when at most
// one in fifty is, "" otherwise: mixed, or nothing to go by.
std::string language_of(std::string_view answer);

// Whether the words occur in `text` in this order.
bool occur_in_order(std::string_view text, const std::vector<std::string>& words);

}  // namespace jiang
