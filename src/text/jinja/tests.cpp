// What may follow `is`, and what select and selectattr take by name.
#include <algorithm>
#include <cmath>

#include "text/jinja/interpreter.h"
#include "text/jinja/operators.h"
#include "text/jinja/python_text.h"
#include "text/jinja/python_value.h"

namespace jiang::jinja {
namespace {

Result<bool> no_arguments(std::string_view name, const CallArguments& arguments, bool answer) {
  TRY(const auto none, bind(name, arguments, {}));
  return answer;
}

Result<bool> has_remainder(Interpreter& in, const Value& self, int64_t divisor, int64_t remainder) {
  TRY(const Value rest, apply_binary(in.budget(), BinaryOp::modulo, self, Value::integer(divisor)));
  return equal(in.budget(), rest, Value::integer(remainder));
}

Result<bool> is_odd(Interpreter& in, const Value& self, const CallArguments& arguments) {
  TRY(const bool odd, has_remainder(in, self, 2, 1));
  return no_arguments("odd", arguments, odd);
}

Result<bool> is_even(Interpreter& in, const Value& self, const CallArguments& arguments) {
  TRY(const bool even, has_remainder(in, self, 2, 0));
  return no_arguments("even", arguments, even);
}

Result<bool> is_divisible_by(Interpreter& in, const Value& self, const CallArguments& arguments) {
  TRY(const auto args, bind("divisibleby", arguments, {"num"}, 1));
  TRY(const Value rest, apply_binary(in.budget(), BinaryOp::modulo, self, *args[0]));
  return equal(in.budget(), rest, Value::integer(0));
}

template <Kind kind>
Result<bool> is_kind(Interpreter&, const Value& self, const CallArguments& arguments) {
  return no_arguments("this test", arguments, self.is(kind));
}

Result<bool> is_defined(Interpreter&, const Value& self, const CallArguments& arguments) {
  return no_arguments("defined", arguments, !self.is(Kind::undefined));
}

template <bool wanted>
Result<bool> is_bool(Interpreter&, const Value& self, const CallArguments& arguments) {
  return no_arguments("this test", arguments, self.is(Kind::boolean) && self.as_bool() == wanted);
}

Result<bool> is_a_number(Interpreter&, const Value& self, const CallArguments& arguments) {
  return no_arguments("number", arguments, self.is_number());
}

// Has a length and takes an index: that counts dicts in, and (in jinja2) what is undefined.
Result<bool> is_sequence(Interpreter&, const Value& self, const CallArguments& arguments) {
  constexpr Kind kinds[] = {Kind::undefined, Kind::string, Kind::list,
                            Kind::tuple,     Kind::dict,   Kind::range};
  return no_arguments(
      "sequence", arguments,
      std::find(std::begin(kinds), std::end(kinds), self.kind()) != std::end(kinds));
}

Result<bool> is_iterable_test(Interpreter&, const Value& self, const CallArguments& arguments) {
  return no_arguments("iterable", arguments, is_iterable(self));
}

Result<bool> is_callable(Interpreter&, const Value& self, const CallArguments& arguments) {
  return no_arguments("callable", arguments,
                      self.is(Kind::function) || self.is(Kind::loop) || self.is(Kind::joiner) ||
                          self.is(Kind::undefined));
}

template <CharTest test>
Result<bool> has_case(Interpreter& in, const Value& self, const CallArguments& arguments) {
  TRY(const Text text, to_text(in.budget(), self));
  TRY_STATUS(in.budget().scan(text.size()));
  return no_arguments("this test", arguments, test_all(text.bytes(), test));
}

Result<bool> is_escaped(Interpreter&, const Value& self, const CallArguments& arguments) {
  return no_arguments("escaped", arguments, self.is_markup());
}

Result<bool> is_same_as(Interpreter&, const Value& self, const CallArguments& arguments) {
  TRY(const auto args, bind("sameas", arguments, {"other"}, 1));
  return is_same(self, *args[0]);
}

Result<bool> is_in(Interpreter& in, const Value& self, const CallArguments& arguments) {
  TRY(const auto args, bind("in", arguments, {"seq"}, 1));
  return contains(in.budget(), *args[0], self);
}

Result<bool> is_filter(Interpreter&, const Value& self, const CallArguments& arguments) {
  return no_arguments("filter", arguments,
                      self.is(Kind::string) && find_filter(self.bytes()) != nullptr);
}

Result<bool> is_test(Interpreter&, const Value& self, const CallArguments& arguments) {
  return no_arguments("test", arguments,
                      self.is(Kind::string) && find_test(self.bytes()) != nullptr);
}

template <bool wanted>
Result<bool> is_equal(Interpreter& in, const Value& self, const CallArguments& arguments) {
  TRY(const auto args, bind("eq", arguments, {"other"}, 1));
  TRY(const bool same, equal(in.budget(), self, *args[0]));
  return same == wanted;
}

template <bool swap, bool or_equal>
Result<bool> is_less(Interpreter& in, const Value& self, const CallArguments& arguments) {
  TRY(const auto args, bind("lt", arguments, {"other"}, 1));
  TRY(const bool smaller, less(in.budget(), swap ? *args[0] : self, swap ? self : *args[0]));
  if (smaller || !or_equal) return smaller;
  return equal(in.budget(), self, *args[0]);
}

constexpr std::pair<std::string_view, TestFunction> kTests[] = {
    {"!=", is_equal<false>},
    {"<", is_less<false, false>},
    {"<=", is_less<false, true>},
    {"==", is_equal<true>},
    {">", is_less<true, false>},
    {">=", is_less<true, true>},
    {"boolean", is_kind<Kind::boolean>},
    {"callable", is_callable},
    {"defined", is_defined},
    {"divisibleby", is_divisible_by},
    {"eq", is_equal<true>},
    {"equalto", is_equal<true>},
    {"escaped", is_escaped},
    {"even", is_even},
    {"false", is_bool<false>},
    {"filter", is_filter},
    {"float", is_kind<Kind::real>},
    {"ge", is_less<true, true>},
    {"greaterthan", is_less<true, false>},
    {"gt", is_less<true, false>},
    {"in", is_in},
    {"integer", is_kind<Kind::integer>},
    {"iterable", is_iterable_test},
    {"le", is_less<false, true>},
    {"lessthan", is_less<false, false>},
    {"lower", has_case<CharTest::lower>},
    {"lt", is_less<false, false>},
    {"mapping", is_kind<Kind::dict>},
    {"ne", is_equal<false>},
    {"none", is_kind<Kind::none>},
    {"number", is_a_number},
    {"odd", is_odd},
    {"sameas", is_same_as},
    {"sequence", is_sequence},
    {"string", is_kind<Kind::string>},
    {"test", is_test},
    {"true", is_bool<true>},
    {"undefined", is_kind<Kind::undefined>},
    {"upper", has_case<CharTest::upper>},
};

}  // namespace

TestFunction find_test(std::string_view name) {
  for (const auto& [test, function] : kTests) {
    if (test == name) return function;
  }
  return nullptr;
}

}  // namespace jiang::jinja
