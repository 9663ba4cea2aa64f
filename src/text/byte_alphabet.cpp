#include "text/byte_alphabet.h"

#include <array>
#include <cstdint>

#include "base/unicode.h"

namespace jiang {
namespace {

// Printable Latin-1 stands for itself, the other bytes follow from U+0100 on in their order.
constexpr bool is_itself(int byte) {
  return (byte >= 0x21 && byte <= 0x7E) || (byte >= 0xA1 && byte <= 0xAC) || byte >= 0xAE;
}

struct Alphabet {
  std::array<uint16_t, 256> character_of{};
  std::array<int16_t, 324> byte_of{};
};

constexpr Alphabet make_alphabet() {
  Alphabet alphabet;
  for (auto& byte : alphabet.byte_of) byte = -1;
  int next = 0x100;
  for (int byte = 0; byte < 256; ++byte) {
    const int character = is_itself(byte) ? byte : next++;
    alphabet.character_of[static_cast<size_t>(byte)] = static_cast<uint16_t>(character);
    alphabet.byte_of[static_cast<size_t>(character)] = static_cast<int16_t>(byte);
  }
  return alphabet;
}
constexpr Alphabet kAlphabet = make_alphabet();

// False, and nothing appended, where some character is not of the alphabet.
bool append_decoded(std::string& out, std::string_view text) {
  const size_t before = out.size();
  out.resize(before + text.size());
  char* to = out.data() + before;
  for (size_t at = 0; at < text.size();) {
    // All of the alphabet is below U+0800: one or two bytes.
    const auto lead = static_cast<uint8_t>(text[at++]);
    size_t character = lead;
    if (lead >= 0x80) {
      const bool is_pair = at < text.size() && (lead & 0xE0) == 0xC0;
      if (is_pair)
        character = (size_t{lead & 0x1Fu} << 6) | (static_cast<uint8_t>(text[at++]) & 0x3Fu);
      else
        character = kAlphabet.byte_of.size();
    }
    if (character >= kAlphabet.byte_of.size() || kAlphabet.byte_of[character] < 0) {
      out.resize(before);
      return false;
    }
    *to++ = static_cast<char>(kAlphabet.byte_of[character]);
  }
  out.resize(static_cast<size_t>(to - out.data()));
  return true;
}

}  // namespace

std::string to_byte_alphabet(std::string_view bytes) {
  std::string out;
  for (const char byte : bytes)
    append_utf8(out, kAlphabet.character_of[static_cast<uint8_t>(byte)]);
  return out;
}

std::optional<std::string> from_byte_alphabet(std::string_view text) {
  std::string out;
  if (!append_decoded(out, text)) return std::nullopt;
  return out;
}

std::string piece_bytes(std::string_view piece) {
  std::string out;
  append_piece_bytes(out, piece);
  return out;
}

void append_piece_bytes(std::string& out, std::string_view piece) {
  if (!append_decoded(out, piece)) out += piece;
}

}  // namespace jiang
