// {% for %} and its `loop` variable. Items are taken one by one, as jinja2 does: the loop's own
// filter runs when an item is taken, so it sees what the body did before.
#include "text/jinja/interpreter.h"
#include "text/jinja/python_value.h"

namespace jiang::jinja {
namespace {

constexpr NameId kLoop = 0;

}  // namespace

void LoopObject::take_children(Values& out) {
  source.reset();
  for (Value& value : rest) out.push_back(std::move(value));
  rest.clear();
  out.push_back(std::move(previous));
  out.push_back(std::move(current));
  if (peeked) out.push_back(std::move(*peeked));
  if (last_changed) out.push_back(std::move(*last_changed));
  peeked.reset();
  last_changed.reset();
}

Result<Interpreter::Flow> Interpreter::run_loop(const Loop& loop, Scope* scope) {
  TRY(const Value items, evaluate(*loop.iterable, scope));
  if (!loop.recursive) return run_loop_over(loop, scope, items, 0);
  mark_captured(scope);
  return run_loop_over(loop, scope, items, 0);
}

Result<Interpreter::Flow> Interpreter::run_loop_over(const Loop& loop, Scope* scope,
                                                     const Value& items, int64_t depth0) {
  auto context = std::make_shared<LoopObject>();
  context->statement = &loop;
  context->scope = scope;
  context->depth0 = depth0;
  TRY(context->source, iterate(budget_, items));
  if (!loop.test) context->length = static_cast<int64_t>(context->source->size());
  const Value loop_value = loop.uses_loop ? adopt(Kind::loop, context) : Value();

  bool completed_one = false;
  while (true) {
    TRY(std::optional<Value> item, take_item(*context));
    if (!item) break;
    ++context->index0;
    context->previous = std::move(context->current);
    context->current = *item;
    Scope* inner = open_scope(scope);
    Result<Flow> flow = [&]() -> Result<Flow> {
      if (loop.uses_loop) inner->variables.emplace_back(kLoop, loop_value);
      TRY_STATUS(assign(loop.target, *std::move(item), inner));
      return run(loop.body, inner);
    }();
    close_scope(inner);
    if (!flow) return flow;
    if (*flow == Flow::loop_break) break;
    completed_one = completed_one || *flow == Flow::next;
  }
  // As jinja2 has it: else runs when no iteration came to its end without a jump.
  if (!completed_one && !loop.otherwise.empty()) return run_scoped(loop.otherwise, scope);
  return Flow::next;
}

// The next item that passes the loop's filter; nullopt at the end.
Result<std::optional<Value>> Interpreter::take_unpeeked(LoopObject& loop) {
  if (loop.rest_next < loop.rest.size()) return std::optional<Value>(loop.rest[loop.rest_next++]);
  while (loop.next < loop.source->size()) {
    const Value& item = (*loop.source)[loop.next++];
    if (!budget_.spend(1)) return budget_.out_of_steps();
    if (!loop.statement->test) return std::optional<Value>(item);
    Scope* inner = open_scope(loop.scope);
    Result<Value> passes = [&]() -> Result<Value> {
      TRY_STATUS(assign(loop.statement->target, item, inner));
      return evaluate(*loop.statement->test, inner);
    }();
    close_scope(inner);
    if (!passes) return std::move(passes).error();
    if (is_true(*passes)) return std::optional<Value>(item);
  }
  return std::optional<Value>();
}

Result<std::optional<Value>> Interpreter::take_item(LoopObject& loop) {
  if (loop.peeked) return std::exchange(loop.peeked, std::nullopt);
  return take_unpeeked(loop);
}

Result<const Value*> Interpreter::peek_item(LoopObject& loop) {
  if (!loop.peeked) {
    TRY(loop.peeked, take_unpeeked(loop));
  }
  return loop.peeked ? &*loop.peeked : static_cast<const Value*>(nullptr);
}

Result<int64_t> Interpreter::loop_length(LoopObject& loop) {
  if (loop.length) return *loop.length;
  Values rest;
  while (true) {
    TRY(std::optional<Value> item, take_unpeeked(loop));
    if (!item) break;
    rest.push_back(*std::move(item));
  }
  loop.length = static_cast<int64_t>(rest.size()) + loop.index0 + 1 + (loop.peeked ? 1 : 0);
  loop.rest = std::move(rest);
  loop.rest_next = 0;
  return *loop.length;
}

namespace {

class LoopMethod : public FunctionObject {
 public:
  LoopMethod(Value loop, bool is_cycle) : loop_(std::move(loop)), is_cycle_(is_cycle) {}

