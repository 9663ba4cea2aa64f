#include "storage/search_text.h"

#include <cstring>

#include "base/unicode.h"

namespace jiang {
namespace {

// Code points whose other case folds to them: the needle cannot be compared byte by byte.
bool is_cased(char32_t c) { return to_upper(c) != c || to_lower(c) != c; }

size_t find_bytes(std::string_view text, std::string_view needle, size_t from = 0) {
  if (from > text.size()) return std::string_view::npos;
  if (needle.empty()) return from;
  if (from == text.size()) return std::string_view::npos;  // memmem takes no null
  const void* found =
      ::memmem(text.data() + from, text.size() - from, needle.data(), needle.size());
  return found ? static_cast<size_t>(static_cast<const char*>(found) - text.data())
               : std::string_view::npos;
}

// Whether the folded needle stands at the front of `text`.
bool starts_folded(std::string_view text, std::string_view needle) {
  while (!needle.empty()) {
    if (text.empty()) return false;
    const DecodedCodePoint here = decode_utf8(text);
    const DecodedCodePoint wanted = decode_utf8(needle);
    if (to_lower(here.code_point) != wanted.code_point) return false;
    text.remove_prefix(static_cast<size_t>(here.length));
    needle.remove_prefix(static_cast<size_t>(wanted.length));
  }
  return true;
}

}  // namespace

std::string fold_for_search(std::string_view needle) {
  std::string out;
  while (!needle.empty()) {
    const DecodedCodePoint next = decode_utf8(needle);
    append_utf8(out, to_lower(next.code_point));
    needle.remove_prefix(static_cast<size_t>(next.length));
  }
  return out;
}

size_t find_folded(std::string_view text, std::string_view folded_needle) {
  if (folded_needle.empty()) return 0;
  // Search for the longest run without cased letters, or else for the first letter's two forms.
  const DecodedCodePoint first = decode_utf8(folded_needle);
  if (!is_cased(first.code_point)) {
    size_t plain = 0;
    while (plain < folded_needle.size()) {
      const DecodedCodePoint next = decode_utf8(folded_needle.substr(plain));
      if (is_cased(next.code_point)) break;
      plain += static_cast<size_t>(next.length);
    }
    const std::string_view start = folded_needle.substr(0, plain);
    for (size_t at = find_bytes(text, start); at != std::string_view::npos;
         at = find_bytes(text, start, at + 1)) {
      if (starts_folded(text.substr(at + plain), folded_needle.substr(plain))) return at;
    }
    return std::string_view::npos;
  }
  // Letters that fold to an ASCII letter from outside ASCII (the Kelvin sign) take the slow way.
  const bool ascii = first.code_point < 0x80;
  const char lower = static_cast<char>(first.code_point);
  const char upper = static_cast<char>(to_upper(first.code_point));
  for (size_t at = 0; at < text.size();) {
    const auto byte = static_cast<unsigned char>(text[at]);
    if (byte < 0x80) {
      const bool candidate = ascii && (text[at] == lower || text[at] == upper);
      if (candidate && starts_folded(text.substr(at), folded_needle)) return at;
      ++at;
      continue;
    }
    if (ascii && (byte != 0xE2 && byte != 0xC4)) {  // neither U+212A nor U+0130 begins so
      ++at;
      continue;
    }
    if (starts_folded(text.substr(at), folded_needle)) return at;
    at += static_cast<size_t>(decode_utf8(text.substr(at)).length);
  }
  return std::string_view::npos;
}

std::string snippet_around(std::string_view text, size_t at, size_t characters) {
  const auto is_inside = [&](size_t i) {
    return i < text.size() && (static_cast<unsigned char>(text[i]) & 0xC0) == 0x80;
  };
  size_t begin = at;
  for (size_t i = 0; i < characters / 3 && begin > 0; ++i) {
    --begin;
    while (begin > 0 && is_inside(begin)) --begin;
  }
  size_t end = begin;
  for (size_t i = 0; i < characters && end < text.size(); ++i) {
    ++end;
    while (is_inside(end)) ++end;
  }
  std::string out = begin > 0 ? "..." : "";
  for (const char c : text.substr(begin, end - begin)) {
    const bool space = c == '\n' || c == '\r' || c == '\t' || c == ' ';
    if (space && (out.empty() || out.back() == ' ')) continue;
    out += space ? ' ' : c;
  }
  return out + (end < text.size() ? "..." : "");
}

}  // namespace jiang
