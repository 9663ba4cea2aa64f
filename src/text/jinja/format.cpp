// "%s" % x, and str.format with its format specifications.
#include "text/jinja/format.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdio>

#include "base/unicode.h"
#include "text/jinja/operators.h"
#include "text/jinja/python_text.h"
#include "text/jinja/python_value.h"

namespace jiang::jinja {
namespace {

constexpr int64_t kMaxWidth = 100'000;
constexpr int64_t kMaxPrecision = 400;  // of numbers

// The parts of a format specification, [[fill]align][sign][#][0][width][,][.precision][type],
// which also hold what "%-05.2f" says.
struct Spec {
  std::string fill = " ";
  char align = '\0';  // < > ^ =
  char sign = '-';
  bool alternate = false;
  char group = '\0';  // , or _
  int64_t width = 0;
  int64_t precision = -1;
  char type = '\0';
};

Error bad_format(std::string_view what) {
  return fail(ErrorKind::invalid_argument, "format string: {}", what);
}

Error too_wide() {
  return fail(ErrorKind::too_large, "format string: a width or precision is too large");
}

Status append_padded(Budget& budget, Text& out, const Text& text, const Spec& spec,
                     char default_align) {
  const auto size = static_cast<int64_t>(count_code_points(text.bytes()));
  const int64_t missing = std::max<int64_t>(spec.width - size, 0);
  const char align = spec.align ? spec.align : default_align;
  const int64_t before = align == '<' ? 0 : align == '^' ? missing / 2 : missing;
  const auto pad = [&](int64_t count) {
    std::string padding;
    for (int64_t i = 0; i < count; ++i) padding += spec.fill;
    return budget.append(out, padding, Origin::from_template);
  };
  TRY_STATUS(pad(before));
  TRY_STATUS(budget.append(out, text));
  return pad(missing - before);
}

std::string group_digits(std::string digits, char separator, size_t every) {
  for (size_t i = digits.size(); i > every;) {
    i -= every;
    digits.insert(i, 1, separator);
  }
  return digits;
}

std::string integer_digits(uint64_t value, int base, bool upper) {
  char buffer[72];
  const auto end = std::to_chars(buffer, buffer + sizeof(buffer), value, base).ptr;
  std::string digits(buffer, end);
  if (upper) {
    for (char& c : digits) c = static_cast<char>(c >= 'a' ? c - 32 : c);
  }
  return digits;
}

std::string real_digits(double value, char type, int64_t precision, bool alternate) {
  if (std::isnan(value)) return type >= 'A' && type <= 'Z' ? "NAN" : "nan";
  if (std::isinf(value)) return type >= 'A' && type <= 'Z' ? "INF" : "inf";
  const int digits = static_cast<int>(precision < 0 ? 6 : precision);
  const std::string pattern = std::string(alternate ? "%#.*" : "%.*") + type;
  char buffer[800];  // 309 digits of the largest double, and kMaxPrecision more
  const int length = std::snprintf(buffer, sizeof(buffer), pattern.c_str(), digits, value);
  return std::string(buffer, static_cast<size_t>(std::max(length, 0)));
}

struct Number {
  bool negative = false;
  std::string prefix;  // 0x
  std::string digits;
  std::string tail;  // after the digits that are grouped
};

Result<Number> number_text(const Value& value, const Spec& spec) {
  if (spec.precision > kMaxPrecision) return too_wide();
  Number out;
  const char type = spec.type ? spec.type : value.is(Kind::real) ? 'r' : 'd';
  switch (type) {
    case 'd':
    case 'i':
    case 'u':
    case 'n':
    case 'x':
    case 'X':
    case 'o':
    case 'b': {
      if (!value.is_integral()) {
        return fail(ErrorKind::invalid_argument, "format code '{}' needs an integer, not {}", type,
                    type_name(value));
      }
      const int64_t number = value.as_int();
      out.negative = number < 0;
      const uint64_t magnitude = out.negative ? uint64_t{0} - static_cast<uint64_t>(number)
                                              : static_cast<uint64_t>(number);
      const int base = (type | 0x20) == 'x' ? 16 : type == 'o' ? 8 : type == 'b' ? 2 : 10;
      out.digits = integer_digits(magnitude, base, type == 'X');
      if (spec.alternate && base != 10) out.prefix = std::string("0") + type;
      return out;
    }
    case 'e':
    case 'E':
    case 'f':
    case 'F':
    case 'g':
    case 'G':
    case '%': {
      double number = value.as_real();
      if (type == '%') number *= 100;
      out.negative = std::signbit(number) && !std::isnan(number);
      out.digits =
          real_digits(std::fabs(number), type == '%' ? 'f' : type, spec.precision, spec.alternate);
      break;
    }
    case 'r': {
      const double number = value.as_real();
      out.negative = std::signbit(number) && !std::isnan(number);
      if (spec.precision >= 0) {
        out.digits =
            real_digits(std::fabs(number), 'g', std::max<int64_t>(spec.precision, 1), false);
        if (out.digits.find_first_not_of("0123456789") == std::string::npos &&
            static_cast<int64_t>(out.digits.size()) < spec.precision) {
          out.digits += ".0";
        }
      } else {
        out.digits = format_real(std::fabs(number));
      }
      break;
    }
    default:
      return fail(ErrorKind::invalid_argument, "unknown format code '{}' for a number", type);
  }
  const size_t end = std::min(out.digits.find_first_not_of("0123456789"), out.digits.size());
  out.tail = out.digits.substr(end);
  out.digits.resize(end);
  if (type == '%') out.tail += "%";
  return out;
}

Status append_number(Budget& budget, Text& out, const Value& value, const Spec& spec) {
  TRY(Number number, number_text(value, spec));
  if (spec.group) {
    const bool is_binary = std::string_view("xXob").find(spec.type) != std::string_view::npos;
    if (is_binary && spec.group == ',') return bad_format("cannot specify ',' with this type");
    number.digits = group_digits(number.digits, spec.group, is_binary && spec.type ? 4 : 3);
  }
  std::string sign = number.negative ? "-" : spec.sign == '-' ? "" : std::string(1, spec.sign);
  if (spec.align == '=') {  // zeros go between sign and digits
    const size_t length =
        sign.size() + number.prefix.size() + number.digits.size() + number.tail.size();
    std::string padding;
    for (auto i = static_cast<int64_t>(length); i < spec.width; ++i) padding += spec.fill;
    number.digits = padding + number.digits;
  }
  const Text text(sign + number.prefix + number.digits + number.tail, Origin::from_template);
  return append_padded(budget, out, text, spec, '>');
}

Status append_text(Budget& budget, Text& out, const Text& text, const Spec& spec, char align) {
  if (spec.precision < 0) return append_padded(budget, out, text, spec, align);
  const size_t end = byte_offset(text.bytes(), static_cast<size_t>(spec.precision));
  return append_padded(budget, out, text.slice(0, end), spec, align);
}

int64_t take_number(std::string_view text, size_t& i) {
  int64_t number = 0;
  while (i < text.size() && text[i] >= '0' && text[i] <= '9') {
    number = std::min<int64_t>(number * 10 + (text[i++] - '0'), kMaxWidth + 1);
  }
  return number;
}

Result<Spec> parse_spec(std::string_view text) {
  Spec spec;
  size_t i = 0;
  const auto is_align = [](char c) { return c == '<' || c == '>' || c == '^' || c == '='; };
  const size_t first = text.empty() ? 0 : static_cast<size_t>(decode_utf8(text).length);
  if (first != 0 && first < text.size() && is_align(text[first])) {
    spec.fill = text.substr(0, first);
    spec.align = text[first];
    i = first + 1;
  } else if (!text.empty() && is_align(text[0])) {
    spec.align = text[i++];
  }
  if (i < text.size() && (text[i] == '+' || text[i] == '-' || text[i] == ' '))
    spec.sign = text[i++];
  if (i < text.size() && text[i] == '#') {
    spec.alternate = true;
    ++i;
  }
  if (i < text.size() && text[i] == '0') {
    ++i;
    if (!spec.align) {
      spec.fill = "0";
      spec.align = '=';
    }
  }
  spec.width = take_number(text, i);
  if (i < text.size() && (text[i] == ',' || text[i] == '_')) spec.group = text[i++];
  if (i < text.size() && text[i] == '.') {
    ++i;
    if (i >= text.size() || text[i] < '0' || text[i] > '9') {
      return bad_format("a precision is missing");
    }
    spec.precision = take_number(text, i);
  }
  if (i < text.size()) spec.type = text[i++];
  if (i < text.size()) return bad_format("invalid format specification");
  if (spec.width > kMaxWidth || spec.precision > kMaxWidth) return too_wide();
  return spec;
}

}  // namespace

Result<Text> format_value(Budget& budget, const Value& value, std::string_view specification) {
  TRY(const Spec spec, parse_spec(specification));
  Text out;
  if (value.is_number() && !(value.is(Kind::boolean) && specification.empty())) {
    if (spec.type == 's') return bad_format("code 's' needs a string");
    TRY_STATUS(append_number(budget, out, value, spec));
    return out;
  }
  if (!value.is(Kind::string) && !specification.empty()) {
    return fail(ErrorKind::invalid_argument, "unsupported format string passed to {}.__format__",
                type_name(value));
  }
  if (spec.type && spec.type != 's') {
    return fail(ErrorKind::invalid_argument, "unknown format code '{}' for a string", spec.type);
  }
  TRY(const Text text, to_text(budget, value));
  TRY_STATUS(append_text(budget, out, text, spec, '<'));
  return out;
}

namespace {

struct PercentSpec {
  Spec spec;
  std::string_view key;
  bool has_key = false, star_width = false, star_precision = false;
};

Result<PercentSpec> parse_percent(std::string_view format, size_t& i) {
  PercentSpec out;
  if (i < format.size() && format[i] == '(') {
    const size_t end = format.find(')', i);
    if (end == std::string_view::npos) return bad_format("incomplete format key");
    out.key = format.substr(i + 1, end - i - 1);
    out.has_key = true;
    i = end + 1;
  }
  bool left = false, zero = false;
  for (; i < format.size(); ++i) {
    const char c = format[i];
    if (c == '-') {
      left = true;
    } else if (c == '0') {
      zero = true;
    } else if (c == '+' || (c == ' ' && out.spec.sign != '+')) {
      out.spec.sign = c;
    } else if (c == '#') {
      out.spec.alternate = true;
    } else if (c != ' ') {
      break;
    }
  }
  out.spec.align = left ? '<' : zero ? '=' : '>';
  if (zero && !left) out.spec.fill = "0";
  if (i < format.size() && format[i] == '*') {
    out.star_width = true;
    ++i;
  } else {
    out.spec.width = take_number(format, i);
  }
  if (i < format.size() && format[i] == '.') {
    ++i;
    if (i < format.size() && format[i] == '*') {
      out.star_precision = true;
      ++i;
    } else {
      out.spec.precision = take_number(format, i);
    }
  }
  while (i < format.size() && (format[i] == 'l' || format[i] == 'h' || format[i] == 'L')) ++i;
  if (i >= format.size()) return bad_format("incomplete format");
  out.spec.type = format[i++];
  return out;
}

class PercentFormatter {
 public:
  PercentFormatter(Budget& budget, const Value& format, const Value& value)
      : budget_(budget), format_(format), value_(value) {
    is_tuple_ = value.is(Kind::tuple);
  }

