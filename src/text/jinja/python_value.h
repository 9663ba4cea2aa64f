// Python's str(), repr(), ==, <, in, len() and iteration over Values, and json.dumps as
// transformers calls it. Recursion into nested values is bounded; everything is paid for.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "text/jinja/budget.h"
#include "text/jinja/value.h"

namespace jiang::jinja {

Status append_str(Budget& budget, Text& out, const Value& value);
Result<Text> to_text(Budget& budget, const Value& value);  // str(value)
Result<Text> to_repr(Budget& budget, const Value& value);  // repr(value)

struct JsonStyle {
  bool ensure_ascii = false;
  bool sort_keys = false;
  std::optional<std::string> indent;  // spaces of one level; with it each element has its line
  std::string item_separator = ", ";
  std::string key_separator = ": ";
};
Result<Text> to_json(Budget& budget, const Value& value, const JsonStyle& style);

Result<bool> equal(Budget& budget, const Value& a, const Value& b);
// a < b; values that Python cannot order are an error.
Result<bool> less(Budget& budget, const Value& a, const Value& b);
Result<bool> contains(Budget& budget, const Value& container, const Value& item);

// len(value); an error when it has none.
Result<int64_t> length(Budget& budget, const Value& value);
// The elements that a for loop would see; consumes a generator. Not iterable: an error.
Result<std::shared_ptr<const Values>> iterate(Budget& budget, const Value& value);
bool is_iterable(const Value& value);

}  // namespace jiang::jinja
