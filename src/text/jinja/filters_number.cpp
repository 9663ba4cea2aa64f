// abs, int, float, round, filesizeformat: and how Python reads numbers from text.
#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <cstdlib>

#include "text/jinja/filters.h"
#include "text/jinja/interpreter.h"
#include "text/jinja/operators.h"
#include "text/jinja/python_text.h"
#include "text/jinja/python_value.h"

namespace jiang::jinja {
namespace {

std::string lowered(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = static_cast<char>(c >= 'A' && c <= 'Z' ? c + 32 : c);
  return out;
}

// White space around, "_" between digits.
std::optional<std::string> clean_number(std::string_view text) {
  const ByteSpan span = strip(text, Side::both);
  const std::string raw = lowered(text.substr(span.begin, span.end - span.begin));
  const auto is_digit = [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z'); };
  std::string out;
  for (size_t i = 0; i < raw.size(); ++i) {
    if (raw[i] != '_') {
      out.push_back(raw[i]);
    } else if (i == 0 || i + 1 == raw.size() || !is_digit(raw[i - 1]) || !is_digit(raw[i + 1])) {
      return std::nullopt;
    }
  }
  return out;
}

enum class Parsed { good, bad, overflow };

Parsed parse_integer(std::string_view text, int64_t base, int64_t& value) {
  const auto clean = clean_number(text);
  if (!clean) return Parsed::bad;
  std::string_view digits = *clean;
  const bool negative = digits.starts_with('-');
  if (negative || digits.starts_with('+')) digits.remove_prefix(1);
  for (const auto& [prefix, prefix_base] :
       {std::pair<std::string_view, int64_t>{"0x", 16}, {"0o", 8}, {"0b", 2}}) {
    if (digits.starts_with(prefix) && (base == prefix_base || base == 0)) {
      digits.remove_prefix(2);
      base = prefix_base;
      break;
    }
  }
  if (base == 0) base = 10;
  if (digits.empty() || digits[0] == '-' || digits[0] == '+') return Parsed::bad;
  const std::string signed_digits = (negative ? "-" : "") + std::string(digits);
  const char* end = signed_digits.data() + signed_digits.size();
  const auto parsed = std::from_chars(signed_digits.data(), end, value, static_cast<int>(base));
  if (parsed.ptr != end) return Parsed::bad;
  return parsed.ec == std::errc() ? Parsed::good : Parsed::overflow;
}

std::optional<double> parse_real(std::string_view text) {
  const auto clean = clean_number(text);
  if (!clean || clean->empty()) return std::nullopt;
  std::string_view digits = *clean;
  const bool negative = digits.starts_with('-');
  if (negative || digits.starts_with('+')) digits.remove_prefix(1);
  const double sign = negative ? -1 : 1;
  if (digits == "inf" || digits == "infinity") return sign * INFINITY;
  if (digits == "nan") return NAN;
  if (digits.empty() || digits.find_first_not_of("0123456789.e+-") != std::string_view::npos ||
      digits[0] == '-' || digits[0] == '+' || digits[0] == 'e') {
    return std::nullopt;
  }
  double value = 0;
  const char* end = digits.data() + digits.size();
  const auto parsed = std::from_chars(digits.data(), end, value);
  if (parsed.ptr != end) return std::nullopt;
  if (parsed.ec != std::errc()) value = std::strtod(std::string(digits).c_str(), nullptr);
  return sign * value;
}

Error too_large() {
  return fail(ErrorKind::invalid_argument,
              "integer overflow: the template's integers have 64 bits");
}

Result<Value> truncated(double value) {
  if (!(std::fabs(value) < 9.2233720368547748e18)) {
    if (std::isnan(value)) {
      return fail(ErrorKind::invalid_argument, "cannot convert float NaN to integer");
    }
    return too_large();
  }
  return Value::integer(static_cast<int64_t>(value));
}

Result<Value> int_filter(Interpreter& in, const Value& self, const CallArguments& arguments) {
  TRY(const auto args, bind("int", arguments, {"default", "base"}));
  TRY(const int64_t base, int_argument("int", args[1], 10));
  const Value otherwise = args[0] ? *args[0] : Value::integer(0);
  if (self.is_integral()) return Value::integer(self.as_int());
  if (self.is(Kind::real))
    return std::isnan(self.as_real()) ? otherwise : truncated(self.as_real());
  if (self.is(Kind::undefined)) {
    return fail(ErrorKind::invalid_argument, "{}", self.undefined_message());
  }
  if (!self.is(Kind::string)) return otherwise;
  TRY_STATUS(in.budget().scan(self.bytes().size()));
  int64_t value = 0;
  if (base == 0 || (base >= 2 && base <= 36)) {
    const Parsed parsed = parse_integer(self.bytes(), base, value);
    if (parsed == Parsed::good) return Value::integer(value);
    if (parsed == Parsed::overflow) return too_large();
  }
  // "42.23"|int is 42.
  const auto real = parse_real(self.bytes());
  return real && !std::isnan(*real) ? truncated(*real) : otherwise;
}

Result<Value> float_filter(Interpreter& in, const Value& self, const CallArguments& arguments) {
  TRY(const auto args, bind("float", arguments, {"default"}));
  if (self.is_number()) return Value::real(self.as_real());
  if (self.is(Kind::undefined)) {
    return fail(ErrorKind::invalid_argument, "{}", self.undefined_message());
  }
  if (self.is(Kind::string)) {
    TRY_STATUS(in.budget().scan(self.bytes().size()));
    if (const auto real = parse_real(self.bytes())) return Value::real(*real);
  }
  return args[0] ? *args[0] : Value::real(0);
}

Result<Value> abs_filter(Interpreter& in, const Value& self, const CallArguments& arguments) {
  TRY(const auto none, bind("abs", arguments, {}));
  if (self.is(Kind::real)) return Value::real(std::fabs(self.as_real()));
  if (self.is_integral()) {
    if (self.as_int() >= 0) return Value::integer(self.as_int());
    return apply_binary(in.budget(), BinaryOp::subtract, Value::integer(0), self);
  }
  if (self.is(Kind::undefined)) {
    return fail(ErrorKind::invalid_argument, "{}", self.undefined_message());
  }
  return fail(ErrorKind::invalid_argument, "bad operand type for abs(): '{}'", type_name(self));
}

// Python's round(): to the nearest decimal, halves to even, exact for the double that it is given.
double round_real(double value, int64_t precision) {
  if (!std::isfinite(value) || precision > 330) return value;
  if (precision >= 0) {
    char buffer[700];
    std::snprintf(buffer, sizeof(buffer), "%.*f", static_cast<int>(precision), value);
    return std::strtod(buffer, nullptr);
  }
  if (precision < -330) return std::copysign(0.0, value);
  const double scale = std::pow(10.0, static_cast<double>(-precision));
  return std::nearbyint(value / scale) * scale;
}

Result<Value> round_integer(int64_t value, int64_t precision) {
  if (precision >= 0) return Value::integer(value);
  if (precision < -18) return Value::integer(0);
  int64_t scale = 1;
  for (int64_t i = 0; i > precision; --i) scale *= 10;
  const int64_t rest = value % scale;
  int64_t rounded = value - rest;
  const int64_t doubled = std::abs(rest) - (scale - std::abs(rest));
  const bool odd = (rounded / scale) % 2 != 0;
  if (doubled > 0 || (doubled == 0 && odd)) {
    if (__builtin_add_overflow(rounded, rest < 0 ? -scale : scale, &rounded)) return too_large();
  }
  return Value::integer(rounded);
}

Result<Value> round_filter(Interpreter&, const Value& self, const CallArguments& arguments) {
  TRY(const auto args, bind("round", arguments, {"precision", "method"}));
  TRY(const int64_t precision, int_argument("round", args[0], 0));
  const std::string_view method =
      args[1] && args[1]->is(Kind::string) ? std::string_view(args[1]->bytes()) : "common";
  if ((args[1] && !args[1]->is(Kind::string)) ||
      (method != "common" && method != "ceil" && method != "floor")) {
    return fail(ErrorKind::invalid_argument, "round: method must be common, ceil or floor");
  }
  if (!self.is_number()) {
    return fail(ErrorKind::invalid_argument, "round: expected a number, not {}", type_name(self));
  }
  if (method == "common") {
    if (self.is_integral()) return round_integer(self.as_int(), precision);
    return Value::real(round_real(self.as_real(), precision));
  }
  const double scale = std::pow(10.0, static_cast<double>(precision));
  const double scaled = self.as_real() * scale;
  if (!std::isfinite(scaled)) return too_large();
  return Value::real((method == "ceil" ? std::ceil(scaled) : std::floor(scaled)) / scale);
}

Result<Value> filesizeformat(Interpreter&, const Value& self, const CallArguments& arguments) {
  TRY(const auto args, bind("filesizeformat", arguments, {"binary"}));
  std::optional<double> bytes;
  if (self.is_number()) bytes = self.as_real();
  if (self.is(Kind::string)) bytes = parse_real(self.bytes());
  if (!bytes || !std::isfinite(*bytes)) {
    return fail(ErrorKind::invalid_argument, "filesizeformat: expected a number");
  }
  const bool binary = bool_argument(args[0], false);
  const double base = binary ? 1024 : 1000;
  const auto text = [](const std::string& s) { return Value::string(s, Origin::from_template); };
  if (*bytes == 1) return text("1 Byte");
  if (*bytes < base) return text(fmt::format("{:.0f} Bytes", std::trunc(*bytes)));
  constexpr std::string_view kPrefixes = "kMGTPEZY";
  double unit = base;
  for (size_t i = 0; i < kPrefixes.size(); ++i) {
    unit *= base;
    if (*bytes < unit || i + 1 == kPrefixes.size()) {
      const char prefix = binary && i == 0 ? 'K' : kPrefixes[i];
      return text(fmt::format("{:.1f} {}{}B", base * *bytes / unit, prefix, binary ? "i" : ""));
    }
  }
  return text("");
}

constexpr FilterRow kNumberFilters[] = {
    {"abs", abs_filter},     {"filesizeformat", filesizeformat},
    {"float", float_filter}, {"int", int_filter},
    {"round", round_filter},
};

}  // namespace

std::span<const FilterRow> number_filters() { return kNumberFilters; }

}  // namespace jiang::jinja
