// Walks a template's tree over a context and collects its output. One object is one render.
//
// Everything a template can reach is a Value: there are no host objects, no files, no environment,
// and of time only strftime_now.
#pragma once

#include <ctime>
#include <deque>
#include <memory>
#include <optional>
#include <vector>

#include "text/jinja/ast.h"
#include "text/jinja/budget.h"
#include "text/jinja/builtins.h"

namespace jiang::jinja {

// The variables of one block. The outermost one is the Interpreter's globals_.
struct Scope {
  Scope* parent = nullptr;  // null: its parent is globals_
  std::vector<std::pair<NameId, Value>> variables;
  bool captured = false;  // a macro defined inside may outlive the block
};

struct FunctionObject : Object {
  virtual Result<Value> call(Interpreter& interpreter, const CallArguments& arguments) = 0;
  virtual Value attribute(std::string_view) const { return Value(); }
};

struct LoopObject : Object {
  const Loop* statement = nullptr;
  Scope* scope = nullptr;  // where the loop stands: for its filter and for recursion
  std::shared_ptr<const Values> source;
  size_t next = 0;              // of source, not yet taken
  std::optional<Value> peeked;  // taken from source, but not yet the current item
  int64_t index0 = -1;
  std::optional<int64_t> length;
  std::vector<Value> rest;  // what length() had to take from source: before it
  size_t rest_next = 0;
  Value previous, current;
  std::optional<Value> last_changed;
  int64_t depth0 = 0;
  void take_children(Values& out) override;
};

struct RenderLimits {
  int64_t max_steps = 0;
  int max_calls = 0;
  size_t max_output_bytes = 0;
};

class Interpreter {
 public:
  // `now`: what strftime_now tells.
  Interpreter(const Program& program, const RenderLimits& limits, const std::tm& now);
  ~Interpreter();
  Interpreter(const Interpreter&) = delete;
  Interpreter& operator=(const Interpreter&) = delete;

  void set_variable(std::string_view name, Value value);
  Result<Text> render();

  // For the builtins.
  Budget& budget() { return budget_; }
  const std::tm& now() const { return now_; }
  // The object can point back to itself through {% set %}: its contents are dropped at the end.
  Value adopt(Kind kind, std::shared_ptr<Object> object);
  Result<Value> call(const Value& callee, const CallArguments& arguments);
  Result<Value> get_attribute(const Value& object, std::string_view name);
  Result<Value> get_item(const Value& object, const Value& index);
  Result<Value> call_macro(const Macro& macro, Scope* closure, const CallArguments& arguments);

 private:
  enum class Flow : uint8_t { next, loop_break, loop_continue };
  struct Depth;

  // interpreter_statements.cpp
  Result<Flow> run(const Body& body, Scope* scope);
  Result<Flow> run(const Statement& statement, Scope* scope);
  Result<Flow> run_scoped(const Body& body, Scope* scope);
  Result<Flow> run_print(const Print& print, Scope* scope);
  Result<Flow> run_set(const Set& set, Scope* scope);
  Result<Flow> run_set_block(const SetBlock& set, Scope* scope);
  Result<Flow> run_branch(const Branch& branch, Scope* scope);
  Result<Flow> run_loop(const Loop& loop, Scope* scope);
  Result<Flow> run_loop_over(const Loop& loop, Scope* scope, const Value& items, int64_t depth0);
  Result<Flow> run_with(const With& with, Scope* scope);
  Result<Flow> run_macro(const Macro& macro, Scope* scope);
  Result<Flow> run_call_block(const CallBlock& block, Scope* scope);
  Result<Flow> run_filter_block(const FilterBlock& block, Scope* scope);
  Status assign(const Target& target, Value value, Scope* scope);
  Status bind_parameters(const Macro& macro, Scope* scope, const CallArguments& arguments);
  // Runs what `body` does with the output going to a string.
  template <class Run>
  Result<Value> capture(Run body);
  Status emit(const Value& value);
  Status emit_text(const Value& value);  // of a filter or call block: nothing but a string

  // interpreter_loop.cpp
  Result<std::optional<Value>> take_item(LoopObject& loop);
  Result<std::optional<Value>> take_unpeeked(LoopObject& loop);
  Result<const Value*> peek_item(LoopObject& loop);
  Result<int64_t> loop_length(LoopObject& loop);
  Result<Value> loop_attribute(const Value& loop, std::string_view name);
  Result<Value> loop_call(const Value& loop, const CallArguments& arguments);

  // interpreter_expressions.cpp
  Result<Value> evaluate(const Expr& expr, Scope* scope);
  Result<Value> evaluate_node(const Expr& expr, Scope* scope);
  Result<Value> evaluate_name(const Name& name, Scope* scope);
  Result<Value> evaluate_sequence(const Sequence& sequence, Scope* scope);
  Result<Value> evaluate_dict(const DictLiteral& dict, Scope* scope);
  Result<Value> evaluate_logic(const Sequence& sequence, Scope* scope);
  Result<Value> evaluate_unary(const Unary& unary, Scope* scope);
  Result<Value> evaluate_compare(const Compare& compare, Scope* scope);
  Result<Value> evaluate_conditional(const Conditional& conditional, Scope* scope);
  Result<Value> evaluate_item(const Item& item, Scope* scope);
  Result<Value> evaluate_call(const Call& call, Scope* scope, const Value* caller = nullptr);
  Result<Value> evaluate_filter(const Filter& filter, Scope* scope);
  Result<Value> evaluate_test(const Test& test, Scope* scope);
  Result<CallArguments> evaluate_arguments(const Arguments& arguments, Scope* scope);
  const Value* find_variable(NameId id, const Scope* scope) const;

  Scope* open_scope(Scope* parent);
  void close_scope(Scope* scope);
  static void mark_captured(Scope* scope);

  const Program& program_;
  const int max_calls_;
  const std::tm now_;
  Budget budget_;
  std::vector<std::optional<Value>> globals_;  // by NameId
  std::deque<Scope> scopes_;                   // all of them; free_scopes_ may be used again
  std::vector<Scope*> free_scopes_;
  std::vector<std::shared_ptr<Object>> adopted_;
  Text* output_ = nullptr;
  Text captured_;  // the operand of a filter or set block's filter
  int calls_ = 0;
  // Nodes on the C++ stack at once: an expression's depth, times the macros called inside of it.
  static constexpr int kMaxDepth = 2000;
  int depth_ = 0;       // of evaluate() and run() on the C++ stack
  int error_line_ = 0;  // of the innermost node that failed
};

}  // namespace jiang::jinja
