#include "text/jinja/lexer.h"

#include <algorithm>
#include <array>

#include "base/unicode.h"
#include "text/jinja/python_text.h"

namespace jiang::jinja {
namespace {

std::string normalize_newlines(std::string_view source) {
  std::string out;
  out.reserve(source.size());
  for (size_t i = 0; i < source.size(); ++i) {
    if (source[i] != '\r') {
      out.push_back(source[i]);
      continue;
    }
    out.push_back('\n');
    if (i + 1 < source.size() && source[i + 1] == '\n') ++i;
  }
  if (!out.empty() && out.back() == '\n') out.pop_back();
  return out;
}

bool is_digit(char c) { return c >= '0' && c <= '9'; }

// Longest first, so that "**" is not two "*".
constexpr std::array<std::string_view, 26> kOperators = {
    "//", "**", "==", "!=", ">=", "<=", "+", "-", "/", "*", "%", "~", "[",
    "]",  "(",  ")",  "{",  "}",  ">",  "<", "=", ".", ":", "|", ",", ";"};

class Lexer {
 public:
  explicit Lexer(std::string_view source) : source_(source) {}

  Result<std::vector<Token>> run() {
    while (position_ < source_.size()) TRY_STATUS(lex_root());
    add(TokenKind::end, "");
    return std::move(tokens_);
  }

 private:
  bool at(std::string_view text) const { return source_.substr(position_).starts_with(text); }

  void add(TokenKind kind, std::string text) { tokens_.push_back({kind, line_, std::move(text)}); }

  void skip(size_t bytes) {
    const std::string_view skipped = source_.substr(position_, bytes);
    line_ += static_cast<int>(std::count(skipped.begin(), skipped.end(), '\n'));
    if (!skipped.empty()) line_starting_ = skipped.back() == '\n';
    position_ += skipped.size();
  }

  size_t spaces_at(size_t position) const {
    return strip(source_.substr(position), Side::left).begin;
  }

  // Text up to the next tag, then the tag.
  Status lex_root() {
    size_t tag = position_;
    while (true) {
      tag = source_.find('{', tag);
      if (tag == std::string_view::npos || tag + 1 >= source_.size()) {
        add(TokenKind::data, std::string(source_.substr(position_)));
        skip(source_.size() - position_);
        return ok();
      }
      const char c = source_[tag + 1];
      if (c == '%' || c == '{' || c == '#') break;
      ++tag;
    }
    const char type = source_[tag + 1];
    const char sign = tag + 2 < source_.size() ? source_[tag + 2] : '\0';
    add_data(tag, type, sign);
    skip(2 + (sign == '-' || sign == '+' ? 1 : 0));
    line_starting_ = false;
    if (type == '#') return lex_comment();
    if (type == '{') return lex_tag(TokenKind::variable_begin, "}}");
    if (const size_t raw = raw_begin_length()) return lex_raw(raw);
    return lex_tag(TokenKind::block_begin, "%}");
  }

  // The text before a tag at `tag`, stripped as the tag's sign says.
  void add_data(size_t tag, char type, char sign) {
    const std::string_view text = source_.substr(position_, tag - position_);
    size_t kept = text.size();
    if (sign == '-') {
      kept = strip(text, Side::right).end;
    } else if (sign != '+' && type != '{') {
      const size_t newline = text.rfind('\n');
      const size_t line_begin = newline == std::string_view::npos ? 0 : newline + 1;
      const bool is_line_begin = line_begin > 0 || line_starting_;
      if (is_line_begin &&
          strip(text.substr(line_begin), Side::left).begin == text.size() - line_begin) {
        kept = line_begin;
      }
    }
    if (kept > 0) add(TokenKind::data, std::string(text.substr(0, kept)));
    skip(text.size());
  }

  Status lex_comment() {
    const size_t end = source_.find("#}", position_);
    if (end == std::string_view::npos) return fail_at(line_, "missing end of comment tag");
    const char sign = end > position_ ? source_[end - 1] : '\0';
    skip(end - position_);
    skip_tag_end(sign, /*trim_newline=*/true);
    return ok();
  }

  // After "-", all white space goes; otherwise, if asked for, one newline, which "+" keeps.
  void skip_tag_end(char sign, bool trim_newline) {
    const size_t after = position_ + 2;
    if (sign == '-') {
      skip(2 + spaces_at(after));
    } else {
      skip(trim_newline && sign != '+' && after < source_.size() && source_[after] == '\n' ? 3 : 2);
    }
  }

