#include "text/jinja/operators.h"

#include <algorithm>
#include <cmath>

#include "text/jinja/python_text.h"
#include "text/jinja/python_value.h"

namespace jiang::jinja {
namespace {

const char* op_text(BinaryOp op) {
  constexpr const char* names[] = {"+", "-", "*", "/", "//", "%", "** or pow()"};
  return names[static_cast<size_t>(op)];
}

Error overflow() {
  return fail(ErrorKind::invalid_argument,
              "integer overflow: the template's integers have 64 bits");
}

Error zero_division(const char* what) {
  return fail(ErrorKind::invalid_argument, "{} by zero", what);
}

int64_t floor_divide(int64_t a, int64_t b) {
  const int64_t quotient = a / b;
  return (a % b != 0 && (a < 0) != (b < 0)) ? quotient - 1 : quotient;
}

double python_modulo(double a, double b) {
  const double rest = std::fmod(a, b);
  return rest != 0 && (rest < 0) != (b < 0) ? rest + b : rest == 0 ? std::copysign(0.0, b) : rest;
}

Result<Value> power(const Value& left, const Value& right) {
  if (left.is_integral() && right.is_integral() && right.as_int() >= 0) {
    int64_t result = 1, base = left.as_int();
    for (int64_t exponent = right.as_int(); exponent > 0; exponent >>= 1) {
      if ((exponent & 1) && __builtin_mul_overflow(result, base, &result)) return overflow();
      if (exponent > 1 && __builtin_mul_overflow(base, base, &base)) return overflow();
    }
    return Value::integer(result);
  }
  const double a = left.as_real(), b = right.as_real();
  if (a == 0 && b < 0) {
    return fail(ErrorKind::invalid_argument, "0.0 cannot be raised to a negative power");
  }
  if (a < 0 && b != std::floor(b) && std::isfinite(b)) {
    return fail(ErrorKind::unsupported, "complex numbers are not supported");
  }
  const double result = std::pow(a, b);
  if (std::isinf(result) && std::isfinite(a) && std::isfinite(b)) {
    return fail(ErrorKind::invalid_argument, "result too large");
  }
  return Value::real(result);
}

Result<Value> integer_op(BinaryOp op, int64_t a, int64_t b) {
  int64_t result = 0;
  switch (op) {
    case BinaryOp::add:
      if (__builtin_add_overflow(a, b, &result)) return overflow();
      return Value::integer(result);
    case BinaryOp::subtract:
      if (__builtin_sub_overflow(a, b, &result)) return overflow();
      return Value::integer(result);
    case BinaryOp::multiply:
      if (__builtin_mul_overflow(a, b, &result)) return overflow();
      return Value::integer(result);
    case BinaryOp::floor_divide:
      if (b == 0) return zero_division("integer division or modulo");
      if (a == INT64_MIN && b == -1) return overflow();
      return Value::integer(floor_divide(a, b));
    default:
      if (b == 0) return zero_division("integer division or modulo");
      if (b == -1) return Value::integer(0);
      return Value::integer(a - floor_divide(a, b) * b);
  }
}

Result<Value> number_op(BinaryOp op, const Value& left, const Value& right) {
  if (op == BinaryOp::power) return power(left, right);
  if (op == BinaryOp::divide) {
    if (right.as_real() == 0) {
      return zero_division(left.is_integral() && right.is_integral() ? "division"
                                                                     : "float division");
    }
    return Value::real(left.as_real() / right.as_real());
  }
  if (left.is_integral() && right.is_integral()) {
    return integer_op(op, left.as_int(), right.as_int());
  }
  const double a = left.as_real(), b = right.as_real();
  switch (op) {
    case BinaryOp::add:
      return Value::real(a + b);
    case BinaryOp::subtract:
      return Value::real(a - b);
    case BinaryOp::multiply:
      return Value::real(a * b);
    case BinaryOp::floor_divide:
      if (b == 0) return zero_division("float floor division");
      return Value::real(std::floor((a - python_modulo(a, b)) / b + 0.5));
    default:
      if (b == 0) return zero_division("float modulo");
      return Value::real(python_modulo(a, b));
  }
}

Result<Value> add_strings(Budget& budget, const Value& left, const Value& right) {
  // What is joined to text marked safe is escaped: 'a'|safe + '<' is 'a&lt;'.
  if (left.is_markup() != right.is_markup()) {
    TRY(const Value safe_left, escape(budget, left));
    TRY(const Value safe_right, escape(budget, right));
    return add_strings(budget, safe_left, safe_right);
  }
  TRY_STATUS(budget.check_size(left.text().size() + right.text().size()));
  Text text = left.text();
  text.append(right.text());
  return budget.string(std::move(text), left.is_markup());
}

Result<Value> repeat(Budget& budget, const Value& value, int64_t times) {
  const auto count = static_cast<size_t>(std::max<int64_t>(times, 0));
  if (value.is(Kind::string)) {
    const Text& text = value.text();
    if (count != 0 && text.size() > budget.max_string() / count) {
      return fail(ErrorKind::too_large, "the template makes a string of more than {} bytes",
                  budget.max_string());
    }
    TRY_STATUS(budget.check_size(text.size() * count));
    TRY_STATUS(budget.step(text.empty() ? 1 : count));
    Text out;
    for (size_t i = 0; i < count && !text.empty(); ++i) out.append(text);
    return budget.string(std::move(out), value.is_markup());
  }
  const Values& items = value.items();
  if (count != 0 && items.size() > budget.max_string() / count) {
    return fail(ErrorKind::too_large, "the template makes a list that is too long");
  }
  TRY_STATUS(budget.reserve_items(items.size() * count));
  Values out;
  out.reserve(items.size() * count);
  for (size_t i = 0; i < count && !items.empty(); ++i) {
    out.insert(out.end(), items.begin(), items.end());
  }
  return value.is(Kind::list) ? Value::list(std::move(out)) : Value::tuple(std::move(out));
}

bool is_repeatable(const Value& value) {
  return value.is(Kind::string) || value.is(Kind::list) || value.is(Kind::tuple);
}

Error wrong_operands(BinaryOp op, const Value& left, const Value& right) {
  if (op == BinaryOp::add && left.is(Kind::string)) {
    return fail(ErrorKind::invalid_argument, "can only concatenate str (not \"{}\") to str",
                type_name(right));
  }
  return fail(ErrorKind::invalid_argument, "unsupported operand type(s) for {}: '{}' and '{}'",
              op_text(op), type_name(left), type_name(right));
}

}  // namespace

Result<Value> escape(Budget& budget, const Value& value) {
  if (value.is_markup()) return value;
  TRY(const Text text, to_text(budget, value));
  TRY_STATUS(budget.scan(text.size()));
  Text out;
  text.for_each_run(
      [&](std::string_view run, Origin origin) { out.append(html_escape(run), origin); });
  return budget.string(std::move(out), /*markup=*/true);
}

Result<Value> apply_binary(Budget& budget, BinaryOp op, const Value& left, const Value& right) {
  if (left.is_number() && right.is_number()) return number_op(op, left, right);
  if (op == BinaryOp::modulo && left.is(Kind::string)) return format_percent(budget, left, right);
  for (const Value* value : {&left, &right}) {
    if (value->is(Kind::undefined)) {
      return fail(ErrorKind::invalid_argument, "{}", value->undefined_message());
    }
  }
  if (op == BinaryOp::add && left.kind() == right.kind()) {
    if (left.is(Kind::string)) return add_strings(budget, left, right);
    if (left.is(Kind::list) || left.is(Kind::tuple)) {
      TRY_STATUS(budget.reserve_items(left.items().size() + right.items().size()));
      Values items = left.items();
      items.insert(items.end(), right.items().begin(), right.items().end());
      return left.is(Kind::list) ? Value::list(std::move(items)) : Value::tuple(std::move(items));
    }
  }
  if (op == BinaryOp::multiply) {
    if (is_repeatable(left) && right.is_integral()) return repeat(budget, left, right.as_int());
    if (is_repeatable(right) && left.is_integral()) return repeat(budget, right, left.as_int());
  }
  return wrong_operands(op, left, right);
}

Result<Value> apply_sign(ExprKind sign, const Value& value) {
  if (value.is(Kind::undefined)) {
    return fail(ErrorKind::invalid_argument, "{}", value.undefined_message());
  }
  if (!value.is_number()) {
    return fail(ErrorKind::invalid_argument, "bad operand type for unary {}: '{}'",
                sign == ExprKind::negate ? '-' : '+', type_name(value));
  }
  if (value.is(Kind::real)) {
    return sign == ExprKind::negate ? Value::real(-value.as_real()) : value;
  }
  if (sign == ExprKind::plus) return Value::integer(value.as_int());
  return integer_op(BinaryOp::subtract, 0, value.as_int());
}

namespace {

struct SliceRange {
  int64_t start = 0, step = 1, count = 0;
};

Result<SliceRange> slice_range(int64_t size, const Value& start, const Value& stop,
                               const Value& step) {
  for (const Value* part : {&start, &stop, &step}) {
    if (!part->is(Kind::none) && !part->is_integral()) {
      return fail(ErrorKind::invalid_argument, "slice indices must be integers or None, not {}",
                  type_name(*part));
    }
  }
  SliceRange range;
  if (!step.is(Kind::none)) range.step = step.as_int();
  if (range.step == 0) return fail(ErrorKind::invalid_argument, "slice step cannot be zero");
  // A step beyond the size picks one element at most; keep it where sums cannot overflow.
  range.step = std::clamp(range.step, -(size + 1), size + 1);
  const bool forward = range.step > 0;
  const int64_t low = forward ? 0 : -1, high = forward ? size : size - 1;
  const auto place = [&](const Value& part, int64_t otherwise) {
    if (part.is(Kind::none)) return otherwise;
    int64_t index = part.as_int();
    if (index < 0) index = std::max<int64_t>(index, -size - 1) + size;  // -1: before the first
    return std::clamp(index, low, high);
  };
  range.start = place(start, forward ? low : high);
  const int64_t end = place(stop, forward ? high : low);
  if (forward && end > range.start) range.count = (end - range.start - 1) / range.step + 1;
  if (!forward && end < range.start) range.count = (range.start - end - 1) / -range.step + 1;
  return range;
}

Result<Value> slice_string(Budget& budget, const Value& value, const SliceRange& range) {
  const Text& text = value.text();
  const std::string_view bytes = text.bytes();
  Text out;
  if (range.step == 1) {
    const size_t begin = byte_offset(bytes, static_cast<size_t>(range.start));
    const size_t end = begin + byte_offset(bytes.substr(begin), static_cast<size_t>(range.count));
    return budget.string(text.slice(begin, end), value.is_markup());
  }
  TRY_STATUS(budget.scan(text.size() * sizeof(size_t)));
  std::vector<size_t> offsets;  // of each code point, and the end
  for (size_t i = 0; i < bytes.size(); i += byte_offset(bytes.substr(i), 1)) offsets.push_back(i);
  offsets.push_back(bytes.size());
  for (int64_t i = 0; i < range.count; ++i) {
    const auto at = static_cast<size_t>(range.start + i * range.step);
    out.append_slice(text, offsets[at], offsets[at + 1]);
  }
  return budget.string(std::move(out), value.is_markup());
}

}  // namespace

Result<Value> apply_slice(Budget& budget, const Value& value, const Value& start, const Value& stop,
                          const Value& step) {
  switch (value.kind()) {
    case Kind::string: {
      TRY_STATUS(budget.scan(value.bytes().size()));
      TRY(const SliceRange range,
          slice_range(static_cast<int64_t>(count_code_points(value.bytes())), start, stop, step));
      return slice_string(budget, value, range);
    }
    case Kind::list:
    case Kind::tuple: {
      const Values& items = value.items();
      TRY(const SliceRange range,
          slice_range(static_cast<int64_t>(items.size()), start, stop, step));
      TRY_STATUS(budget.reserve_items(static_cast<size_t>(range.count)));
      Values out;
      for (int64_t i = 0; i < range.count; ++i) {
        out.push_back(items[static_cast<size_t>(range.start + i * range.step)]);
      }
      return value.is(Kind::list) ? Value::list(std::move(out)) : Value::tuple(std::move(out));
    }
    case Kind::range: {
      const auto& source = value.as<RangeObject>();
      TRY(const SliceRange range, slice_range(source.size(), start, stop, step));
      auto out = std::make_shared<RangeObject>();
      int64_t offset = 0, span = 0;
      if (__builtin_mul_overflow(range.start, source.step, &offset) ||
          __builtin_add_overflow(source.start, offset, &out->start) ||
          __builtin_mul_overflow(source.step, range.step, &out->step) ||
          __builtin_mul_overflow(range.count, out->step, &span) ||
          __builtin_add_overflow(out->start, span, &out->stop)) {
        return overflow();
      }
      return Value::object(Kind::range, std::move(out));
    }
    case Kind::undefined:
      return fail(ErrorKind::invalid_argument, "{}", value.undefined_message());
    default:
      return fail(ErrorKind::invalid_argument, "'{}' object is not subscriptable",
                  type_name(value));
  }
}

}  // namespace jiang::jinja
