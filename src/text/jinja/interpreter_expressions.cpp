#include "text/jinja/interpreter.h"
#include "text/jinja/operators.h"
#include "text/jinja/python_value.h"

namespace jiang::jinja {

Result<Value> Interpreter::evaluate(const Expr& expr, Scope* scope) {
  if (!budget_.spend(1)) return budget_.out_of_steps();
  if (depth_ >= kMaxDepth) {
    return fail(ErrorKind::too_large, "the template is nested deeper than {} levels", kMaxDepth);
  }
  ++depth_;
  Result<Value> value = evaluate_node(expr, scope);
  --depth_;
  if (!value && error_line_ == 0) error_line_ = expr.line;
  return value;
}

Result<Value> Interpreter::evaluate_node(const Expr& expr, Scope* scope) {
  switch (expr.kind) {
    case ExprKind::constant:
      return static_cast<const Constant&>(expr).value;
    case ExprKind::name:
      return evaluate_name(static_cast<const Name&>(expr), scope);
    case ExprKind::list:
    case ExprKind::tuple:
    case ExprKind::concat:
      return evaluate_sequence(static_cast<const Sequence&>(expr), scope);
    case ExprKind::dict:
      return evaluate_dict(static_cast<const DictLiteral&>(expr), scope);
    case ExprKind::all_of:
    case ExprKind::any_of:
      return evaluate_logic(static_cast<const Sequence&>(expr), scope);
    case ExprKind::invert:
    case ExprKind::negate:
    case ExprKind::plus:
      return evaluate_unary(static_cast<const Unary&>(expr), scope);
    case ExprKind::binary: {
      const auto& binary = static_cast<const Binary&>(expr);
      TRY(const Value left, evaluate(*binary.left, scope));
      TRY(const Value right, evaluate(*binary.right, scope));
      return apply_binary(budget_, binary.op, left, right);
    }
    case ExprKind::compare:
      return evaluate_compare(static_cast<const Compare&>(expr), scope);
    case ExprKind::conditional:
      return evaluate_conditional(static_cast<const Conditional&>(expr), scope);
    case ExprKind::attribute: {
      const auto& attribute = static_cast<const Attribute&>(expr);
      TRY(const Value object, evaluate(*attribute.object, scope));
      return get_attribute(object, attribute.name);
    }
    case ExprKind::item:
      return evaluate_item(static_cast<const Item&>(expr), scope);
    case ExprKind::call:
      return evaluate_call(static_cast<const Call&>(expr), scope);
    case ExprKind::filter:
      return evaluate_filter(static_cast<const Filter&>(expr), scope);
    case ExprKind::test:
      return evaluate_test(static_cast<const Test&>(expr), scope);
    case ExprKind::slice:
      break;
  }
  return fail(ErrorKind::invalid_argument, "a slice is no value");
}

const Value* Interpreter::find_variable(NameId id, const Scope* scope) const {
  for (; scope; scope = scope->parent) {
    for (const auto& [name, value] : scope->variables) {
      if (name == id) return &value;
    }
  }
  const auto& global = globals_[static_cast<size_t>(id)];
  return global ? &*global : nullptr;
}

Result<Value> Interpreter::evaluate_name(const Name& name, Scope* scope) {
  if (const Value* value = find_variable(name.id, scope)) return *value;
  return Value::undefined(
      fmt::format("'{}' is undefined", program_.names[static_cast<size_t>(name.id)]));
}

Result<Value> Interpreter::evaluate_sequence(const Sequence& sequence, Scope* scope) {
  if (sequence.kind == ExprKind::concat) {
    Text text;
    for (const ExprPtr& item : sequence.items) {
      TRY(const Value value, evaluate(*item, scope));
      TRY_STATUS(append_str(budget_, text, value));
    }
    return budget_.string(std::move(text));
  }
  Values items;
  items.reserve(sequence.items.size());
  for (const ExprPtr& item : sequence.items) {
    TRY(Value value, evaluate(*item, scope));
    items.push_back(std::move(value));
  }
  TRY_STATUS(budget_.reserve_items(items.size()));
  return sequence.kind == ExprKind::list ? Value::list(std::move(items))
                                         : Value::tuple(std::move(items));
}

Result<Value> Interpreter::evaluate_dict(const DictLiteral& literal, Scope* scope) {
  auto dict = std::make_shared<DictObject>();
  TRY_STATUS(budget_.reserve_items(2 * literal.entries.size()));
  for (const auto& [key_expr, value_expr] : literal.entries) {
    TRY(Value key, evaluate(*key_expr, scope));
    TRY(Value value, evaluate(*value_expr, scope));
    if (!is_hashable(key)) {
      return fail(ErrorKind::invalid_argument, "unhashable type: '{}'", type_name(key));
    }
    dict->set(std::move(key), std::move(value));
  }
  return Value::object(Kind::dict, std::move(dict));
}

// `and` and `or` give one of their operands.
Result<Value> Interpreter::evaluate_logic(const Sequence& sequence, Scope* scope) {
  const bool stop_at = sequence.kind == ExprKind::any_of;
  Value last;
  for (const ExprPtr& item : sequence.items) {
    TRY(last, evaluate(*item, scope));
    if (is_true(last) == stop_at) break;
  }
  return last;
}

Result<Value> Interpreter::evaluate_unary(const Unary& unary, Scope* scope) {
  TRY(const Value operand, evaluate(*unary.operand, scope));
  if (unary.kind == ExprKind::invert) return Value::boolean(!is_true(operand));
  return apply_sign(unary.kind, operand);
}

namespace {

Result<bool> compare(Budget& budget, CompareOp op, const Value& a, const Value& b) {
  switch (op) {
    case CompareOp::equal:
      return equal(budget, a, b);
    case CompareOp::in:
      return contains(budget, b, a);
    case CompareOp::less:
      return less(budget, a, b);
    case CompareOp::greater:
      return less(budget, b, a);
    case CompareOp::not_equal: {
      TRY(const bool same, equal(budget, a, b));
      return !same;
    }
    case CompareOp::not_in: {
      TRY(const bool inside, contains(budget, b, a));
      return !inside;
    }
    case CompareOp::less_equal:
    case CompareOp::greater_equal: {
      const bool swap = op == CompareOp::greater_equal;
      TRY(const bool smaller, less(budget, swap ? b : a, swap ? a : b));
      if (smaller) return true;
      return equal(budget, a, b);
    }
  }
  return false;
}

}  // namespace

Result<Value> Interpreter::evaluate_compare(const Compare& expr, Scope* scope) {
  TRY(Value left, evaluate(*expr.first, scope));
  for (const auto& [op, operand] : expr.rest) {
    TRY(Value right, evaluate(*operand, scope));
    TRY(const bool holds, compare(budget_, op, left, right));
    if (!holds) return Value::boolean(false);
    left = std::move(right);
  }
  return Value::boolean(true);
}

Result<Value> Interpreter::evaluate_conditional(const Conditional& conditional, Scope* scope) {
  TRY(const Value test, evaluate(*conditional.test, scope));
  if (is_true(test)) return evaluate(*conditional.then, scope);
  if (conditional.otherwise) return evaluate(*conditional.otherwise, scope);
  return Value::undefined(
      "the inline if-expression evaluated to false and no else section was defined");
}

Result<Value> Interpreter::evaluate_item(const Item& item, Scope* scope) {
  TRY(const Value object, evaluate(*item.object, scope));
  if (item.index->kind != ExprKind::slice) {
    TRY(const Value index, evaluate(*item.index, scope));
    return get_item(object, index);
  }
  const auto& slice = static_cast<const Slice&>(*item.index);
  Value start = Value::none(), stop = Value::none(), step = Value::none();
  if (slice.start) {
    TRY(start, evaluate(*slice.start, scope));
  }
  if (slice.stop) {
    TRY(stop, evaluate(*slice.stop, scope));
  }
  if (slice.step) {
    TRY(step, evaluate(*slice.step, scope));
  }
  return apply_slice(budget_, object, start, stop, step);
}

Result<CallArguments> Interpreter::evaluate_arguments(const Arguments& arguments, Scope* scope) {
  CallArguments out;
  out.positional.reserve(arguments.positional.size());
  for (const ExprPtr& argument : arguments.positional) {
    TRY(Value value, evaluate(*argument, scope));
    out.positional.push_back(std::move(value));
  }
  for (const auto& [name, argument] : arguments.keyword) {
    TRY(Value value, evaluate(*argument, scope));
    out.keyword.emplace_back(name, std::move(value));
  }
  if (arguments.more_positional) {
    TRY(const Value more, evaluate(*arguments.more_positional, scope));
    TRY(const auto items, iterate(budget_, more));
    TRY_STATUS(budget_.reserve_items(items->size()));
    out.positional.insert(out.positional.end(), items->begin(), items->end());
  }
  if (arguments.more_keyword) {
    TRY(const Value more, evaluate(*arguments.more_keyword, scope));
    if (!more.is(Kind::dict)) {
      return fail(ErrorKind::invalid_argument, "argument after ** must be a mapping, not {}",
                  type_name(more));
    }
    TRY_STATUS(budget_.reserve_items(more.as<DictObject>().entries.size()));
    for (const auto& [key, value] : more.as<DictObject>().entries) {
      if (!key.is(Kind::string)) {
        return fail(ErrorKind::invalid_argument, "keywords must be strings");
      }
      for (const auto& [name, other] : arguments.keyword) {
        if (name == key.bytes()) {
          return fail(ErrorKind::invalid_argument, "multiple values for keyword argument '{}'",
                      name);
        }
      }
      out.keyword.emplace_back(key.bytes(), value);
    }
    out.keyword_owner = more;
  }
  return out;
}

Result<Value> Interpreter::evaluate_call(const Call& call, Scope* scope, const Value* caller) {
  const auto complete = [&](CallArguments& arguments) {
    if (caller) arguments.keyword.emplace_back("caller", *caller);
  };
  // value.method(...): without making a function object of the method first.
  if (call.callee->kind == ExprKind::attribute) {
    const auto& attribute = static_cast<const Attribute&>(*call.callee);
    TRY(const Value object, evaluate(*attribute.object, scope));
    const Method* method = find_method(object.kind(), attribute.name);
    if (method && method->function) {
      TRY(CallArguments arguments, evaluate_arguments(call.arguments, scope));
      complete(arguments);
      return method->function(*this, object, arguments);
    }
    TRY(const Value callee, get_attribute(object, attribute.name));
    TRY(CallArguments arguments, evaluate_arguments(call.arguments, scope));
    complete(arguments);
    return this->call(callee, arguments);
  }
  TRY(const Value callee, evaluate(*call.callee, scope));
  TRY(CallArguments arguments, evaluate_arguments(call.arguments, scope));
  complete(arguments);
  return this->call(callee, arguments);
}

Result<Value> Interpreter::evaluate_filter(const Filter& filter, Scope* scope) {
  if (!filter.function) {
    return fail(ErrorKind::invalid_argument, "no filter named '{}'", filter.name);
  }
  Value operand;
  if (filter.operand) {
    TRY(operand, evaluate(*filter.operand, scope));
  } else {
    TRY(operand, budget_.string(std::exchange(captured_, Text())));
  }
  TRY(const CallArguments arguments, evaluate_arguments(filter.arguments, scope));
  return filter.function(*this, operand, arguments);
}

Result<Value> Interpreter::evaluate_test(const Test& test, Scope* scope) {
  if (!test.function) return fail(ErrorKind::invalid_argument, "no test named '{}'", test.name);
  TRY(const Value operand, evaluate(*test.operand, scope));
  TRY(const CallArguments arguments, evaluate_arguments(test.arguments, scope));
  TRY(const bool holds, test.function(*this, operand, arguments));
  return Value::boolean(holds);
}

}  // namespace jiang::jinja