  // At what follows "{%" and its sign: the length of "raw %}", or 0.
  size_t raw_begin_length() const {
    size_t i = position_ + spaces_at(position_);
    if (!source_.substr(i).starts_with("raw")) return 0;
    i += 3;
    i += spaces_at(i);
    if (source_.substr(i).starts_with("-%}")) return i + 3 + spaces_at(i + 3) - position_;
    if (source_.substr(i).starts_with("%}")) return i + 2 - position_;
    return 0;
  }

  Status lex_raw(size_t begin_length) {
    const int line = line_;
    skip(begin_length);
    for (size_t tag = position_; (tag = source_.find("{%", tag)) != std::string_view::npos; ++tag) {
      size_t i = tag + 2;
      const char sign = i < source_.size() ? source_[i] : '\0';
      if (sign == '-' || sign == '+') ++i;
      i += spaces_at(i);
      if (!source_.substr(i).starts_with("endraw")) continue;
      i += 6;
      i += spaces_at(i);
      const char end_sign = i < source_.size() ? source_[i] : '\0';
      if (end_sign == '-' || end_sign == '+') ++i;
      if (!source_.substr(i).starts_with("%}")) continue;
      add_data(tag, '%', sign);
      skip(i - position_);
      skip_tag_end(end_sign, /*trim_newline=*/true);
      return ok();
    }
    return fail_at(line, "missing end of raw directive");
  }

  Status lex_tag(TokenKind begin, std::string_view end) {
    const int begin_line = line_;
    const bool is_block = begin == TokenKind::block_begin;
    add(begin, "");
    std::string open;  // brackets not yet closed: "}}" ends a dict inside of them, not the tag
    while (position_ < source_.size()) {
      if (open.empty()) {
        const char sign = source_[position_];
        const bool signed_end = (sign == '-' || (sign == '+' && is_block)) &&
                                source_.substr(position_ + 1).starts_with(end);
        if (signed_end || at(end)) {
          add(is_block ? TokenKind::block_end : TokenKind::variable_end, "");
          if (signed_end) ++position_;
          skip_tag_end(signed_end ? sign : '\0', is_block);
          return ok();
        }
      }
      if (const size_t spaces = spaces_at(position_)) {
        skip(spaces);
        continue;
      }
      TRY_STATUS(lex_expression_token(open));
    }
    return fail_at(begin_line, "this tag is never closed with {}", end);
  }

  Status lex_expression_token(std::string& open) {
    const char c = source_[position_];
    if (is_digit(c)) return lex_number();
    if (c == '\'' || c == '"') return lex_string(c);
    if (const size_t length = name_length()) {
      add(TokenKind::name, std::string(source_.substr(position_, length)));
      skip(length);
      return ok();
    }
    for (const std::string_view op : kOperators) {
      if (at(op)) return lex_operator(op, open);
    }
    return fail_at(line_, "unexpected character '{}'",
                   source_.substr(position_, static_cast<size_t>(
                                                 decode_utf8(source_.substr(position_)).length)));
  }

  Status lex_operator(std::string_view op, std::string& open) {
    if (op == "(") open.push_back(')');
    if (op == "[") open.push_back(']');
    if (op == "{") open.push_back('}');
    if (op == ")" || op == "]" || op == "}") {
      if (open.empty()) return fail_at(line_, "unexpected '{}'", op);
      if (open.back() != op[0]) {
        return fail_at(line_, "unexpected '{}', expected '{}'", op, open.back());
      }
      open.pop_back();
    }
    add(TokenKind::op, std::string(op));
    skip(op.size());
    return ok();
  }

  size_t name_length() const {
    size_t i = position_;
    while (i < source_.size()) {
      const DecodedCodePoint decoded = decode_utf8(source_.substr(i));
      const char32_t c = decoded.code_point;
      const bool letter = c == '_' || is_letter(c);
      if (!letter && !(i > position_ && (is_number(c) || is_mark(c)))) break;
      i += static_cast<size_t>(decoded.length);
    }
    return i - position_;
  }

  // Digits with single underscores between them.
  size_t digits_at(size_t i) const {
    const size_t begin = i;
    while (i < source_.size() &&
           (is_digit(source_[i]) || (source_[i] == '_' && i > begin && i + 1 < source_.size() &&
                                     is_digit(source_[i + 1])))) {
      ++i;
    }
    return i - begin;
  }

