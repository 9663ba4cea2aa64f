#include "text/known_patterns.h"

#include <algorithm>
#include <array>
#include <cstdint>

#include "base/unicode.h"

namespace jiang {
namespace {

// What the patterns ask of a character. A character has one of letter, number, space, mark, or
// none.
enum : uint8_t { kLetter = 1, kNumber = 2, kSpace = 4, kMark = 8, kNewline = 16 };

constexpr std::array<uint8_t, 128> make_ascii_classes() {
  std::array<uint8_t, 128> classes{};
  for (int c = 'a'; c <= 'z'; ++c) classes[static_cast<size_t>(c)] = kLetter;
  for (int c = 'A'; c <= 'Z'; ++c) classes[static_cast<size_t>(c)] = kLetter;
  for (int c = '0'; c <= '9'; ++c) classes[static_cast<size_t>(c)] = kNumber;
  for (const char c : {'\t', '\v', '\f', ' '}) classes[static_cast<size_t>(c)] = kSpace;
  for (const char c : {'\r', '\n'}) classes[static_cast<size_t>(c)] = kSpace | kNewline;
  return classes;
}
constexpr auto kAsciiClasses = make_ascii_classes();

struct Character {
  uint8_t classes = 0;
  uint32_t length = 0;  // 0: the end of the text
  char32_t code_point = 0;
  bool is(uint8_t wanted) const { return (classes & wanted) != 0; }
};

Character character_beyond_ascii(std::string_view text, size_t at) {
  const auto decoded = decode_utf8(text.substr(at));
  Character c{0, static_cast<uint32_t>(decoded.length), decoded.code_point};
  if (is_letter(c.code_point)) {
    c.classes = kLetter;
  } else if (is_number(c.code_point)) {
    c.classes = kNumber;
  } else if (is_mark(c.code_point)) {
    c.classes = kMark;
  } else if (is_whitespace(c.code_point)) {
    c.classes = kSpace;
  }
  return c;
}

inline Character character_at(std::string_view text, size_t at) {
  if (at >= text.size()) return {};
  const auto byte = static_cast<uint8_t>(text[at]);
  if (byte < 0x80) return {kAsciiClasses[byte], 1, byte};
  return character_beyond_ascii(text, at);
}

// The end of the run of characters, from `at`, that have one of `wanted`.
inline size_t skip_while(std::string_view text, size_t at, uint8_t wanted) {
  for (;;) {
    const Character c = character_at(text, at);
    if (c.length == 0 || !c.is(wanted)) return at;
    at += c.length;
  }
}

inline size_t skip_until(std::string_view text, size_t at, uint8_t unwanted) {
  for (;;) {
    const Character c = character_at(text, at);
    if (c.length == 0 || c.is(unwanted)) return at;
    at += c.length;
  }
}

enum class Case { sensitive, insensitive };

// Length of 's 't 're 've 'm 'll 'd at `at`, or 0. Without case, s is also U+017F, the long s.
template <Case kCase>
size_t contraction_length(std::string_view text, size_t at) {
  if (at + 1 >= text.size() || text[at] != '\'') return 0;
  const auto letter = [&](size_t i) {
    if (i >= text.size()) return '\0';
    const char c = text[i];
    return kCase == Case::insensitive && c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c;
  };
  const char first = letter(at + 1);
  if (first == 's' || first == 't' || first == 'm' || first == 'd') return 2;
  const char second = letter(at + 2);
  if ((first == 'r' || first == 'v') && second == 'e') return 3;
  if (first == 'l' && second == 'l') return 3;
  if (kCase == Case::insensitive && text.substr(at + 1, 2) == "\xC5\xBF") return 3;
  return 0;
}

// \s+(?!\S)|\s+ : a run of space leaves its last character to what follows it.
size_t match_space(std::string_view text, size_t at) {
  size_t last = at;
  size_t end = at;
  for (;;) {
    const Character c = character_at(text, end);
    if (c.length == 0) return end;
    if (!c.is(kSpace)) return last > at ? last : end;
    last = end;
    end += c.length;
  }
}

// \s*[\r\n]+|\s+(?!\S)|\s+ : as above, but a run with line ends is cut after its last line end.
size_t match_space_or_lines(std::string_view text, size_t at) {
  size_t last = at;
  size_t end = at;
  size_t after_newline = 0;
  for (;;) {
    const Character c = character_at(text, end);
    if (c.length == 0 || !c.is(kSpace)) {
      if (after_newline > 0) return after_newline;
      if (c.length == 0) return end;
      return last > at ? last : end;
    }
    last = end;
    end += c.length;
    if (c.is(kNewline)) after_newline = end;
  }
}

size_t match_gpt2(std::string_view text, size_t at) {
  if (const size_t length = contraction_length<Case::sensitive>(text, at)) return at + length;
  const size_t start = text[at] == ' ' ? at + 1 : at;
  const Character c = character_at(text, start);
  if (c.length == 0 || c.is(kSpace)) return match_space(text, at);
  if (c.is(kLetter)) return skip_while(text, start + c.length, kLetter);
  if (c.is(kNumber)) return skip_while(text, start + c.length, kNumber);
  return skip_until(text, start + c.length, kSpace | kLetter | kNumber);
}

size_t match_digits(std::string_view text, size_t at, int most) {
  for (int i = 0; i < most; ++i) {
    const Character c = character_at(text, at);
    if (!c.is(kNumber)) break;
    at += c.length;
  }
  return at;
}

// cl100k and its descendants.
template <int kMostDigits, bool kContractions, uint8_t kWord>
size_t match_cl100k(std::string_view text, size_t at) {
  if (kContractions) {
    if (const size_t length = contraction_length<Case::insensitive>(text, at)) return at + length;
  }
  const Character c = character_at(text, at);
  if (c.is(kWord)) return skip_while(text, at + c.length, kWord);
  if (c.is(kNumber)) {
    if (kMostDigits == 0) return skip_while(text, at + c.length, kNumber);
    return match_digits(text, at, kMostDigits);
  }
  // [^\r\n\p{L}\p{N}]?\p{L}+
  if (!c.is(kNewline)) {
    const Character next = character_at(text, at + c.length);
    if (next.is(kWord)) return skip_while(text, at + c.length + next.length, kWord);
  }
  const size_t start = text[at] == ' ' ? at + 1 : at;
  const Character first = character_at(text, start);
  if (first.length > 0 && !first.is(kSpace | kNumber | kWord)) {
    const size_t end = skip_until(text, start + first.length, kSpace | kNumber | kWord);
    return skip_while(text, end, kNewline);
  }
  return match_space_or_lines(text, at);
}

// The two overlapping classes of o200k: upper has Lu Lt Lm Lo M, lower has Ll Lm Lo M.
struct LetterCase {
  bool upper = false;
  bool lower = false;
};

LetterCase letter_case(const Character& c) {
  if (c.is(kMark)) return {true, true};
  if (!c.is(kLetter)) return {};
  if (c.code_point < 0x80) {
    const bool is_capital = c.code_point <= 'Z';
    return {is_capital, !is_capital};
  }
  if (is_upper(c.code_point) || is_title(c.code_point)) return {true, false};
  if (is_lower(c.code_point)) return {false, true};
  return {true, true};
}

size_t skip_lower(std::string_view text, size_t at) {
  for (;;) {
    const Character c = character_at(text, at);
    if (c.length == 0 || !letter_case(c).lower) return at;
    at += c.length;
  }
}

// upper*lower+ from `at`; 0 when it does not match.
size_t match_capitalised(std::string_view text, size_t at) {
  size_t end = at;
  size_t after_both = 0;  // end of the last character of both classes
  for (;;) {
    const Character c = character_at(text, end);
    const LetterCase letter = letter_case(c);
    if (!letter.upper) {
      if (letter.lower) return skip_lower(text, end);
      break;
    }
    end += c.length;
    if (letter.lower) after_both = end;
  }
  // Nothing lower after the capitals: upper* gives back until lower+ has one character.
  return after_both;
}

// upper+lower* from `at`; 0 when it does not match.
size_t match_capitals(std::string_view text, size_t at) {
  size_t end = at;
  for (;;) {
    const Character c = character_at(text, end);
    if (c.length == 0 || !letter_case(c).upper) break;
    end += c.length;
  }
  return end > at ? skip_lower(text, end) : 0;
}

template <int kMostDigits, bool kContractions>
size_t match_o200k(std::string_view text, size_t at) {
  const Character c = character_at(text, at);
  const bool may_prefix = !c.is(kNewline | kLetter | kNumber);
  size_t end = 0;
  if (may_prefix) end = match_capitalised(text, at + c.length);
  if (end == 0) end = match_capitalised(text, at);
  if (end == 0 && may_prefix) end = match_capitals(text, at + c.length);
  if (end == 0) end = match_capitals(text, at);
  if (end > 0) return kContractions ? end + contraction_length<Case::insensitive>(text, end) : end;
  if (c.is(kNumber)) return match_digits(text, at, kMostDigits);
  const size_t start = text[at] == ' ' ? at + 1 : at;
  const Character first = character_at(text, start);
  if (first.length > 0 && !first.is(kSpace | kNumber | kLetter)) {
    end = skip_until(text, start + first.length, kSpace | kNumber | kLetter);
    while (end < text.size() && (text[end] == '\r' || text[end] == '\n' || text[end] == '/')) ++end;
    return end;
  }
  return match_space_or_lines(text, at);
}

struct KnownPattern {
  std::string_view pattern;
  TilingMatcher matcher;
};

constexpr uint8_t kLetterOrMark = kLetter | kMark;
constexpr KnownPattern kPatterns[] = {
    {patterns::kGpt2, match_gpt2},
    {patterns::kLlama3, match_cl100k<3, true, kLetter>},
    {patterns::kQwen2, match_cl100k<1, true, kLetter>},
    {patterns::kQwen35, match_cl100k<1, true, kLetterOrMark>},
    {patterns::kBailing, match_cl100k<1, true, kLetter>},
    {patterns::kUfakzeka, match_cl100k<1, false, kLetter>},
    {patterns::kMiniCpm5, match_cl100k<0, true, kLetter>},
    {patterns::kGpt4o, match_o200k<3, true>},
    {patterns::kTekken, match_o200k<1, false>},
};

}  // namespace

TilingMatcher find_known_pattern(std::string_view pattern) {
  for (const auto& known : kPatterns) {
    if (known.pattern == pattern) return known.matcher;
  }
  return nullptr;
}

}  // namespace jiang
