// GPT-2's byte alphabet: how byte-level vocabularies write raw bytes as visible characters
// (a space is U+0120).
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace jiang {

std::string to_byte_alphabet(std::string_view bytes);
// nullopt: some character is not of the alphabet.
std::optional<std::string> from_byte_alphabet(std::string_view text);

}  // namespace jiang
