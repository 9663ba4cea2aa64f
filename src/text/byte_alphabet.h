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
// The bytes that a piece of a byte-level vocabulary stands for: the piece itself where some
// character is not of the alphabet.
std::string piece_bytes(std::string_view piece);
void append_piece_bytes(std::string& out, std::string_view piece);

}  // namespace jiang
