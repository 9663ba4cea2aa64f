#include "text/piece_borders.h"

#include <algorithm>

#include "base/unicode.h"

namespace jiang {
namespace {

std::string_view first_character(std::string_view text) {
  return text.substr(0, static_cast<size_t>(decode_utf8(text).length));
}

}  // namespace

size_t PieceBorders::bit_of(std::string_view x, std::string_view y) {
  uint64_t key = 0;
  for (const char byte : x) key = (key << 8) | static_cast<uint8_t>(byte);
  for (const char byte : y) key = (key << 8) | static_cast<uint8_t>(byte);
  return static_cast<size_t>((key * 0x9E3779B97F4A7C15ull) >> 44);
}

void PieceBorders::add(std::string_view piece) {
  if (piece.empty()) return;
  std::string_view x = first_character(piece);
  for (size_t at = x.size(); at < piece.size();) {
    const std::string_view y = first_character(piece.substr(at));
    const size_t bit = bit_of(x, y);
    bits_[bit / 64] |= uint64_t{1} << (bit % 64);
    at += y.size();
    x = y;
  }
}

size_t PieceBorders::next_cut(std::string_view text, size_t at) const {
  std::string_view x = first_character(text.substr(at));
  at += x.size();
  while (at < text.size()) {
    const std::string_view y = first_character(text.substr(at));
    const size_t bit = bit_of(x, y);
    if ((bits_[bit / 64] >> (bit % 64) & 1) == 0) return at;
    at += y.size();
    x = y;
  }
  return at;
}

}  // namespace jiang
