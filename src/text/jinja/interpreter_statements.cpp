#include "text/jinja/interpreter.h"
#include "text/jinja/python_value.h"

namespace jiang::jinja {
namespace {

// NameIds that the parser gives to the names below before all others.
constexpr NameId kCaller = 1, kKwargs = 2, kVarargs = 3;

// What the values of one render may take, in outputs of the largest size.
constexpr size_t kMemoryPerOutput = 8;

class MacroObject : public FunctionObject {
 public:
  MacroObject(const Macro& macro, Scope* closure, const Program& program)
      : macro_(macro), closure_(closure), program_(program) {}

  Result<Value> call(Interpreter& interpreter, const CallArguments& arguments) override {
    return interpreter.call_macro(macro_, closure_, arguments);
  }

  Value attribute(std::string_view name) const override {
    if (name == "name") return Value::string(macro_.name, Origin::from_template);
    if (name == "catch_kwargs") return Value::boolean(macro_.uses_kwargs);
    if (name == "catch_varargs") return Value::boolean(macro_.uses_varargs);
    if (name == "caller") return Value::boolean(macro_.uses_caller);
    if (name != "arguments") return Value();
    Values names;
    for (const NameId id : macro_.signature.parameters) {
      names.push_back(
          Value::string(program_.names[static_cast<size_t>(id)], Origin::from_template));
    }
    return Value::tuple(std::move(names));
  }