  Result<Value> run() {
    const Text& text = format_.text();
    const std::string_view bytes = text.bytes();
    TRY_STATUS(budget_.scan(bytes.size()));
    for (size_t i = 0; i < bytes.size();) {
      const size_t percent = std::min(bytes.find('%', i), bytes.size());
      TRY_STATUS(budget_.append(out_, text.slice(i, percent)));
      if (percent == bytes.size()) break;
      i = percent + 1;
      if (i < bytes.size() && bytes[i] == '%') {
        out_.append("%", text.origin_at(i++));
        continue;
      }
      TRY(PercentSpec spec, parse_percent(bytes, i));
      TRY_STATUS(append(spec));
    }
    const bool is_mapping = value_.is(Kind::dict) || value_.is(Kind::list);
    if (!used_mapping_ && !is_mapping && next_ < (is_tuple_ ? value_.items().size() : 1)) {
      return fail(ErrorKind::invalid_argument,
                  "not all arguments converted during string formatting");
    }
    return budget_.string(std::move(out_), format_.is_markup());
  }

 private:
  Result<Value> take() {
    if (is_tuple_ ? next_ < value_.items().size() : next_ == 0) {
      const size_t i = next_++;
      return is_tuple_ ? value_.items()[i] : value_;
    }
    return fail(ErrorKind::invalid_argument, "not enough arguments for format string");
  }

