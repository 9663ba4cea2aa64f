#include "text/jinja/parser_impl.h"

namespace jiang::jinja {

Result<Program> parse(std::string_view source) {
  if (source.size() > kMaxTemplateBytes) {
    return fail(ErrorKind::too_large, "the chat template has {} bytes, at most {} are allowed",
                source.size(), kMaxTemplateBytes);
  }
  TRY(std::vector<Token> tokens, tokenize(source));
  return Parser(std::move(tokens)).parse();
}

Result<Program> Parser::parse() {
  intern("loop");  // NameId 0 and on: what the interpreter itself binds
  intern("caller");
  intern("kwargs");
  intern("varargs");
  TRY(program_.body, parse_body({}));
  TRY_STATUS(refuse_unknown(0));
  program_.names.resize(ids_.size());
  for (const auto& [name, id] : ids_) program_.names[static_cast<size_t>(id)] = name;
  return std::move(program_);
}

// Up to a tag whose name is one of `end_names`; that name is the current token then.
Result<Body> Parser::parse_body(const std::vector<std::string_view>& end_names) {
  const Nesting nesting(nesting_);
  TRY_STATUS(check_nesting());
  Body body;
  while (true) {
    const Token token = current();
    switch (token.kind) {
      case TokenKind::data:
        take();
        body.push_back(
            std::make_unique<Data>(token.line, Value::string(token.text, Origin::from_template)));
        break;
      case TokenKind::variable_begin: {
        take();
        auto print = std::make_unique<Print>(token.line);
        TRY(ExprPtr expr, parse_tuple(TupleEnd::tag, true));
        TRY_STATUS(expect(TokenKind::variable_end, "}}"));
        print->items.push_back(std::move(expr));
        body.push_back(std::move(print));
        break;
      }
      case TokenKind::block_begin: {
        take();
        for (const std::string_view name : end_names) {
          if (current().is_name(name)) return body;
        }
        TRY(StatementPtr statement, parse_statement());
        if (statement) body.push_back(std::move(statement));
        TRY_STATUS(expect(TokenKind::block_end, "%}"));
        break;
      }
      default:
        if (token.is(TokenKind::end) && end_names.empty()) return body;
        if (token.is(TokenKind::end)) {
          return fail_at(token.line, "the template ends where {{% {} %}} is missing",
                         end_names.back());
        }
        return fail_at(token.line, "unexpected {}", describe(token));
    }
  }
}

// The rest of an opening tag, then its body.
Result<Body> Parser::parse_block_body(const std::vector<std::string_view>& end_names) {
  skip_op(":");
  TRY_STATUS(expect(TokenKind::block_end, "%}"));
  return parse_body(end_names);
}

Result<StatementPtr> Parser::parse_statement() {
  const Token token = current();
  if (!token.is(TokenKind::name)) {
    return fail_at(token.line, "expected a tag name, got {}", describe(token));
  }
  const Nesting nesting(nesting_);
  TRY_STATUS(check_nesting());
  return parse_statement_of(token.text);
}

Result<StatementPtr> Parser::parse_statement_of(const std::string& name) {
  if (name == "set") return parse_set();
  if (name == "for") return parse_for();
  if (name == "if") return parse_if();
  if (name == "with") return parse_with();
  if (name == "macro") return parse_macro();
  if (name == "call") return parse_call_block();
  if (name == "filter") return parse_filter_block();
  if (name == "generation") return parse_scope("endgeneration");
  if (name == "block") return parse_block();
  if (name == "autoescape") return parse_autoescape();
  if (name == "print") return parse_print();
  if (name == "break") return parse_jump(StatementKind::loop_break);
  if (name == "continue") return parse_jump(StatementKind::loop_continue);
  if (name == "include" || name == "import" || name == "from" || name == "extends") {
    return fail_at(current().line, "{{% {} %}} is not allowed: a chat template stands alone", name);
  }
  return fail_at(current().line, "unknown tag '{}'", name);
}

Result<StatementPtr> Parser::parse_set() {
  const int line = take().line;
  TRY(Target target, parse_target(TupleEnd::tag, /*with_namespace=*/true));
  if (skip_op("=")) {
    auto set = std::make_unique<Set>(line);
    set->target = std::move(target);
    TRY(set->value, parse_tuple(TupleEnd::tag, true));
    return StatementPtr(std::move(set));
  }
  auto block = std::make_unique<SetBlock>(line);
  const size_t unknown = unknown_.size();
  block->target = std::move(target);
  if (skip_op("|")) {
    TRY(block->filter, parse_filter(nullptr));
  }
  TRY(block->body, parse_block_body({"endset"}));
  take();
  TRY_STATUS(refuse_unknown(unknown));
  return StatementPtr(std::move(block));
}

Result<StatementPtr> Parser::parse_for() {
  auto loop = std::make_unique<Loop>(take().line);
  TRY(loop->target, parse_target(TupleEnd::in, /*with_namespace=*/false));
  if (!skip_name("in")) {
    return fail_at(current().line, "expected 'in', got {}", describe(current()));
  }
  TRY(loop->iterable, parse_tuple(TupleEnd::recursive, /*with_conditional=*/false));
  const size_t unknown = unknown_.size();
  if (skip_name("if")) {
    TRY(loop->test, parse_expression());
  }
  loop->recursive = skip_name("recursive");
  const int reads = loop_reads_;
  ++loops_;
  TRY(loop->body, parse_block_body({"endfor", "else"}));
  --loops_;
  loop->uses_loop = loop->recursive || loop_reads_ > reads;
  if (take().text == "else") {
    TRY(loop->otherwise, parse_block_body({"endfor"}));
    take();
  }
  TRY_STATUS(refuse_unknown(unknown));
  return StatementPtr(std::move(loop));
}

Result<StatementPtr> Parser::parse_if() {
  const size_t unknown = unknown_.size();
  auto branch = std::make_unique<Branch>(current().line);
  while (true) {
    take();  // if, elif
    TRY(ExprPtr test, parse_tuple(TupleEnd::tag, /*with_conditional=*/false));
    TRY(Body body, parse_block_body({"elif", "else", "endif"}));
    branch->cases.emplace_back(std::move(test), std::move(body));
    if (!current().is_name("elif")) break;
  }
  if (take().text == "else") {
    TRY(branch->otherwise, parse_block_body({"endif"}));
    take();
  }
  forgive_unknown(unknown);
  return StatementPtr(std::move(branch));
}

Result<StatementPtr> Parser::parse_with() {
  auto with = std::make_unique<With>(take().line);
  while (!current().is(TokenKind::block_end)) {
    if (!with->targets.empty()) TRY_STATUS(expect_op(","));
    TRY(ExprPtr name, parse_primary());
    TRY(Target target, to_target(*name));
    TRY_STATUS(expect_op("="));
    TRY(ExprPtr value, parse_expression());
    with->targets.emplace_back(std::move(target), std::move(value));
  }
  const size_t unknown = unknown_.size();
  TRY(with->body, parse_block_body({"endwith"}));
  take();
  TRY_STATUS(refuse_unknown(unknown));
  return StatementPtr(std::move(with));
}

Status Parser::parse_signature(Signature& signature) {
  TRY_STATUS(expect_op("("));
  while (!current().is_op(")")) {
    if (!signature.parameters.empty()) TRY_STATUS(expect_op(","));
    const int line = current().line;
    TRY(const NameId name, parse_target_name());
    if (std::count(signature.parameters.begin(), signature.parameters.end(), name)) {
      return fail_at(line, "two parameters have one name");
    }
    signature.parameters.push_back(name);
    if (skip_op("=")) {
      TRY(ExprPtr value, parse_expression());
      signature.defaults.push_back(std::move(value));
    } else if (!signature.defaults.empty()) {
      return fail_at(line, "a parameter without default follows one with a default");
    }
  }
  return expect_op(")");
}

Result<StatementPtr> Parser::parse_macro() {
  auto macro = std::make_unique<Macro>(take().line);
  const size_t unknown = unknown_.size();
  macro->name = current().text;
  TRY(macro->id, parse_target_name());
  TRY_STATUS(parse_signature(macro->signature));
  const int callers = caller_reads_, kwargs = kwargs_reads_, varargs = varargs_reads_;
  const int loops = std::exchange(loops_, 0);
  TRY(macro->body, parse_block_body({"endmacro"}));
  loops_ = loops;
  take();
  macro->uses_caller = caller_reads_ > callers;
  macro->uses_kwargs = kwargs_reads_ > kwargs;
  macro->uses_varargs = varargs_reads_ > varargs;
  TRY_STATUS(refuse_unknown(unknown));
  return StatementPtr(std::move(macro));
}

Result<StatementPtr> Parser::parse_call_block() {
  auto block = std::make_unique<CallBlock>(take().line);
  if (current().is_op("(")) TRY_STATUS(parse_signature(block->signature));
  TRY(ExprPtr call, parse_expression());
  if (call->kind != ExprKind::call) return fail_at(block->line, "expected a call");
  block->call.reset(static_cast<Call*>(call.release()));
  const size_t unknown = unknown_.size();
  const int callers = caller_reads_, kwargs = kwargs_reads_, varargs = varargs_reads_;
  const int loops = std::exchange(loops_, 0);
  TRY(block->body, parse_block_body({"endcall"}));
  loops_ = loops;
  take();
  block->uses_caller = caller_reads_ > callers;
  block->uses_kwargs = kwargs_reads_ > kwargs;
  block->uses_varargs = varargs_reads_ > varargs;
  TRY_STATUS(refuse_unknown(unknown));
  return StatementPtr(std::move(block));
}

Result<StatementPtr> Parser::parse_filter_block() {
  auto block = std::make_unique<FilterBlock>(take().line);
  const size_t unknown = unknown_.size();
  TRY(block->filter, parse_filter(nullptr));
  TRY(block->body, parse_block_body({"endfilter"}));
  take();
  TRY_STATUS(refuse_unknown(unknown));
  return StatementPtr(std::move(block));
}

Result<StatementPtr> Parser::parse_scope(std::string_view end_name) {
  auto scope = std::make_unique<ScopeBlock>(take().line);
  const size_t unknown = unknown_.size();
  const int loops = std::exchange(loops_, 0);
  TRY(scope->body, parse_block_body({end_name}));
  loops_ = loops;
  take();
  TRY_STATUS(refuse_unknown(unknown));
  return StatementPtr(std::move(scope));
}

Result<StatementPtr> Parser::parse_block() {
  const Token tag = take();
  const std::string name = current().text;
  TRY_STATUS(expect(TokenKind::name, "a block name"));
  skip_name("scoped");
  skip_name("required");
  auto scope = std::make_unique<ScopeBlock>(tag.line);
  const size_t unknown = unknown_.size();
  const int loops = std::exchange(loops_, 0);
  TRY(scope->body, parse_block_body({"endblock"}));
  loops_ = loops;
  take();
  skip_name(name);
  TRY_STATUS(refuse_unknown(unknown));
  return StatementPtr(std::move(scope));
}

Result<StatementPtr> Parser::parse_autoescape() {
  const int line = current().line;
  if (!next().is_name("false") && !next().is_name("False")) {
    return fail_at(line, "{{% autoescape %}} is not supported: a prompt is not HTML");
  }
  take();
  return parse_scope("endautoescape");
}

Result<StatementPtr> Parser::parse_print() {
  auto print = std::make_unique<Print>(take().line);
  while (!current().is(TokenKind::block_end)) {
    if (!print->items.empty()) TRY_STATUS(expect_op(","));
    TRY(ExprPtr expr, parse_expression());
    print->items.push_back(std::move(expr));
  }
  return StatementPtr(std::move(print));
}

Result<StatementPtr> Parser::parse_jump(StatementKind kind) {
  const Token token = take();
  if (loops_ == 0) return fail_at(token.line, "'{}' outside of a loop", token.text);
  return StatementPtr(std::make_unique<Jump>(kind, token.line));
}

Result<NameId> Parser::parse_target_name() {
  const Token token = current();
  TRY(const std::string name, expect_name());
  for (const std::string_view reserved : {"true", "false", "none", "True", "False", "None"}) {
    if (name == reserved) return fail_at(token.line, "cannot assign to {}", name);
  }
  if (name == "loop" && loops_ > 0) {
    return fail_at(token.line, "cannot assign to the special variable loop inside a loop");
  }
  return intern(name);
}

Result<Target> Parser::parse_target(TupleEnd end, bool with_namespace) {
  if (with_namespace && next().is_op(".")) {
    Target target;
    TRY(target.name, parse_target_name());
    take();
    TRY(target.attribute, expect_name());
    return target;
  }
  const int line = current().line;
  std::vector<Target> targets;
  bool is_tuple = false;
  while (true) {
    if (!targets.empty()) TRY_STATUS(expect_op(","));
    if (at_tuple_end(end) || current().is_op("=")) break;
    TRY(const ExprPtr expr, parse_primary());
    TRY(Target target, to_target(*expr));
    targets.push_back(std::move(target));
    if (!current().is_op(",")) break;
    is_tuple = true;
  }
  if (!is_tuple && !targets.empty()) return std::move(targets[0]);
  if (!is_tuple) return fail_at(line, "expected a variable name, got {}", describe(current()));
  Target tuple;
  tuple.items = std::move(targets);
  return tuple;
}

Result<Target> Parser::to_target(const Expr& expr) {
  Target target;
  if (expr.kind == ExprKind::name) {
    target.name = static_cast<const Name&>(expr).id;
    if (target.name == ids_.at("loop")) {
      --loop_reads_;
      if (loops_ > 0) {
        return fail_at(expr.line, "cannot assign to the special variable loop inside a loop");
      }
    }
    return target;
  }
  if (expr.kind != ExprKind::tuple) return fail_at(expr.line, "this cannot be assigned to");
  for (const ExprPtr& item : static_cast<const Sequence&>(expr).items) {
    TRY(Target inner, to_target(*item));
    target.items.push_back(std::move(inner));
  }
  return target;
}

bool Parser::at_tuple_end(TupleEnd end) const {
  const Token& token = current();
  return token.is(TokenKind::variable_end) || token.is(TokenKind::block_end) || token.is_op(")") ||
         (end == TupleEnd::in && token.is_name("in")) ||
         (end == TupleEnd::recursive && token.is_name("recursive"));
}

bool Parser::skip_op(std::string_view op) {
  if (!current().is_op(op)) return false;
  take();
  return true;
}

bool Parser::skip_name(std::string_view name) {
  if (!current().is_name(name)) return false;
  take();
  return true;
}

Status Parser::expect_op(std::string_view op) {
  if (skip_op(op)) return ok();
  return fail_at(current().line, "expected '{}', got {}", op, describe(current()));
}

Status Parser::expect(TokenKind kind, std::string_view what) {
  if (!current().is(kind)) {
    return fail_at(current().line, "expected {}, got {}", what, describe(current()));
  }
  take();
  return ok();
}

Result<std::string> Parser::expect_name() {
  if (current().is(TokenKind::name)) return take().text;
  return fail_at(current().line, "expected a name, got {}", describe(current()));
}

std::string Parser::describe(const Token& token) {
  switch (token.kind) {
    case TokenKind::data:
      return "text";
    case TokenKind::block_begin:
      return "'{%'";
    case TokenKind::block_end:
      return "'%}'";
    case TokenKind::variable_begin:
      return "'{{'";
    case TokenKind::variable_end:
      return "'}}'";
    case TokenKind::string:
      return "a string";
    case TokenKind::end:
      return "the end of the template";
    default:
      return fmt::format("'{}'", token.text.substr(0, 80));
  }
}

NameId Parser::intern(const std::string& name) {
  return ids_.emplace(name, static_cast<NameId>(ids_.size())).first->second;
}

void Parser::note_unknown(int line, std::string_view what, std::string_view name) {
  unknown_.push_back(fail_at(line, "no {} named '{}'", what, name));
}

Status Parser::refuse_unknown(size_t since) {
  if (unknown_.size() > since) return unknown_[since];
  return ok();
}

}  // namespace jiang::jinja
