// The tables of filters, by what they work on. find_filter() (filters.cpp) searches all of them.
#pragma once

#include <optional>
#include <span>
#include <string_view>
#include <utility>

#include "text/jinja/budget.h"
#include "text/jinja/builtins.h"

namespace jiang::jinja {

using FilterRow = std::pair<std::string_view, FilterFunction>;

std::span<const FilterRow> text_filters();
std::span<const FilterRow> number_filters();
std::span<const FilterRow> sequence_filters();
std::span<const FilterRow> select_filters();

// item.a.b or item[0].b, as attribute="a.b" names it.
class AttributePath {
 public:
  // `attribute` is a string or an integer; None: the item itself.
  static Result<AttributePath> parse(const Value& attribute);
  Result<Value> get(Interpreter& interpreter, const Value& item) const;
  void set_default(Value value) { otherwise_ = std::move(value); }

 private:
  Values parts_;
  std::optional<Value> otherwise_;
};

// Sorts and compares without regard to case, unless asked to.
Result<Value> ignore_case(Interpreter& interpreter, const Value& value);

}  // namespace jiang::jinja
