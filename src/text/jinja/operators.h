// Python's operators on Values: + - * / // % ** and slices.
#pragma once

#include "text/jinja/ast.h"
#include "text/jinja/budget.h"

namespace jiang::jinja {

Result<Value> apply_binary(Budget& budget, BinaryOp op, const Value& left, const Value& right);
Result<Value> apply_sign(ExprKind sign, const Value& value);  // negate or plus
// value[start:stop:step]; missing parts are None.
Result<Value> apply_slice(Budget& budget, const Value& value, const Value& start, const Value& stop,
                          const Value& step);
// "%s: %d" % value
Result<Value> format_percent(Budget& budget, const Value& format, const Value& value);
// HTML-escapes unless it is already safe; the result is safe.
Result<Value> escape(Budget& budget, const Value& value);

}  // namespace jiang::jinja
