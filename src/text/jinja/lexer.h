// Cuts a template into tokens, with jinja2's rules for white space: trim_blocks and lstrip_blocks
// are on (as transformers sets them), "-" strips, "+" keeps, one newline at the very end goes.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace jiang::jinja {

enum class TokenKind : uint8_t {
  data,            // template text outside of tags
  block_begin,     // {%
  block_end,       // %}
  variable_begin,  // {{
  variable_end,    // }}
  name,
  string,   // text is the value, escapes undone
  integer,  // text is the digits, without "_"
  real,
  op,  // text is the operator
  end,
};

struct Token {
  TokenKind kind = TokenKind::end;
  int line = 1;
  std::string text;

  bool is(TokenKind wanted) const { return kind == wanted; }
  bool is_op(std::string_view op) const { return kind == TokenKind::op && text == op; }
  bool is_name(std::string_view name) const { return kind == TokenKind::name && text == name; }
};

// An error of the template's text; every message has the line.
template <class... Args>
Error fail_at(int line, fmt::format_string<Args...> format, Args&&... args) {
  return fail(ErrorKind::invalid_argument, "chat template, line {}: {}", line,
              fmt::format(format, std::forward<Args>(args)...));
}

// The last token is `end`.
Result<std::vector<Token>> tokenize(std::string_view source);

}  // namespace jiang::jinja
