#include "text/jinja/python_text.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "base/result.h"
#include "base/unicode.h"

namespace jiang::jinja {
namespace {

bool is_cased(char32_t c) { return is_upper(c) || is_lower(c) || to_lower(c) != to_upper(c); }

// The code point before byte `position`.
char32_t code_point_before(std::string_view text, size_t position) {
  size_t begin = position;
  do {
    --begin;
  } while (begin > 0 && position - begin < 4 && (text[begin] & 0xC0) == 0x80);
  const DecodedCodePoint decoded = decode_utf8(text.substr(begin));
  return begin + static_cast<size_t>(decoded.length) == position ? decoded.code_point
                                                                 : kReplacementCharacter;
}

size_t previous_offset(std::string_view text, size_t position) {
  size_t begin = position;
  do {
    --begin;
  } while (begin > 0 && position - begin < 4 && (text[begin] & 0xC0) == 0x80);
  const DecodedCodePoint decoded = decode_utf8(text.substr(begin));
  return begin + static_cast<size_t>(decoded.length) == position ? begin : position - 1;
}

// Characters whose upper or title case is several (Unicode's SpecialCasing, without conditions).
struct SpecialCase {
  char32_t code_point;
  const char* upper;
  const char* title;
};
constexpr SpecialCase kSpecialCases[] = {
    {0x00DF, "SS", "Ss"},
    {0x0149, "\xCA\xBC\x4E", "\xCA\xBC\x4E"},
    {0x01F0, "J\xCC\x8C", "J\xCC\x8C"},
    {0x0587, "\xD4\xB5\xD5\x92", "\xD4\xB5\xD6\x82"},
    {0x1E96, "H\xCC\xB1", "H\xCC\xB1"},
    {0x1E97, "T\xCC\x88", "T\xCC\x88"},
    {0x1E98, "W\xCC\x8A", "W\xCC\x8A"},
    {0x1E99, "Y\xCC\x8A", "Y\xCC\x8A"},
    {0x1E9A, "A\xCA\xBE", "A\xCA\xBE"},
    {0xFB00, "FF", "Ff"},
    {0xFB01, "FI", "Fi"},
    {0xFB02, "FL", "Fl"},
    {0xFB03, "FFI", "Ffi"},
    {0xFB04, "FFL", "Ffl"},
    {0xFB05, "ST", "St"},
    {0xFB06, "ST", "St"},
};

void append_upper(std::string& out, char32_t c, bool title) {
  if (c < 0x80) {
    out.push_back(static_cast<char>(c >= 'a' && c <= 'z' ? c - 32 : c));
    return;
  }
  for (const SpecialCase& special : kSpecialCases) {
    if (special.code_point == c) {
      out += title ? special.title : special.upper;
      return;
    }
  }
  append_utf8(out, to_upper(c));
}

// Greek sigma has another form at the end of a word.
bool is_final_sigma(std::string_view text, size_t begin, size_t end) {
  const bool after_letter = begin > 0 && is_cased(code_point_before(text, begin));
  const bool before_letter =
      end < text.size() && is_cased(decode_utf8(text.substr(end)).code_point);
  return after_letter && !before_letter;
}

void append_lower(std::string& out, char32_t c, std::string_view text, size_t begin, size_t end) {
  if (c < 0x80) {
    out.push_back(static_cast<char>(c >= 'A' && c <= 'Z' ? c + 32 : c));
  } else if (c == 0x03A3) {
    append_utf8(out, is_final_sigma(text, begin, end) ? 0x03C2 : 0x03C3);
  } else if (c == 0x0130) {
    out += "i\xCC\x87";
  } else {
    append_utf8(out, to_lower(c));
  }
}

}  // namespace

bool is_python_space(char32_t c) {
  if (c < 0x80) return c == ' ' || (c >= 0x09 && c <= 0x0D) || (c >= 0x1C && c <= 0x1F);
  return is_whitespace(c);
}

bool is_python_printable(char32_t c) {
  if (c < 0x80) return c >= 0x20 && c < 0x7F;
  return !is_control(c) && !is_whitespace(c);
}

size_t count_code_points(std::string_view text) {
  size_t count = 0;
  for (size_t i = 0; i < text.size(); ++count) {
    i += static_cast<unsigned char>(text[i]) < 0x80
             ? 1
             : static_cast<size_t>(decode_utf8(text.substr(i)).length);
  }
  return count;
}

size_t byte_offset(std::string_view text, size_t index) {
  size_t i = 0;
  for (; index > 0 && i < text.size(); --index) {
    i += static_cast<unsigned char>(text[i]) < 0x80
             ? 1
             : static_cast<size_t>(decode_utf8(text.substr(i)).length);
  }
  return i;
}

ByteSpan strip(std::string_view text, Side side, std::optional<std::string_view> chars) {
  std::vector<char32_t> set;
  for (size_t i = 0; chars && i < chars->size();) {
    const DecodedCodePoint decoded = decode_utf8(chars->substr(i));
    set.push_back(decoded.code_point);
    i += static_cast<size_t>(decoded.length);
  }
  const auto stripped = [&](char32_t c) {
    return chars ? std::find(set.begin(), set.end(), c) != set.end() : is_python_space(c);
  };
  ByteSpan span{0, text.size()};
  while (side != Side::right && span.begin < span.end) {
    const DecodedCodePoint decoded = decode_utf8(text.substr(span.begin));
    if (!stripped(decoded.code_point)) break;
    span.begin += static_cast<size_t>(decoded.length);
  }
  while (side != Side::left && span.begin < span.end) {
    if (!stripped(code_point_before(text, span.end))) break;
    span.end = previous_offset(text, span.end);
  }
  return span;
}

namespace {

std::vector<ByteSpan> split_spaces(std::string_view text, int64_t maxsplit) {
  std::vector<ByteSpan> parts;
  size_t i = 0;
  while (true) {
    i += strip(text.substr(i), Side::left).begin;
    if (i == text.size()) return parts;
    if (maxsplit >= 0 && static_cast<int64_t>(parts.size()) == maxsplit) {
      parts.push_back({i, text.size()});  // str.split keeps what trails the last part
      return parts;
    }
    const size_t begin = i;
    while (i < text.size()) {
      const DecodedCodePoint decoded = decode_utf8(text.substr(i));
      if (is_python_space(decoded.code_point)) break;
      i += static_cast<size_t>(decoded.length);
    }
    parts.push_back({begin, i});
  }
}

std::vector<ByteSpan> rsplit_spaces(std::string_view text, int64_t maxsplit) {
  std::vector<ByteSpan> parts;
  size_t end = text.size();
  while (true) {
    end = strip(text.substr(0, end), Side::right).end;
    if (end == 0) break;
    if (maxsplit >= 0 && static_cast<int64_t>(parts.size()) == maxsplit) {
      parts.push_back({0, end});
      break;
    }
    size_t begin = end;
    while (begin > 0 && !is_python_space(code_point_before(text, begin))) {
      begin = previous_offset(text, begin);
    }
    parts.push_back({begin, end});
    end = begin;
  }
  std::reverse(parts.begin(), parts.end());
  return parts;
}

}  // namespace

std::vector<ByteSpan> split(std::string_view text, std::optional<std::string_view> separator,
                            int64_t maxsplit) {
  if (!separator) return split_spaces(text, maxsplit);
  std::vector<ByteSpan> parts;
  size_t begin = 0;
  while (maxsplit < 0 || static_cast<int64_t>(parts.size()) < maxsplit) {
    const size_t found = text.find(*separator, begin);
    if (found == std::string_view::npos) break;
    parts.push_back({begin, found});
    begin = found + separator->size();
  }
  parts.push_back({begin, text.size()});
  return parts;
}

std::vector<ByteSpan> rsplit(std::string_view text, std::optional<std::string_view> separator,
                             int64_t maxsplit) {
  if (!separator) return rsplit_spaces(text, maxsplit);
  std::vector<ByteSpan> parts;
  size_t end = text.size();
  while (end >= separator->size() &&
         (maxsplit < 0 || static_cast<int64_t>(parts.size()) < maxsplit)) {
    const size_t found = text.rfind(*separator, end - separator->size());
    if (found == std::string_view::npos) break;
    parts.push_back({found + separator->size(), end});
    end = found;
  }
  parts.push_back({0, end});
  std::reverse(parts.begin(), parts.end());
  return parts;
}

std::vector<ByteSpan> split_lines(std::string_view text, bool keep_ends) {
  std::vector<ByteSpan> lines;
  size_t begin = 0;
  for (size_t i = 0; i < text.size();) {
    const DecodedCodePoint decoded = decode_utf8(text.substr(i));
    const char32_t c = decoded.code_point;
    size_t end = i + static_cast<size_t>(decoded.length);
    const bool is_break = (c >= 0x0A && c <= 0x0D) || (c >= 0x1C && c <= 0x1E) || c == 0x85 ||
                          c == 0x2028 || c == 0x2029;
    if (is_break) {
      if (c == '\r' && end < text.size() && text[end] == '\n') ++end;
      lines.push_back({begin, keep_ends ? end : i});
      begin = end;
    }
    i = end;
  }
  if (begin < text.size()) lines.push_back({begin, text.size()});
  return lines;
}

Text map_case(const Text& text, CaseMap map) {
  Text out;
  const std::string_view bytes = text.bytes();
  size_t position = 0;
  bool after_cased = false;
  text.for_each_run([&](std::string_view run, Origin origin) {
    std::string mapped;
    mapped.reserve(run.size());
    const size_t run_end = position + run.size();
    while (position < run_end) {
      const DecodedCodePoint decoded = decode_utf8(bytes.substr(position));
      const char32_t c = decoded.code_point;
      const size_t begin = position;
      position += static_cast<size_t>(decoded.length);
      if (!decoded.valid) {
        mapped.append(bytes.substr(begin, position - begin));
        continue;
      }
      const bool to_title =
          (map == CaseMap::capitalize && begin == 0) || (map == CaseMap::title && !after_cased);
      if (map == CaseMap::title) after_cased = is_cased(c);
      if (map == CaseMap::upper || to_title || (map == CaseMap::swap && is_lower(c))) {
        append_upper(mapped, c, to_title);
      } else if (map == CaseMap::swap && !is_upper(c)) {
        append_utf8(mapped, c);
      } else if (map == CaseMap::fold && c == 0x00DF) {
        mapped += "ss";
      } else {
        append_lower(mapped, c, bytes, begin, position);
      }
    }
    out.append(mapped, origin);
  });
  return out;
}

bool test_all(std::string_view text, CharTest test) {
  if (test == CharTest::ascii) {
    return std::all_of(text.begin(), text.end(), [](char c) { return (c & 0x80) == 0; });
  }
  if (text.empty()) return test == CharTest::printable;
  bool any_cased = false;
  bool after_cased = false;
  for (size_t i = 0; i < text.size();) {
    const DecodedCodePoint decoded = decode_utf8(text.substr(i));
    const char32_t c = decoded.code_point;
    const bool first = i == 0;
    i += static_cast<size_t>(decoded.length);
    bool good = true;
    switch (test) {
      case CharTest::alpha:
        good = is_letter(c);
        break;
      case CharTest::digit:
      case CharTest::decimal:
        good = c < 0x80 ? c >= '0' && c <= '9' : is_number(c);
        break;
      case CharTest::alnum:
        good = is_letter(c) || is_number(c);
        break;
      case CharTest::space:
        good = is_python_space(c);
        break;
      case CharTest::printable:
        good = c == ' ' || is_python_printable(c);
        break;
      case CharTest::identifier:
        good = c == '_' || is_letter(c) || (!first && (is_number(c) || is_mark(c)));
        break;
      case CharTest::upper:
        good = !is_lower(c);
        any_cased = any_cased || is_upper(c);
        break;
      case CharTest::lower:
        good = !is_upper(c);
        any_cased = any_cased || is_lower(c);
        break;
      case CharTest::title:
        good = is_upper(c) ? !after_cased : is_lower(c) ? after_cased : true;
        after_cased = is_cased(c);
        any_cased = any_cased || after_cased;
        break;
      case CharTest::ascii:
        break;
    }
    if (!good) return false;
  }
  const bool about_case =
      test == CharTest::upper || test == CharTest::lower || test == CharTest::title;
  return !about_case || any_cased;
}

std::string html_escape(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (const char c : text) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '\'':
        out += "&#39;";
        break;
      case '"':
        out += "&#34;";
        break;
      default:
        out.push_back(c);
    }
  }
  return out;
}