  Result<int64_t> take_star() {
    TRY(const Value value, take());
    if (!value.is_integral()) return bad_format("* wants an integer");
    return std::clamp<int64_t>(value.as_int(), 0, kMaxWidth);
  }

  Status append(PercentSpec& percent) {
    Spec& spec = percent.spec;
    Value value;
    if (percent.has_key) {
      if (!value_.is(Kind::dict)) {
        return fail(ErrorKind::invalid_argument, "format requires a mapping");
      }
      used_mapping_ = true;
      const Value* found = value_.as<DictObject>().find(percent.key);
      if (!found) return fail(ErrorKind::invalid_argument, "KeyError: '{}'", percent.key);
      value = *found;
    } else {
      if (percent.star_width) {
        TRY(spec.width, take_star());
      }
      if (percent.star_precision) {
        TRY(spec.precision, take_star());
      }
      TRY(value, take());
    }
    if (spec.width > kMaxWidth || spec.precision > kMaxWidth) return too_wide();
    return append(value, spec);
  }

  Status append(const Value& value, Spec& spec) {
    switch (spec.type) {
      case 's':
      case 'r':
      case 'a': {
        if (spec.align == '=') {
          spec.align = '>';
          spec.fill = " ";
        }
        TRY(Text text, spec.type == 's' ? to_text(budget_, value) : to_repr(budget_, value));
        if (format_.is_markup()) {
          TRY(const Value safe, escape(budget_, Value::string(std::move(text), value.is_markup())));
          text = safe.text();
        }
        return append_text(budget_, out_, text, spec, '>');
      }
      case 'c': {
        Text text;
        if (value.is(Kind::string) && count_code_points(value.bytes()) == 1) {
          text = value.text();
        } else if (value.is_integral() && value.as_int() >= 0 && value.as_int() < 0x110000 &&
                   (value.as_int() < 0xD800 || value.as_int() > 0xDFFF)) {
          std::string character;
          append_utf8(character, static_cast<char32_t>(value.as_int()));
          text = Text(std::move(character), Origin::data);
        } else {
          return bad_format("%c requires int or char");
        }
        return append_text(budget_, out_, text, spec, '>');
      }
      default:
        break;
    }
    if (!value.is_number()) {
      return fail(ErrorKind::invalid_argument, "%{} format: a real number is required, not {}",
                  spec.type, type_name(value));
    }
    const bool integral = std::string_view("diuxXo").find(spec.type) != std::string_view::npos;
    if (integral && value.is(Kind::real)) {
      const double number = std::trunc(value.as_real());
      if (!(std::fabs(number) < 9.2e18)) return bad_format("number too large");
      return append_number(budget_, out_, Value::integer(static_cast<int64_t>(number)), spec);
    }
    if (spec.type == '%' || spec.type == 'n' || spec.type == 'b') {
      return bad_format("unsupported format character");
    }
    return append_number(budget_, out_, value, spec);
  }

  Budget& budget_;
  const Value& format_;
  const Value& value_;
  bool is_tuple_ = false;
  bool used_mapping_ = false;
  size_t next_ = 0;
  Text out_;
};

}  // namespace

Result<Value> format_percent(Budget& budget, const Value& format, const Value& value) {
  return PercentFormatter(budget, format, value).run();
}

}  // namespace jiang::jinja
