// What templates can call by name: filters, tests, methods of values and global functions. Each is
// a row of a table; adding one is adding a row.
#pragma once

#include <string_view>
#include <utility>
#include <vector>

#include "text/jinja/ast.h"
#include "text/jinja/value.h"

namespace jiang::jinja {

struct CallArguments {
  Values positional;
  std::vector<std::pair<std::string_view, Value>> keyword;
  Value keyword_owner;  // the dict of **x, to which names above may point
};

// Null when there is none of that name.
FilterFunction find_filter(std::string_view name);
TestFunction find_test(std::string_view name);

using MethodFunction = Result<Value> (*)(Interpreter&, const Value& self, const CallArguments&);
struct Method {
  std::string_view name;
  MethodFunction function;  // null: Python has it, the sandbox refuses it (list.append ...)
};
const Method* find_method(Kind kind, std::string_view name);

// range, dict, namespace ...; undefined when there is none of that name.
Value find_global(std::string_view name);

// The arguments by parameter, nullptr where none was given. `required` of the names must be there.
Result<std::vector<const Value*>> bind(std::string_view function, const CallArguments& arguments,
                                       const std::vector<std::string_view>& names,
                                       size_t required = 0);

// Typed reading of a bound argument.
Result<int64_t> int_argument(std::string_view function, const Value* value, int64_t otherwise);
bool bool_argument(const Value* value, bool otherwise);
bool is_given(const Value* value);  // neither missing nor None

}  // namespace jiang::jinja
