// The syntax tree of a template. Immutable after parsing; several renders may walk it at once.
// Its depth is bounded by the parser, so walking and destroying it may recurse.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "text/jinja/value.h"

namespace jiang::jinja {

class Interpreter;
struct CallArguments;
using FilterFunction = Result<Value> (*)(Interpreter&, const Value&, const CallArguments&);
using TestFunction = Result<bool> (*)(Interpreter&, const Value&, const CallArguments&);

using NameId = int;  // index into Program::names

enum class ExprKind : uint8_t {
  constant,
  name,
  list,
  tuple,
  dict,
  concat,  // a ~ b ~ c
  all_of,  // and
  any_of,  // or
  invert,  // not
  negate,
  plus,
  binary,
  compare,
  conditional,
  attribute,
  item,
  slice,
  call,
  filter,
  test,
};

struct Expr {
  Expr(ExprKind kind_of, int at_line) : kind(kind_of), line(at_line) {}
  virtual ~Expr() = default;
  const ExprKind kind;
  const int line;
  int depth = 1;  // of the tree below
};
using ExprPtr = std::unique_ptr<Expr>;

struct Constant : Expr {
  Constant(int at_line, Value v) : Expr(ExprKind::constant, at_line), value(std::move(v)) {}
  Value value;
};

struct Name : Expr {
  Name(int at_line, NameId name) : Expr(ExprKind::name, at_line), id(name) {}
  NameId id;
};

// list, tuple, concat, all_of, any_of
struct Sequence : Expr {
  using Expr::Expr;
  std::vector<ExprPtr> items;
};

struct DictLiteral : Expr {
  explicit DictLiteral(int at_line) : Expr(ExprKind::dict, at_line) {}
  std::vector<std::pair<ExprPtr, ExprPtr>> entries;
};

// invert, negate, plus
struct Unary : Expr {
  using Expr::Expr;
  ExprPtr operand;
};

enum class BinaryOp : uint8_t { add, subtract, multiply, divide, floor_divide, modulo, power };

struct Binary : Expr {
  explicit Binary(int at_line) : Expr(ExprKind::binary, at_line) {}
  BinaryOp op = BinaryOp::add;
  ExprPtr left, right;
};

enum class CompareOp : uint8_t {
  equal,
  not_equal,
  less,
  less_equal,
  greater,
  greater_equal,
  in,
  not_in
};

// a < b < c
struct Compare : Expr {
  explicit Compare(int at_line) : Expr(ExprKind::compare, at_line) {}
  ExprPtr first;
  std::vector<std::pair<CompareOp, ExprPtr>> rest;
};

struct Conditional : Expr {
  explicit Conditional(int at_line) : Expr(ExprKind::conditional, at_line) {}
  ExprPtr test, then, otherwise;  // otherwise may be null
};

struct Attribute : Expr {
  explicit Attribute(int at_line) : Expr(ExprKind::attribute, at_line) {}
  ExprPtr object;
  std::string name;
};

struct Item : Expr {
  explicit Item(int at_line) : Expr(ExprKind::item, at_line) {}
  ExprPtr object, index;
};

// Only as the index of an Item; parts may be null.
struct Slice : Expr {
  explicit Slice(int at_line) : Expr(ExprKind::slice, at_line) {}
  ExprPtr start, stop, step;
};

struct Arguments {
  std::vector<ExprPtr> positional;
  std::vector<std::pair<std::string, ExprPtr>> keyword;
  ExprPtr more_positional, more_keyword;  // *x and **x; may be null
};

struct Call : Expr {
  explicit Call(int at_line) : Expr(ExprKind::call, at_line) {}
  ExprPtr callee;
  Arguments arguments;
};

struct Filter : Expr {
  explicit Filter(int at_line) : Expr(ExprKind::filter, at_line) {}
  ExprPtr operand;  // null: what the enclosing filter or set block captured
  std::string name;
  FilterFunction function = nullptr;  // null: unknown; an error if it is ever reached
  Arguments arguments;
};

struct Test : Expr {
  explicit Test(int at_line) : Expr(ExprKind::test, at_line) {}
  ExprPtr operand;
  std::string name;
  TestFunction function = nullptr;
  Arguments arguments;
};

enum class StatementKind : uint8_t {
  data,
  print,
  set,
  set_block,
  loop,
  branch,
  with,
  macro,
  call_block,
  filter_block,
  scope,  // block, generation, autoescape false
  loop_break,
  loop_continue,
};

struct Statement {
  Statement(StatementKind kind_of, int at_line) : kind(kind_of), line(at_line) {}
  virtual ~Statement() = default;
  const StatementKind kind;
  const int line;
};
using StatementPtr = std::unique_ptr<Statement>;
using Body = std::vector<StatementPtr>;

// What {% set %} and {% for %} assign to.
struct Target {
  NameId name = -1;           // of the variable, or of the namespace when `attribute` is set
  std::string attribute;      // ns.attribute
  std::vector<Target> items;  // (a, b, ...): then name is -1
};

struct Data : Statement {
  Data(int at_line, Value v) : Statement(StatementKind::data, at_line), value(std::move(v)) {}
  Value value;
};

struct Print : Statement {
  explicit Print(int at_line) : Statement(StatementKind::print, at_line) {}
  std::vector<ExprPtr> items;
};

struct Set : Statement {
  explicit Set(int at_line) : Statement(StatementKind::set, at_line) {}
  Target target;
  ExprPtr value;
};

struct SetBlock : Statement {
  explicit SetBlock(int at_line) : Statement(StatementKind::set_block, at_line) {}
  Target target;
  ExprPtr filter;  // may be null
  Body body;
};

struct Loop : Statement {
  explicit Loop(int at_line) : Statement(StatementKind::loop, at_line) {}
  Target target;
  ExprPtr iterable, test;  // test may be null
  bool recursive = false;
  bool uses_loop = false;  // `loop` occurs in the body
  Body body, otherwise;
};

struct Branch : Statement {
  explicit Branch(int at_line) : Statement(StatementKind::branch, at_line) {}
  std::vector<std::pair<ExprPtr, Body>> cases;  // if, elif, ...
  Body otherwise;
};

struct With : Statement {
  explicit With(int at_line) : Statement(StatementKind::with, at_line) {}
  std::vector<std::pair<Target, ExprPtr>> targets;
  Body body;
};

struct Signature {
  std::vector<NameId> parameters;
  std::vector<ExprPtr> defaults;  // of the last parameters
};

struct Macro : Statement {
  explicit Macro(int at_line, StatementKind kind_of = StatementKind::macro)
      : Statement(kind_of, at_line) {}
  std::string name;
  NameId id = -1;
  Signature signature;
  Body body;
  // Which of the special names the body reads.
  bool uses_caller = false, uses_kwargs = false, uses_varargs = false;
};

struct CallBlock : Macro {
  explicit CallBlock(int at_line) : Macro(at_line, StatementKind::call_block) {}
  std::unique_ptr<Call> call;
};

struct FilterBlock : Statement {
  explicit FilterBlock(int at_line) : Statement(StatementKind::filter_block, at_line) {}
  ExprPtr filter;
  Body body;
};

struct ScopeBlock : Statement {
  explicit ScopeBlock(int at_line) : Statement(StatementKind::scope, at_line) {}
  Body body;
};

struct Jump : Statement {
  using Statement::Statement;  // loop_break or loop_continue
};

struct Program {
  Body body;
  std::vector<std::string> names;  // every name that occurs, by NameId
};

}  // namespace jiang::jinja
