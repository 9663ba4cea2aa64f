// The tables of methods, and string work that methods and filters share.
#pragma once

#include <span>

#include "text/jinja/budget.h"
#include "text/jinja/builtins.h"

namespace jiang::jinja {

std::span<const Method> string_methods();

enum class Align { left, right, center };
Result<Value> center_text(Budget& budget, const Value& self, int64_t width, const Text& fill,
                          Align align);
// limit < 0: all of them.
Result<Text> replace_text(Budget& budget, const Text& text, std::string_view old, const Text& with,
                          int64_t limit);
// "{} {name[0]:>5}".format(...)
Result<Value> format_braces(Interpreter& interpreter, const Value& format,
                            const CallArguments& arguments);

}  // namespace jiang::jinja
