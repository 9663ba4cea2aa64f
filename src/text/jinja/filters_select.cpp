// Filters that apply a filter or a test, given by name, to each element: map, select and kin; attr.
#include "text/jinja/filters.h"
#include "text/jinja/interpreter.h"
#include "text/jinja/python_value.h"

namespace jiang::jinja {
namespace {

Result<Value> named_filter(Interpreter& in, const Value& item, const Value& name,
                           const CallArguments& arguments) {
  const FilterFunction filter = name.is(Kind::string) ? find_filter(name.bytes()) : nullptr;
  if (!filter) {
    TRY(const Text text, to_text(in.budget(), name));
    return fail(ErrorKind::invalid_argument, "no filter named '{}'", text.bytes().substr(0, 100));
  }
  return filter(in, item, arguments);
}

Result<Value> map(Interpreter& in, const Value& self, const CallArguments& arguments) {
  if (self.is(Kind::undefined) || (!self.is(Kind::generator) && !is_true(self))) {
    return Value::generator("generator", {});
  }
  Values mapped;
  if (arguments.positional.empty()) {
    TRY(const auto args, bind("map", arguments, {"attribute", "default"}, 1));
    TRY(AttributePath path, AttributePath::parse(*args[0]));
    if (is_given(args[1])) path.set_default(*args[1]);
    TRY(const auto items, iterate(in.budget(), self));
    TRY_STATUS(in.budget().reserve_items(items->size()));
    for (const Value& item : *items) {
      TRY(Value value, path.get(in, item));
      mapped.push_back(std::move(value));
    }
    return Value::generator("generator", std::move(mapped));
  }
  CallArguments rest = arguments;
  rest.positional.erase(rest.positional.begin());
  TRY(const auto items, iterate(in.budget(), self));
  TRY_STATUS(in.budget().reserve_items(items->size()));
  for (const Value& item : *items) {
    TRY(Value value, named_filter(in, item, arguments.positional[0], rest));
    mapped.push_back(std::move(value));
  }
  return Value::generator("generator", std::move(mapped));
}

// The elements for which the test (or, without one, truth) is as wanted.
template <bool wanted, bool by_attribute>
Result<Value> select(Interpreter& in, const Value& self, const CallArguments& arguments) {
  if (self.is(Kind::undefined) || (!self.is(Kind::generator) && !is_true(self))) {
    return Value::generator("generator", {});
  }
  CallArguments rest = arguments;
  AttributePath path;
  if (by_attribute) {
    if (rest.positional.empty()) {
      return fail(ErrorKind::invalid_argument, "missing parameter for attribute name");
    }
    TRY(path, AttributePath::parse(rest.positional[0]));
    rest.positional.erase(rest.positional.begin());
  }
  TestFunction test = nullptr;
  if (!rest.positional.empty()) {
    const Value& name = rest.positional[0];
    test = name.is(Kind::string) ? find_test(name.bytes()) : nullptr;
    if (!test) {
      TRY(const Text text, to_text(in.budget(), name));
      return fail(ErrorKind::invalid_argument, "no test named '{}'", text.bytes().substr(0, 100));
    }
    rest.positional.erase(rest.positional.begin());
  }
  TRY(const auto items, iterate(in.budget(), self));
  TRY_STATUS(in.budget().reserve_items(items->size()));
  Values selected;
  for (const Value& item : *items) {
    TRY(const Value value, path.get(in, item));
    bool holds = is_true(value);
    if (test) {
      TRY(holds, test(in, value, rest));
    }
    if (holds == wanted) selected.push_back(item);
  }
  return Value::generator("generator", std::move(selected));
}

Result<Value> attr(Interpreter& in, const Value& self, const CallArguments& arguments) {
  TRY(const auto args, bind("attr", arguments, {"name"}, 1));
  if (!args[0]->is(Kind::string)) {
    return fail(ErrorKind::invalid_argument, "attr: the name must be a string");
  }
  // Attributes only, never the elements of a dict.
  if (self.is(Kind::dict) && !find_method(Kind::dict, args[0]->bytes())) {
    return Value::undefined(
        fmt::format("'dict object' has no attribute '{}'", args[0]->bytes().substr(0, 100)));
  }
  if (self.is(Kind::undefined)) return self;
  return in.get_attribute(self, args[0]->bytes());
}

constexpr FilterRow kSelectFilters[] = {
    {"attr", attr},
    {"map", map},
    {"reject", select<false, false>},
    {"rejectattr", select<false, true>},
    {"select", select<true, false>},
    {"selectattr", select<true, true>},
};

}  // namespace

std::span<const FilterRow> select_filters() { return kSelectFilters; }

}  // namespace jiang::jinja
