#include "base/unicode.h"

#include <utf8proc.h>

#include <cstdlib>
#include <new>

namespace jiang {
namespace {

utf8proc_category_t category(char32_t code_point) {
  return utf8proc_category(static_cast<utf8proc_int32_t>(code_point));
}

bool between(utf8proc_category_t value, utf8proc_category_t first, utf8proc_category_t last) {
  return value >= first && value <= last;
}

}  // namespace

DecodedCodePoint decode_utf8(std::string_view text) {
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char lead = byte(0);
  if (lead < 0x80) return {lead, 1, true};
  // Table 3-7 of the Unicode standard: the second byte's range depends on the lead byte.
  int length = 0;
  unsigned char low = 0x80;
  unsigned char high = 0xBF;
  char32_t code_point = 0;
  if (lead >= 0xC2 && lead <= 0xDF) {
    length = 2;
    code_point = lead & 0x1F;
  } else if (lead >= 0xE0 && lead <= 0xEF) {
    length = 3;
    code_point = lead & 0x0F;
    if (lead == 0xE0) low = 0xA0;
    if (lead == 0xED) high = 0x9F;
  } else if (lead >= 0xF0 && lead <= 0xF4) {
    length = 4;
    code_point = lead & 0x07;
    if (lead == 0xF0) low = 0x90;
    if (lead == 0xF4) high = 0x8F;
  } else {
    return {kReplacementCharacter, 1, false};
  }
  for (int i = 1; i < length; ++i) {
    if (static_cast<size_t>(i) >= text.size()) return {kReplacementCharacter, i, false};
    const unsigned char next = byte(static_cast<size_t>(i));
    if (next < low || next > high) return {kReplacementCharacter, i, false};
    code_point = (code_point << 6) | (next & 0x3F);
    low = 0x80;
    high = 0xBF;
  }
  return {code_point, length, true};
}

void append_utf8(std::string& out, char32_t code_point) {
  if (code_point > 0x10FFFF || (code_point >= 0xD800 && code_point <= 0xDFFF))
    code_point = kReplacementCharacter;
  if (code_point < 0x80) {
    out += static_cast<char>(code_point);
  } else if (code_point < 0x800) {
    out += static_cast<char>(0xC0 | (code_point >> 6));
    out += static_cast<char>(0x80 | (code_point & 0x3F));
  } else if (code_point < 0x10000) {
    out += static_cast<char>(0xE0 | (code_point >> 12));
    out += static_cast<char>(0x80 | ((code_point >> 6) & 0x3F));
    out += static_cast<char>(0x80 | (code_point & 0x3F));
  } else {
    out += static_cast<char>(0xF0 | (code_point >> 18));
    out += static_cast<char>(0x80 | ((code_point >> 12) & 0x3F));
    out += static_cast<char>(0x80 | ((code_point >> 6) & 0x3F));
    out += static_cast<char>(0x80 | (code_point & 0x3F));
  }
}

bool is_valid_utf8(std::string_view text) {
  while (!text.empty()) {
    const auto decoded = decode_utf8(text);
    if (!decoded.valid) return false;
    text.remove_prefix(static_cast<size_t>(decoded.length));
  }
  return true;
}

std::string replace_invalid_utf8(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const auto decoded = decode_utf8(text);
    if (decoded.valid) {
      out.append(text.substr(0, static_cast<size_t>(decoded.length)));
    } else {
      append_utf8(out, kReplacementCharacter);
    }
    text.remove_prefix(static_cast<size_t>(decoded.length));
  }
  return out;
}

size_t complete_utf8_prefix(std::string_view text) {
  // Only the last three bytes can begin a character that is cut off.
  const size_t start = text.size() > 3 ? text.size() - 3 : 0;
  for (size_t i = start; i < text.size(); ++i) {
    const auto lead = static_cast<unsigned char>(text[i]);
    if (lead < 0xC2 || lead > 0xF4) continue;
    const size_t wanted = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
    const auto decoded = decode_utf8(text.substr(i));
    const size_t left = text.size() - i;
    if (!decoded.valid && left < wanted && static_cast<size_t>(decoded.length) == left) return i;
  }
  return text.size();
}

