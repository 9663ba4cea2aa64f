// What Python's str does, on UTF-8 bytes: positions are code points, white space and case are
// Unicode's. Ill-formed bytes count as one character each and pass through unchanged.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "text/jinja/text.h"

namespace jiang::jinja {

bool is_python_space(char32_t code_point);
bool is_python_printable(char32_t code_point);

size_t count_code_points(std::string_view text);
// Byte position of the code point `index` (the end when there are fewer).
size_t byte_offset(std::string_view text, size_t index);

// [begin, end) of what str.strip() leaves; `chars` (code points) instead of white space.
struct ByteSpan {
  size_t begin = 0, end = 0;
};
enum class Side { left, right, both };
ByteSpan strip(std::string_view text, Side side, std::optional<std::string_view> chars = {});

// str.split() and str.rsplit(): `separator` is not empty; without one, runs of white space.
// maxsplit < 0: no limit.
std::vector<ByteSpan> split(std::string_view text, std::optional<std::string_view> separator,
                            int64_t maxsplit);
std::vector<ByteSpan> rsplit(std::string_view text, std::optional<std::string_view> separator,
                             int64_t maxsplit);
std::vector<ByteSpan> split_lines(std::string_view text, bool keep_ends);

enum class CaseMap { upper, lower, capitalize, title, swap, fold };
Text map_case(const Text& text, CaseMap map);

enum class CharTest {
  alpha,
  digit,
  decimal,
  alnum,
  space,
  upper,
  lower,
  title,
  ascii,
  printable,
  identifier
};
bool test_all(std::string_view text, CharTest test);

std::string html_escape(std::string_view text);
// Python's repr() of a float.
std::string format_real(double value);

}  // namespace jiang::jinja
