// The parser's state and its two halves: expressions (parser_expressions.cpp) and statements
// (parser_statements.cpp). Included by those files only.
#pragma once

#include <algorithm>
#include <initializer_list>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "text/jinja/ast.h"
#include "text/jinja/lexer.h"
#include "text/jinja/parser.h"

namespace jiang::jinja {

// What a tuple without brackets may end at, besides the end of its tag.
enum class TupleEnd { tag, in, recursive };

class Parser {
 public:
  explicit Parser(std::vector<Token> tokens) : tokens_(std::move(tokens)) {}
  Result<Program> parse();

 private:
  // Expressions, loosest first.
  Result<ExprPtr> parse_tuple(TupleEnd end, bool with_conditional, bool parenthesised = false);
  Result<ExprPtr> parse_expression();
  Result<ExprPtr> parse_conditional();
  Result<ExprPtr> parse_or();
  Result<ExprPtr> parse_and();
  Result<ExprPtr> parse_not();
  Result<ExprPtr> parse_compare();
  Result<ExprPtr> parse_sum();
  Result<ExprPtr> parse_concat();
  Result<ExprPtr> parse_product();
  Result<ExprPtr> parse_power();
  Result<ExprPtr> parse_unary(bool with_filter = true);
  Result<ExprPtr> parse_primary();
  Result<ExprPtr> parse_postfix(ExprPtr expr);
  Result<ExprPtr> parse_filters_and_tests(ExprPtr expr);
  Result<ExprPtr> parse_subscript(ExprPtr object);
  Result<ExprPtr> parse_index();
  Result<ExprPtr> parse_list();
  Result<ExprPtr> parse_dict();
  Result<ExprPtr> parse_call(ExprPtr callee);
  Status parse_arguments(Arguments& arguments);
  Result<ExprPtr> parse_filter(ExprPtr operand);  // after "|"; null operand: a captured block
  Result<ExprPtr> parse_test(ExprPtr operand);
  Result<ExprPtr> parse_binary(Result<ExprPtr> (Parser::*operand)(),
                               const std::vector<std::pair<std::string_view, BinaryOp>>& ops);

  // Statements.
  Result<Body> parse_body(const std::vector<std::string_view>& end_names);
  Result<Body> parse_block_body(const std::vector<std::string_view>& end_names);
  Result<StatementPtr> parse_statement();
  Result<StatementPtr> parse_statement_of(const std::string& name);
  Result<StatementPtr> parse_set();
  Result<StatementPtr> parse_for();
  Result<StatementPtr> parse_if();
  Result<StatementPtr> parse_with();
  Result<StatementPtr> parse_macro();
  Result<StatementPtr> parse_call_block();
  Result<StatementPtr> parse_filter_block();
  Result<StatementPtr> parse_scope(std::string_view end_name);
  Result<StatementPtr> parse_block();
  Result<StatementPtr> parse_autoescape();
  Result<StatementPtr> parse_print();
  Result<StatementPtr> parse_jump(StatementKind kind);
  Status parse_signature(Signature& signature);
  Result<Target> parse_target(TupleEnd end, bool with_namespace);
  Result<Target> to_target(const Expr& expr);
  Result<NameId> parse_target_name();

  // Tokens.
  const Token& current() const { return tokens_[position_]; }
  const Token& next() const { return tokens_[std::min(position_ + 1, tokens_.size() - 1)]; }
  Token take() {
    Token token = current();
    if (position_ + 1 < tokens_.size()) ++position_;
    return token;
  }
  bool skip_op(std::string_view op);
  bool skip_name(std::string_view name);
  Status expect_op(std::string_view op);
  Status expect(TokenKind kind, std::string_view what);
  Result<std::string> expect_name();
  bool at_tuple_end(TupleEnd end) const;
  static std::string describe(const Token& token);

  NameId intern(const std::string& name);
  // Takes the tree below `children` into account; too deep is an error.
  Status set_depth(Expr& expr, std::initializer_list<const Expr*> children);
  Status set_depth(Expr& expr, const Arguments& arguments);

  // An unknown filter or test is an error at once, unless it stands in a branch (an {% if %} or an
  // inline if): then it is one only when it is reached. Templates ask `if x is defined` first.
  void note_unknown(int line, std::string_view what, std::string_view name);
  Status refuse_unknown(size_t since);
  void forgive_unknown(size_t since) { unknown_.resize(since); }

  // Counts open levels of brackets, tags and operators.
  struct Nesting {
    explicit Nesting(int& level) : level_(level) { ++level_; }
    ~Nesting() { --level_; }
    int& level_;
  };
  Status check_nesting() const;

  std::vector<Token> tokens_;
  size_t position_ = 0;
  int nesting_ = 0;
  int loops_ = 0;  // open {% for %} bodies in the current macro: break is allowed inside
  // How often these names were read so far: tells whether a body reads them.
  int loop_reads_ = 0, caller_reads_ = 0, kwargs_reads_ = 0, varargs_reads_ = 0;
  std::vector<Error> unknown_;
  Program program_;
  std::unordered_map<std::string, NameId> ids_;
};

}  // namespace jiang::jinja
