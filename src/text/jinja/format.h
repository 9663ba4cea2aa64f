// format(value, "05.2f"): one replacement field of str.format.
#pragma once

#include "text/jinja/budget.h"

namespace jiang::jinja {

Result<Text> format_value(Budget& budget, const Value& value, std::string_view specification);

}  // namespace jiang::jinja