  Status lex_number() {
    const bool after_dot = position_ > 0 && source_[position_ - 1] == '.';
    const size_t whole = digits_at(position_);
    size_t end = position_ + whole;
    bool real = false;
    if (!after_dot) {  // x.0.1 is two subscripts
      size_t i = end;
      if (i + 1 < source_.size() && source_[i] == '.' && is_digit(source_[i + 1])) {
        i += 1 + digits_at(i + 1);
        real = true;
      }
      if (i < source_.size() && (source_[i] | 0x20) == 'e') {
        size_t digits = i + 1;
        if (digits < source_.size() && (source_[digits] == '+' || source_[digits] == '-')) ++digits;
        if (const size_t count = digits_at(digits)) {
          i = digits + count;
          real = true;
        }
      }
      if (real) end = i;
    }
    if (!real && source_[position_] == '0') {
      end = position_ + radix_integer_length();
    }
    std::string text(source_.substr(position_, end - position_));
    text.erase(std::remove(text.begin(), text.end(), '_'), text.end());
    add(real ? TokenKind::real : TokenKind::integer, std::move(text));
    skip(end - position_);
    return ok();
  }

  // 0x1f, 0o17, 0b11, or a run of zeros.
  size_t radix_integer_length() const {
    size_t i = position_ + 1;
    const char type = i < source_.size() ? static_cast<char>(source_[i] | 0x20) : '\0';
    const std::string_view digits = type == 'x'   ? "0123456789abcdefABCDEF_"
                                    : type == 'o' ? "01234567_"
                                    : type == 'b' ? "01_"
                                                  : "";
    if (!digits.empty()) {
      const size_t end = std::min(source_.find_first_not_of(digits, i + 1), source_.size());
      if (end > i + 1) return end - position_;
    }
    while (i < source_.size() && (source_[i] == '0' || source_[i] == '_')) ++i;
    while (source_[i - 1] == '_') --i;
    return i - position_;
  }

  Status lex_string(char quote) {
    const int line = line_;
    std::string value;
    size_t i = position_ + 1;
    while (i < source_.size() && source_[i] != quote) {
      if (source_[i] != '\\') {
        value.push_back(source_[i++]);
        continue;
      }
      TRY(const size_t length, unescape(i, value));
      i += length;
    }
    if (i >= source_.size()) return fail_at(line, "this string is never closed with {}", quote);
    tokens_.push_back({TokenKind::string, line, std::move(value)});
    skip(i + 1 - position_);
    return ok();
  }

  // Undoes the escape at `i` and says how many bytes it took. Python's rules: what is no escape
  // keeps its backslash.
  Result<size_t> unescape(size_t i, std::string& out) const {
    const char c = i + 1 < source_.size() ? source_[i + 1] : '\0';
    switch (c) {
      case '\n':
        return size_t{2};
      case '\\':
      case '\'':
      case '"':
        out.push_back(c);
        return size_t{2};
      case 'a':
        out.push_back('\a');
        return size_t{2};
      case 'b':
        out.push_back('\b');
        return size_t{2};
      case 'f':
        out.push_back('\f');
        return size_t{2};
      case 'n':
        out.push_back('\n');
        return size_t{2};
      case 'r':
        out.push_back('\r');
        return size_t{2};
      case 't':
        out.push_back('\t');
        return size_t{2};
      case 'v':
        out.push_back('\v');
        return size_t{2};
      case 'x':
        return unescape_code_point(i, 2, 16, out);
      case 'u':
        return unescape_code_point(i, 4, 16, out);
      case 'U':
        return unescape_code_point(i, 8, 16, out);
      case 'N':
        return fail_at(line_, "\\N{{...}} escapes are not supported");
      default:
        break;
    }
    if (c >= '0' && c <= '7') {
      uint32_t value = 0;
      size_t length = 1;
      while (length < 4 && i + length < source_.size() && source_[i + length] >= '0' &&
             source_[i + length] <= '7') {
        value = value * 8 + static_cast<uint32_t>(source_[i + length++] - '0');
      }
      append_utf8(out, value);
      return length;
    }
    out.push_back('\\');
    return size_t{1};
  }

  Result<size_t> unescape_code_point(size_t i, size_t digits, int base, std::string& out) const {
    const std::string text(source_.substr(i + 2, digits));
    if (text.size() < digits ||
        text.find_first_not_of("0123456789abcdefABCDEF") != std::string::npos) {
      return fail_at(line_, "truncated \\{} escape", source_[i + 1]);
    }
    const unsigned long value = std::stoul(text, nullptr, base);
    if (value > 0x10FFFF || (value >= 0xD800 && value < 0xE000)) {
      return fail_at(line_, "\\{}{} is not a character", source_[i + 1], text);
    }
    append_utf8(out, static_cast<char32_t>(value));
    return 2 + digits;
  }

  std::string_view source_;
  size_t position_ = 0;
  int line_ = 1;
  bool line_starting_ = true;  // the last match ended with a newline
  std::vector<Token> tokens_;
};

}  // namespace

Result<std::vector<Token>> tokenize(std::string_view source) {
  const std::string normalized = normalize_newlines(source);
  return Lexer(normalized).run();
}

}  // namespace jiang::jinja