std::string normalize(std::string_view text, Normalization form) {
  int options = UTF8PROC_STABLE;
  switch (form) {
    case Normalization::nfc:
      options |= UTF8PROC_COMPOSE;
      break;
    case Normalization::nfd:
      options |= UTF8PROC_DECOMPOSE;
      break;
    case Normalization::nfkc:
      options |= UTF8PROC_COMPOSE | UTF8PROC_COMPAT;
      break;
    case Normalization::nfkd:
      options |= UTF8PROC_DECOMPOSE | UTF8PROC_COMPAT;
      break;
  }
  std::string valid = is_valid_utf8(text) ? std::string(text) : replace_invalid_utf8(text);
  utf8proc_uint8_t* mapped = nullptr;
  const auto length = utf8proc_map(reinterpret_cast<const utf8proc_uint8_t*>(valid.data()),
                                   static_cast<utf8proc_ssize_t>(valid.size()), &mapped,
                                   static_cast<utf8proc_option_t>(options));
  if (length == UTF8PROC_ERROR_NOMEM) throw std::bad_alloc();
  if (length < 0) return valid;  // other errors need invalid input, which was mended above
  std::string out(reinterpret_cast<const char*>(mapped), static_cast<size_t>(length));
  std::free(mapped);
  return out;
}

std::string to_lower(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const auto decoded = decode_utf8(text);
    append_utf8(out, to_lower(decoded.code_point));
    text.remove_prefix(static_cast<size_t>(decoded.length));
  }
  return out;
}

char32_t to_lower(char32_t code_point) {
  return static_cast<char32_t>(utf8proc_tolower(static_cast<utf8proc_int32_t>(code_point)));
}

char32_t to_upper(char32_t code_point) {
  return static_cast<char32_t>(utf8proc_toupper(static_cast<utf8proc_int32_t>(code_point)));
}

bool is_letter(char32_t c) {
  return between(category(c), UTF8PROC_CATEGORY_LU, UTF8PROC_CATEGORY_LO);
}
bool is_mark(char32_t c) {
  return between(category(c), UTF8PROC_CATEGORY_MN, UTF8PROC_CATEGORY_ME);
}
bool is_number(char32_t c) {
  return between(category(c), UTF8PROC_CATEGORY_ND, UTF8PROC_CATEGORY_NO);
}
bool is_punctuation(char32_t c) {
  return between(category(c), UTF8PROC_CATEGORY_PC, UTF8PROC_CATEGORY_PO);
}
bool is_symbol(char32_t c) {
  return between(category(c), UTF8PROC_CATEGORY_SM, UTF8PROC_CATEGORY_SO);
}
bool is_control(char32_t c) {
  const auto value = category(c);
  return value == UTF8PROC_CATEGORY_CN ||
         between(value, UTF8PROC_CATEGORY_CC, UTF8PROC_CATEGORY_CO);
}
bool is_upper(char32_t c) { return category(c) == UTF8PROC_CATEGORY_LU; }
bool is_lower(char32_t c) { return category(c) == UTF8PROC_CATEGORY_LL; }
bool is_title(char32_t c) { return category(c) == UTF8PROC_CATEGORY_LT; }
bool is_decimal_digit(char32_t c) { return category(c) == UTF8PROC_CATEGORY_ND; }
bool is_unassigned(char32_t c) { return category(c) == UTF8PROC_CATEGORY_CN; }
bool is_nonspacing_mark(char32_t c) { return category(c) == UTF8PROC_CATEGORY_MN; }

bool is_whitespace(char32_t c) {
  return (c >= 0x09 && c <= 0x0D) || c == 0x20 || c == 0x85 || c == 0xA0 || c == 0x1680 ||
         (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F || c == 0x205F ||
         c == 0x3000;
}

int display_width(char32_t code_point) {
  if (code_point < 0x20 || code_point == 0x7F) return 0;
  return utf8proc_charwidth(static_cast<utf8proc_int32_t>(code_point));
}

int display_width(std::string_view text) {
  int width = 0;
  while (!text.empty()) {
    // A grapheme (a family emoji, a letter with marks) is as wide as its widest part.
    const size_t length = grapheme_length(text);
    std::string_view grapheme = text.substr(0, length);
    int widest = 0;
    while (!grapheme.empty()) {
      const auto decoded = decode_utf8(grapheme);
      const int part = decoded.code_point == 0xFE0F ? 2 : display_width(decoded.code_point);
      if (part > widest) widest = part;
      grapheme.remove_prefix(static_cast<size_t>(decoded.length));
    }
    width += widest;
    text.remove_prefix(length);
  }
  return width;
}

size_t grapheme_length(std::string_view text) {
  utf8proc_int32_t state = 0;
  auto previous = decode_utf8(text);
  auto length = static_cast<size_t>(previous.length);
  while (length < text.size()) {
    const auto next = decode_utf8(text.substr(length));
    if (utf8proc_grapheme_break_stateful(static_cast<utf8proc_int32_t>(previous.code_point),
                                         static_cast<utf8proc_int32_t>(next.code_point), &state)) {
      break;
    }
    length += static_cast<size_t>(next.length);
    previous = next;
  }
  return length;
}

}  // namespace jiang