std::string format_real(double value) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value > 0 ? "inf" : "-inf";
  // The shortest digits that read back as the same double: [-]d[.ddd]e[+-]xx.
  char buffer[40];
  const auto end =
      std::to_chars(buffer, buffer + sizeof(buffer), value, std::chars_format::scientific).ptr;
  const std::string_view text(buffer, static_cast<size_t>(end - buffer));
  const size_t e = text.find('e');
  const bool negative = text[0] == '-';
  std::string digits;
  for (const char c : text.substr(0, e)) {
    if (c >= '0' && c <= '9') digits.push_back(c);
  }
  int exponent = 0;
  std::string_view exponent_text = text.substr(e + 1);
  if (exponent_text[0] == '+') exponent_text.remove_prefix(1);
  std::from_chars(exponent_text.data(), exponent_text.data() + exponent_text.size(), exponent);

  std::string out = negative ? "-" : "";
  const int count = static_cast<int>(digits.size());
  if (exponent < -4 || exponent >= 16) {
    out += digits[0];
    if (count > 1) out += "." + digits.substr(1);
    return out + fmt::format("e{}{:02d}", exponent < 0 ? '-' : '+', std::abs(exponent));
  }
  if (exponent < 0)
    return out + "0." + std::string(static_cast<size_t>(-exponent - 1), '0') + digits;
  if (count <= exponent + 1) {
    return out + digits + std::string(static_cast<size_t>(exponent + 1 - count), '0') + ".0";
  }
  return out + digits.substr(0, static_cast<size_t>(exponent) + 1) + "." +
         digits.substr(static_cast<size_t>(exponent) + 1);
}

}  // namespace jiang::jinja