  Result<Value> call(Interpreter& interpreter, const CallArguments& arguments) override {
    auto& loop = loop_.as<LoopObject>();
    const Values& values = arguments.positional;
    if (!arguments.keyword.empty()) {
      return fail(ErrorKind::invalid_argument, "loop.{} takes no keyword arguments",
                  is_cycle_ ? "cycle" : "changed");
    }
    if (is_cycle_) {
      if (values.empty()) return fail(ErrorKind::invalid_argument, "no items for cycling given");
      return values[static_cast<size_t>(std::max<int64_t>(loop.index0, 0)) % values.size()];
    }
    Value now = Value::tuple(values);
    if (loop.last_changed) {
      TRY(const bool same, equal(interpreter.budget(), *loop.last_changed, now));
      if (same) return Value::boolean(false);
    }
    loop.last_changed = std::move(now);
    return Value::boolean(true);
  }

  void take_children(Values& out) override { out.push_back(std::move(loop_)); }

 private:
  Value loop_;
  bool is_cycle_;
};

}  // namespace

Result<Value> Interpreter::loop_attribute(const Value& value, std::string_view name) {
  auto& loop = value.as<LoopObject>();
  if (name == "index") return Value::integer(loop.index0 + 1);
  if (name == "index0") return Value::integer(loop.index0);
  if (name == "first") return Value::boolean(loop.index0 == 0);
  if (name == "depth") return Value::integer(loop.depth0 + 1);
  if (name == "depth0") return Value::integer(loop.depth0);
  if (name == "last") {
    TRY(const Value* next, peek_item(loop));
    return Value::boolean(!next);
  }
  if (name == "nextitem") {
    TRY(const Value* next, peek_item(loop));
    return next ? *next : Value::undefined("there is no next item");
  }
  if (name == "previtem") {
    return loop.index0 == 0 ? Value::undefined("there is no previous item") : loop.previous;
  }
  if (name == "length" || name == "revindex" || name == "revindex0") {
    TRY(const int64_t length, loop_length(loop));
    if (name == "length") return Value::integer(length);
    return Value::integer(name == "revindex" ? length - loop.index0 : length - loop.index0 - 1);
  }
  if (name == "cycle" || name == "changed") {
    return adopt(Kind::function, std::make_shared<LoopMethod>(value, name == "cycle"));
  }
  return Value::undefined(fmt::format("'LoopContext' object has no attribute '{}'", name));
}

// {{ loop(children) }}: the body again, over the children.
Result<Value> Interpreter::loop_call(const Value& value, const CallArguments& arguments) {
  const auto& loop = value.as<LoopObject>();
  if (!loop.statement->recursive) {
    return fail(ErrorKind::invalid_argument,
                "the loop must have the 'recursive' marker to be called recursively");
  }
  if (arguments.positional.size() != 1 || !arguments.keyword.empty()) {
    return fail(ErrorKind::invalid_argument, "loop() takes one argument");
  }
  if (calls_ >= max_calls_) {
    return fail(ErrorKind::too_large, "loops call themselves deeper than {} levels", max_calls_);
  }
  ++calls_;
  Text text;
  Text* const outer = std::exchange(output_, &text);
  const Result<Flow> flow =
      run_loop_over(*loop.statement, loop.scope, arguments.positional[0], loop.depth0 + 1);
  output_ = outer;
  --calls_;
  if (!flow) return flow.error();
  return budget_.string(std::move(text));
}

}  // namespace jiang::jinja