 private:
  const Macro& macro_;
  Scope* closure_;  // owned by the Interpreter
  const Program& program_;
};

}  // namespace

Interpreter::Interpreter(const Program& program, const RenderLimits& limits, const std::tm& now)
    : program_(program),
      max_calls_(limits.max_calls),
      now_(now),
      budget_(limits.max_steps, limits.max_output_bytes,
              limits.max_output_bytes * kMemoryPerOutput) {
  globals_.resize(program.names.size());
  for (size_t id = 0; id < program.names.size(); ++id) {
    Value value = find_global(program.names[id]);
    if (!value.is(Kind::undefined)) globals_[id] = std::move(value);
  }
}

// Namespaces and loops can hold themselves.
Interpreter::~Interpreter() {
  Values dropped;
  for (const auto& object : adopted_) object->take_children(dropped);
}

Value Interpreter::adopt(Kind kind, std::shared_ptr<Object> object) {
  adopted_.push_back(object);
  return Value::object(kind, std::move(object));
}

void Interpreter::set_variable(std::string_view name, Value value) {
  for (size_t id = 0; id < program_.names.size(); ++id) {
    if (program_.names[id] != name) continue;
    globals_[id] = std::move(value);
    return;
  }
}

Result<Text> Interpreter::render() {
  Text output;
  output_ = &output;
  const Result<Flow> flow = run(program_.body, nullptr);
  output_ = nullptr;
  if (flow) return output;
  return fail(flow.error().kind, "chat template, line {}: {}", error_line_, flow.error().message);
}

Result<Value> Interpreter::call(const Value& callee, const CallArguments& arguments) {
  switch (callee.kind()) {
    case Kind::function:
      break;
    case Kind::loop:
      return loop_call(callee, arguments);
    case Kind::joiner: {
      auto& joiner = callee.as<JoinerObject>();
      if (std::exchange(joiner.used, true)) return joiner.separator;
      return Value::string("", Origin::from_template);
    }
    case Kind::undefined:
      return fail(ErrorKind::invalid_argument, "{}", callee.undefined_message());
    default:
      return fail(ErrorKind::invalid_argument, "'{}' object is not callable", type_name(callee));
  }
  if (calls_ >= max_calls_) {
    return fail(ErrorKind::too_large, "macros call each other deeper than {} levels", max_calls_);
  }
  ++calls_;
  Result<Value> result = callee.as<FunctionObject>().call(*this, arguments);
  --calls_;
  return result;
}

Result<Value> Interpreter::call_macro(const Macro& macro, Scope* closure,
                                      const CallArguments& arguments) {
  Scope* scope = open_scope(closure);
  Result<Value> result = capture([&]() -> Result<Flow> {
    TRY_STATUS(bind_parameters(macro, scope, arguments));
    return run(macro.body, scope);
  });
  close_scope(scope);
  return result;
}

Status Interpreter::bind_parameters(const Macro& macro, Scope* scope,
                                    const CallArguments& arguments) {
  const Signature& signature = macro.signature;
  const size_t count = signature.parameters.size();
  std::vector<bool> used(arguments.keyword.size());
  const auto take_keyword = [&](std::string_view name) -> const Value* {
    for (size_t i = 0; i < arguments.keyword.size(); ++i) {
      if (arguments.keyword[i].first == name && !used[i]) {
        used[i] = true;
        return &arguments.keyword[i].second;
      }
    }
    return nullptr;
  };

  bool has_caller = false;
  for (size_t i = 0; i < count; ++i) {
    const NameId id = signature.parameters[i];
    has_caller = has_caller || id == kCaller;
    if (i < arguments.positional.size()) {
      scope->variables.emplace_back(id, arguments.positional[i]);
      continue;
    }
    const std::string& name = program_.names[static_cast<size_t>(id)];
    const size_t first_default = count - signature.defaults.size();
    if (const Value* given = take_keyword(name)) {
      scope->variables.emplace_back(id, *given);
    } else if (i >= first_default) {
      TRY(Value value, evaluate(*signature.defaults[i - first_default], scope));
      scope->variables.emplace_back(id, std::move(value));
    } else {
      scope->variables.emplace_back(
          id, Value::undefined(fmt::format("parameter '{}' was not provided", name)));
    }
  }
  if (macro.uses_caller && !has_caller) {
    const Value* caller = take_keyword("caller");
    scope->variables.emplace_back(kCaller,
                                  caller ? *caller : Value::undefined("No caller defined"));
  }
  if (macro.uses_kwargs) {
    std::vector<std::pair<Value, Value>> rest;
    for (size_t i = 0; i < used.size(); ++i) {
      if (used[i]) continue;
      rest.emplace_back(Value::string(arguments.keyword[i].first, Origin::data),
                        arguments.keyword[i].second);
      used[i] = true;
    }
    scope->variables.emplace_back(kKwargs, Value::dict(std::move(rest)));
  }
  for (size_t i = 0; i < used.size(); ++i) {
    if (used[i]) continue;
    return fail(ErrorKind::invalid_argument, "macro '{}' takes no keyword argument '{}'",
                macro.name, arguments.keyword[i].first);
  }
  const size_t positional = std::min(count, arguments.positional.size());
  if (macro.uses_varargs) {
    scope->variables.emplace_back(
        kVarargs,
        Value::tuple(Values(arguments.positional.begin() + static_cast<ptrdiff_t>(positional),
                            arguments.positional.end())));
  } else if (arguments.positional.size() > count) {
    return fail(ErrorKind::invalid_argument, "macro '{}' takes not more than {} argument(s)",
                macro.name, count);
  }
  return ok();
}

Result<Interpreter::Flow> Interpreter::run(const Body& body, Scope* scope) {
  for (const StatementPtr& statement : body) {
    TRY(const Flow flow, run(*statement, scope));
    if (flow != Flow::next) return flow;
  }
  return Flow::next;
}

Result<Interpreter::Flow> Interpreter::run(const Statement& statement, Scope* scope) {
  if (!budget_.spend(1)) return budget_.out_of_steps();
  if (depth_ >= kMaxDepth) {
    return fail(ErrorKind::too_large, "the template is nested deeper than {} levels", kMaxDepth);
  }
  ++depth_;
  Result<Flow> flow = [&]() -> Result<Flow> {
    switch (statement.kind) {
      case StatementKind::data:
        TRY_STATUS(emit(static_cast<const Data&>(statement).value));
        return Flow::next;
      case StatementKind::print:
        return run_print(static_cast<const Print&>(statement), scope);
      case StatementKind::set:
        return run_set(static_cast<const Set&>(statement), scope);
      case StatementKind::set_block:
        return run_set_block(static_cast<const SetBlock&>(statement), scope);
      case StatementKind::loop:
        return run_loop(static_cast<const Loop&>(statement), scope);
      case StatementKind::branch:
        return run_branch(static_cast<const Branch&>(statement), scope);
      case StatementKind::with:
        return run_with(static_cast<const With&>(statement), scope);
      case StatementKind::macro:
        return run_macro(static_cast<const Macro&>(statement), scope);
      case StatementKind::call_block:
        return run_call_block(static_cast<const CallBlock&>(statement), scope);
      case StatementKind::filter_block:
        return run_filter_block(static_cast<const FilterBlock&>(statement), scope);
      case StatementKind::scope:
        return run_scoped(static_cast<const ScopeBlock&>(statement).body, scope);
      case StatementKind::loop_break:
        return Flow::loop_break;
      case StatementKind::loop_continue:
        return Flow::loop_continue;
    }
    return Flow::next;
  }();
  --depth_;
  if (!flow && error_line_ == 0) error_line_ = statement.line;
  return flow;
}

Result<Interpreter::Flow> Interpreter::run_scoped(const Body& body, Scope* scope) {
  Scope* inner = open_scope(scope);
  Result<Flow> flow = run(body, inner);
  close_scope(inner);
  return flow;
}

Status Interpreter::emit(const Value& value) { return append_str(budget_, *output_, value); }

Status Interpreter::emit_text(const Value& value) {
  if (value.is(Kind::string)) return emit(value);
  return fail(ErrorKind::invalid_argument, "the block gives {} where text is wanted",
              type_name(value));
}

Result<Interpreter::Flow> Interpreter::run_print(const Print& print, Scope* scope) {
  for (const ExprPtr& item : print.items) {
    TRY(const Value value, evaluate(*item, scope));
    TRY_STATUS(emit(value));
  }
  return Flow::next;
}

Result<Interpreter::Flow> Interpreter::run_set(const Set& set, Scope* scope) {
  TRY(Value value, evaluate(*set.value, scope));
  TRY_STATUS(assign(set.target, std::move(value), scope));
  return Flow::next;
}

Status Interpreter::assign(const Target& target, Value value, Scope* scope) {
  if (!target.attribute.empty()) {
    const Value* object = find_variable(target.name, scope);
    if (!object || !object->is(Kind::name_space)) {
      return fail(ErrorKind::invalid_argument, "cannot assign attribute on non-namespace object");
    }
    object->as<NamespaceObject>().set(Value::string(target.attribute, Origin::from_template),
                                      std::move(value));
    return ok();
  }
  if (target.name >= 0) {
    if (!scope) {
      globals_[static_cast<size_t>(target.name)] = std::move(value);
      return ok();
    }
    for (auto& [name, variable] : scope->variables) {
      if (name == target.name) {
        variable = std::move(value);
        return ok();
      }
    }
    scope->variables.emplace_back(target.name, std::move(value));
    return ok();
  }
  TRY(const auto items, iterate(budget_, value));
  if (items->size() != target.items.size()) {
    return fail(ErrorKind::invalid_argument, "cannot unpack {} values into {} names", items->size(),
                target.items.size());
  }
  for (size_t i = 0; i < items->size(); ++i) {
    TRY_STATUS(assign(target.items[i], (*items)[i], scope));
  }
  return ok();
}

template <class Run>
Result<Value> Interpreter::capture(Run body) {
  Text text;
  Text* const outer = std::exchange(output_, &text);
  const Result<Flow> flow = body();
  output_ = outer;
  if (!flow) return flow.error();
  return budget_.string(std::move(text));
}

Result<Interpreter::Flow> Interpreter::run_set_block(const SetBlock& set, Scope* scope) {
  Scope* inner = open_scope(scope);
  Flow flow = Flow::next;
  Result<Value> value = capture([&]() -> Result<Flow> {
    TRY(flow, run(set.body, inner));
    return flow;
  });
  if (value && set.filter && flow == Flow::next) {
    captured_ = value->text();
    value = evaluate(*set.filter, inner);
  }
  close_scope(inner);
  if (!value) return std::move(value).error();
  if (flow != Flow::next) return flow;
  TRY_STATUS(assign(set.target, *std::move(value), scope));
  return Flow::next;
}

Result<Interpreter::Flow> Interpreter::run_filter_block(const FilterBlock& block, Scope* scope) {
  Scope* inner = open_scope(scope);
  Flow flow = Flow::next;
  Result<Value> value = capture([&]() -> Result<Flow> {
    TRY(flow, run(block.body, inner));
    return flow;
  });
  if (value && flow == Flow::next) {
    captured_ = value->text();
    value = evaluate(*block.filter, inner);
  }
  close_scope(inner);
  if (!value) return std::move(value).error();
  if (flow != Flow::next) return flow;
  TRY_STATUS(emit_text(*value));
  return Flow::next;
}

Result<Interpreter::Flow> Interpreter::run_branch(const Branch& branch, Scope* scope) {
  for (const auto& [test, body] : branch.cases) {
    TRY(const Value value, evaluate(*test, scope));
    if (is_true(value)) return run(body, scope);
  }
  return run(branch.otherwise, scope);
}

Result<Interpreter::Flow> Interpreter::run_with(const With& with, Scope* scope) {
  Scope* inner = open_scope(scope);
  Result<Flow> flow = [&]() -> Result<Flow> {
    for (const auto& [target, expr] : with.targets) {
      TRY(Value value, evaluate(*expr, scope));
      TRY_STATUS(assign(target, std::move(value), inner));
    }
    return run(with.body, inner);
  }();
  close_scope(inner);
  return flow;
}

Result<Interpreter::Flow> Interpreter::run_macro(const Macro& macro, Scope* scope) {
  mark_captured(scope);
  Target target;
  target.name = macro.id;
  TRY_STATUS(assign(
      target, Value::object(Kind::function, std::make_shared<MacroObject>(macro, scope, program_)),
      scope));
  return Flow::next;
}

Result<Interpreter::Flow> Interpreter::run_call_block(const CallBlock& block, Scope* scope) {
  mark_captured(scope);
  const Value caller =
      Value::object(Kind::function, std::make_shared<MacroObject>(block, scope, program_));
  TRY(const Value value, evaluate_call(*block.call, scope, &caller));
  TRY_STATUS(emit_text(value));
  return Flow::next;
}

Scope* Interpreter::open_scope(Scope* parent) {
  Scope* scope = nullptr;
  if (free_scopes_.empty()) {
    scope = &scopes_.emplace_back();
  } else {
    scope = free_scopes_.back();
    free_scopes_.pop_back();
  }
  scope->parent = parent;
  return scope;
}

void Interpreter::close_scope(Scope* scope) {
  if (scope->captured) return;  // kept to the end: a macro may still look into it
  scope->variables.clear();
  free_scopes_.push_back(scope);
}

void Interpreter::mark_captured(Scope* scope) {
  for (; scope && !scope->captured; scope = scope->parent) scope->captured = true;
}

}  // namespace jiang::jinja
