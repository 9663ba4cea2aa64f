// UTF-8 and Unicode properties (utf8proc 2.8, Unicode 15). The only includer of <utf8proc.h>.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace jiang {

inline constexpr char32_t kReplacementCharacter = 0xFFFD;

// Decodes one code point at the front of non-empty `text` and says how many bytes it took.
// Ill-formed input (overlong, surrogate, beyond U+10FFFF, cut off) yields U+FFFD over its maximal
// subpart (Unicode 15, section 3.9), always at least one byte; `valid` tells which it was.
struct DecodedCodePoint {
  char32_t code_point;
  int length;
  bool valid;
};
DecodedCodePoint decode_utf8(std::string_view text);
void append_utf8(std::string& out, char32_t code_point);
bool is_valid_utf8(std::string_view text);
std::string replace_invalid_utf8(std::string_view text);
// Length of the longest prefix that does not end inside a (so far well-formed) character.
size_t complete_utf8_prefix(std::string_view text);

enum class Normalization { nfc, nfd, nfkc, nfkd };
std::string normalize(std::string_view text, Normalization form);
std::string to_lower(std::string_view text);
char32_t to_lower(char32_t code_point);
char32_t to_upper(char32_t code_point);

// General category, grouped as tokenizers ask for it.
bool is_letter(char32_t code_point);           // L*
bool is_mark(char32_t code_point);             // M*
bool is_number(char32_t code_point);           // N*
bool is_punctuation(char32_t code_point);      // P*
bool is_symbol(char32_t code_point);           // S*
bool is_control(char32_t code_point);          // Cc Cf Co Cs Cn
bool is_whitespace(char32_t code_point);       // White_Space property
bool is_upper(char32_t code_point);            // Lu
bool is_lower(char32_t code_point);            // Ll
bool is_title(char32_t code_point);            // Lt
bool is_decimal_digit(char32_t code_point);    // Nd
bool is_nonspacing_mark(char32_t code_point);  // Mn
bool is_unassigned(char32_t code_point);       // Cn

// Columns that a terminal gives to the code point: 0, 1 or 2.
int display_width(char32_t code_point);
int display_width(std::string_view text);
// Byte length of the first grapheme cluster of non-empty `text`.
size_t grapheme_length(std::string_view text);

}  // namespace jiang
