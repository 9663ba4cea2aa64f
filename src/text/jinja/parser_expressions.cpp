#include <charconv>
#include <cstdlib>

#include "text/jinja/builtins.h"
#include "text/jinja/parser_impl.h"

namespace jiang::jinja {

namespace {

constexpr int kMaxTreeDepth = 400;

}  // namespace

Status Parser::check_nesting() const {
  if (nesting_ <= kMaxNesting) return ok();
  return fail_at(current().line, "nested deeper than {} levels", kMaxNesting);
}

Status Parser::set_depth(Expr& expr, std::initializer_list<const Expr*> children) {
  for (const Expr* child : children) {
    if (child) expr.depth = std::max(expr.depth, child->depth + 1);
  }
  if (expr.depth <= kMaxTreeDepth) return ok();
  return fail_at(expr.line, "this expression is nested deeper than {} levels", kMaxTreeDepth);
}

Status Parser::set_depth(Expr& expr, const Arguments& arguments) {
  for (const ExprPtr& argument : arguments.positional) {
    TRY_STATUS(set_depth(expr, {argument.get()}));
  }
  for (const auto& [name, argument] : arguments.keyword) {
    TRY_STATUS(set_depth(expr, {argument.get()}));
  }
  return set_depth(expr, {arguments.more_positional.get(), arguments.more_keyword.get()});
}

Result<ExprPtr> Parser::parse_tuple(TupleEnd end, bool with_conditional, bool parenthesised) {
  const int line = current().line;
  std::vector<ExprPtr> items;
  bool is_tuple = false;
  while (true) {
    if (!items.empty()) TRY_STATUS(expect_op(","));
    if (at_tuple_end(end)) break;
    TRY(ExprPtr item, with_conditional ? parse_expression() : parse_or());
    items.push_back(std::move(item));
    if (!current().is_op(",")) break;
    is_tuple = true;
  }
  if (!is_tuple && !items.empty()) return std::move(items[0]);
  if (!is_tuple && !parenthesised) {
    return fail_at(line, "expected an expression, got {}", describe(current()));
  }
  auto tuple = std::make_unique<Sequence>(ExprKind::tuple, line);
  for (const ExprPtr& item : items) TRY_STATUS(set_depth(*tuple, {item.get()}));
  tuple->items = std::move(items);
  return ExprPtr(std::move(tuple));
}

Result<ExprPtr> Parser::parse_expression() {
  const Nesting nesting(nesting_);
  TRY_STATUS(check_nesting());
  return parse_conditional();
}

Result<ExprPtr> Parser::parse_conditional() {
  const size_t unknown = unknown_.size();
  TRY(ExprPtr expr, parse_or());
  while (current().is_name("if")) {
    auto conditional = std::make_unique<Conditional>(take().line);
    conditional->then = std::move(expr);
    TRY(conditional->test, parse_or());
    if (skip_name("else")) {
      TRY(conditional->otherwise, parse_expression());
    }
    TRY_STATUS(set_depth(*conditional, {conditional->then.get(), conditional->test.get(),
                                        conditional->otherwise.get()}));
    forgive_unknown(unknown);
    expr = std::move(conditional);
  }
  return expr;
}

Result<ExprPtr> Parser::parse_or() {
  TRY(ExprPtr first, parse_and());
  if (!current().is_name("or")) return first;
  auto sequence = std::make_unique<Sequence>(ExprKind::any_of, current().line);
  TRY_STATUS(set_depth(*sequence, {first.get()}));
  sequence->items.push_back(std::move(first));
  while (skip_name("or")) {
    TRY(ExprPtr item, parse_and());
    TRY_STATUS(set_depth(*sequence, {item.get()}));
    sequence->items.push_back(std::move(item));
  }
  return ExprPtr(std::move(sequence));
}

Result<ExprPtr> Parser::parse_and() {
  TRY(ExprPtr first, parse_not());
  if (!current().is_name("and")) return first;
  auto sequence = std::make_unique<Sequence>(ExprKind::all_of, current().line);
  TRY_STATUS(set_depth(*sequence, {first.get()}));
  sequence->items.push_back(std::move(first));
  while (skip_name("and")) {
    TRY(ExprPtr item, parse_not());
    TRY_STATUS(set_depth(*sequence, {item.get()}));
    sequence->items.push_back(std::move(item));
  }
  return ExprPtr(std::move(sequence));
}

Result<ExprPtr> Parser::parse_not() {
  if (!current().is_name("not")) return parse_compare();
  const Nesting nesting(nesting_);
  TRY_STATUS(check_nesting());
  auto invert = std::make_unique<Unary>(ExprKind::invert, take().line);
  TRY(invert->operand, parse_not());
  TRY_STATUS(set_depth(*invert, {invert->operand.get()}));
  return ExprPtr(std::move(invert));
}

Result<ExprPtr> Parser::parse_compare() {
  static const std::vector<std::pair<std::string_view, CompareOp>> ops = {
      {"==", CompareOp::equal},  {"!=", CompareOp::not_equal},
      {"<", CompareOp::less},    {"<=", CompareOp::less_equal},
      {">", CompareOp::greater}, {">=", CompareOp::greater_equal}};
  TRY(ExprPtr first, parse_sum());
  std::vector<std::pair<CompareOp, ExprPtr>> rest;
  const int line = current().line;
  while (true) {
    std::optional<CompareOp> op;
    for (const auto& [text, kind] : ops) {
      if (current().is_op(text)) op = kind;
    }
    if (op) {
      take();
    } else if (skip_name("in")) {
      op = CompareOp::in;
    } else if (current().is_name("not") && next().is_name("in")) {
      take();
      take();
      op = CompareOp::not_in;
    } else {
      break;
    }
    TRY(ExprPtr operand, parse_sum());
    rest.emplace_back(*op, std::move(operand));
  }
  if (rest.empty()) return first;
  auto compare = std::make_unique<Compare>(line);
  TRY_STATUS(set_depth(*compare, {first.get()}));
  for (const auto& [op, operand] : rest) TRY_STATUS(set_depth(*compare, {operand.get()}));
  compare->first = std::move(first);
  compare->rest = std::move(rest);
  return ExprPtr(std::move(compare));
}

Result<ExprPtr> Parser::parse_binary(
    Result<ExprPtr> (Parser::*operand)(),
    const std::vector<std::pair<std::string_view, BinaryOp>>& ops) {
  TRY(ExprPtr left, (this->*operand)());
  while (true) {
    std::optional<BinaryOp> op;
    for (const auto& [text, kind] : ops) {
      if (current().is_op(text)) op = kind;
    }
    if (!op) return left;
    auto binary = std::make_unique<Binary>(take().line);
    binary->op = *op;
    binary->left = std::move(left);
    TRY(binary->right, (this->*operand)());
    TRY_STATUS(set_depth(*binary, {binary->left.get(), binary->right.get()}));
    left = std::move(binary);
  }
}

Result<ExprPtr> Parser::parse_sum() {
  static const std::vector<std::pair<std::string_view, BinaryOp>> ops = {{"+", BinaryOp::add},
                                                                         {"-", BinaryOp::subtract}};
  return parse_binary(&Parser::parse_concat, ops);
}

Result<ExprPtr> Parser::parse_concat() {
  TRY(ExprPtr first, parse_product());
  if (!current().is_op("~")) return first;
  auto concat = std::make_unique<Sequence>(ExprKind::concat, current().line);
  TRY_STATUS(set_depth(*concat, {first.get()}));
  concat->items.push_back(std::move(first));
  while (skip_op("~")) {
    TRY(ExprPtr item, parse_product());
    TRY_STATUS(set_depth(*concat, {item.get()}));
    concat->items.push_back(std::move(item));
  }
  return ExprPtr(std::move(concat));
}

Result<ExprPtr> Parser::parse_product() {
  static const std::vector<std::pair<std::string_view, BinaryOp>> ops = {
      {"*", BinaryOp::multiply},
      {"/", BinaryOp::divide},
      {"//", BinaryOp::floor_divide},
      {"%", BinaryOp::modulo}};
  return parse_binary(&Parser::parse_power, ops);
}

Result<ExprPtr> Parser::parse_power() {
  TRY(ExprPtr left, parse_unary());
  while (current().is_op("**")) {
    auto power = std::make_unique<Binary>(take().line);
    power->op = BinaryOp::power;
    power->left = std::move(left);
    TRY(power->right, parse_unary());
    TRY_STATUS(set_depth(*power, {power->left.get(), power->right.get()}));
    left = std::move(power);
  }
  return left;
}

// "-x|abs" is (-x)|abs, and "-x.y" is -(x.y): filters bind after the sign, subscripts before it.
Result<ExprPtr> Parser::parse_unary(bool with_filter) {
  const Nesting nesting(nesting_);
  TRY_STATUS(check_nesting());
  ExprPtr expr;
  if (current().is_op("-") || current().is_op("+")) {
    const ExprKind kind = current().is_op("-") ? ExprKind::negate : ExprKind::plus;
    auto unary = std::make_unique<Unary>(kind, take().line);
    TRY(unary->operand, parse_unary(/*with_filter=*/false));
    TRY_STATUS(set_depth(*unary, {unary->operand.get()}));
    expr = std::move(unary);
  } else {
    TRY(expr, parse_primary());
  }
  TRY(expr, parse_postfix(std::move(expr)));
  if (with_filter) {
    TRY(expr, parse_filters_and_tests(std::move(expr)));
  }
  return expr;
}

Result<ExprPtr> Parser::parse_primary() {
  const Token token = current();
  const auto constant = [&](Value value) {
    return ExprPtr(std::make_unique<Constant>(token.line, std::move(value)));
  };
  switch (token.kind) {
    case TokenKind::name:
      take();
      if (token.text == "true" || token.text == "True") return constant(Value::boolean(true));
      if (token.text == "false" || token.text == "False") return constant(Value::boolean(false));
      if (token.text == "none" || token.text == "None") return constant(Value::none());
      loop_reads_ += token.text == "loop";
      caller_reads_ += token.text == "caller";
      kwargs_reads_ += token.text == "kwargs";
      varargs_reads_ += token.text == "varargs";
      return ExprPtr(std::make_unique<Name>(token.line, intern(token.text)));
    case TokenKind::string: {
      std::string text;
      while (current().is(TokenKind::string)) text += take().text;
      return constant(Value::string(text, Origin::from_template));
    }
    case TokenKind::integer: {
      take();
      const bool radix = token.text.size() > 2 && token.text[0] == '0' && token.text[1] > '9';
      const int base = !radix                          ? 10
                       : (token.text[1] | 0x20) == 'x' ? 16
                       : (token.text[1] | 0x20) == 'o' ? 8
                                                       : 2;
      const std::string digits = radix ? token.text.substr(2) : token.text;
      int64_t value = 0;
      const auto parsed =
          std::from_chars(digits.data(), digits.data() + digits.size(), value, base);
      if (parsed.ec != std::errc()) {
        return fail_at(token.line, "{} does not fit a 64-bit integer", token.text);
      }
      return constant(Value::integer(value));
    }
    case TokenKind::real: {
      take();
      double value = 0;
      const char* end = token.text.data() + token.text.size();
      if (std::from_chars(token.text.data(), end, value).ec != std::errc()) {
        value = std::strtod(token.text.c_str(), nullptr);  // too large or too small: inf or 0
      }
      return constant(Value::real(value));
    }
    case TokenKind::op:
      if (token.text == "(") {
        const Nesting nesting(nesting_);
        TRY_STATUS(check_nesting());
        take();
        TRY(ExprPtr expr, parse_tuple(TupleEnd::tag, true, /*parenthesised=*/true));
        TRY_STATUS(expect_op(")"));
        return expr;
      }
      if (token.text == "[") return parse_list();
      if (token.text == "{") return parse_dict();
      break;
    default:
      break;
  }
  return fail_at(token.line, "unexpected {}", describe(token));
}

Result<ExprPtr> Parser::parse_list() {
  auto list = std::make_unique<Sequence>(ExprKind::list, take().line);
  while (!current().is_op("]")) {
    if (!list->items.empty()) TRY_STATUS(expect_op(","));
    if (current().is_op("]")) break;
    TRY(ExprPtr item, parse_expression());
    TRY_STATUS(set_depth(*list, {item.get()}));
    list->items.push_back(std::move(item));
  }
  TRY_STATUS(expect_op("]"));
  return ExprPtr(std::move(list));
}

Result<ExprPtr> Parser::parse_dict() {
  auto dict = std::make_unique<DictLiteral>(take().line);
  while (!current().is_op("}")) {
    if (!dict->entries.empty()) TRY_STATUS(expect_op(","));
    if (current().is_op("}")) break;
    TRY(ExprPtr key, parse_expression());
    TRY_STATUS(expect_op(":"));
    TRY(ExprPtr value, parse_expression());
    TRY_STATUS(set_depth(*dict, {key.get(), value.get()}));
    dict->entries.emplace_back(std::move(key), std::move(value));
  }
  TRY_STATUS(expect_op("}"));
  return ExprPtr(std::move(dict));
}

Result<ExprPtr> Parser::parse_postfix(ExprPtr expr) {
  while (true) {
    if (current().is_op(".") || current().is_op("[")) {
      TRY(expr, parse_subscript(std::move(expr)));
    } else if (current().is_op("(")) {
      TRY(expr, parse_call(std::move(expr)));
    } else {
      return expr;
    }
  }
}

Result<ExprPtr> Parser::parse_filters_and_tests(ExprPtr expr) {
  while (true) {
    if (skip_op("|")) {
      TRY(expr, parse_filter(std::move(expr)));
    } else if (current().is_name("is")) {
      TRY(expr, parse_test(std::move(expr)));
    } else if (current().is_op("(")) {
      TRY(expr, parse_call(std::move(expr)));
    } else {
      return expr;
    }
  }
}

Result<ExprPtr> Parser::parse_subscript(ExprPtr object) {
  const Token token = take();
  if (token.text == ".") {
    const Token name = take();
    if (name.is(TokenKind::name)) {
      auto attribute = std::make_unique<Attribute>(token.line);
      TRY_STATUS(set_depth(*attribute, {object.get()}));
      attribute->object = std::move(object);
      attribute->name = name.text;
      return ExprPtr(std::move(attribute));
    }
    if (!name.is(TokenKind::integer)) {
      return fail_at(name.line, "expected a name or number after '.', got {}", describe(name));
    }
    auto item = std::make_unique<Item>(token.line);
    TRY_STATUS(set_depth(*item, {object.get()}));
    item->object = std::move(object);
    int64_t index = 0;
    if (std::from_chars(name.text.data(), name.text.data() + name.text.size(), index).ec !=
        std::errc()) {
      return fail_at(name.line, "{} does not fit a 64-bit integer", name.text);
    }
    item->index = std::make_unique<Constant>(name.line, Value::integer(index));
    return ExprPtr(std::move(item));
  }
  std::vector<ExprPtr> indices;
  while (!current().is_op("]")) {
    if (!indices.empty()) TRY_STATUS(expect_op(","));
    TRY(ExprPtr index, parse_index());
    indices.push_back(std::move(index));
  }
  TRY_STATUS(expect_op("]"));
  auto item = std::make_unique<Item>(token.line);
  if (indices.size() == 1) {
    item->index = std::move(indices[0]);
  } else {
    auto tuple = std::make_unique<Sequence>(ExprKind::tuple, token.line);
    for (const ExprPtr& index : indices) {
      if (index->kind == ExprKind::slice) {
        return fail_at(token.line, "a slice cannot be one of several subscripts");
      }
      TRY_STATUS(set_depth(*tuple, {index.get()}));
    }
    tuple->items = std::move(indices);
    item->index = std::move(tuple);
  }
  TRY_STATUS(set_depth(*item, {object.get(), item->index.get()}));
  item->object = std::move(object);
  return ExprPtr(std::move(item));
}

Result<ExprPtr> Parser::parse_index() {
  const int line = current().line;
  ExprPtr start;
  if (!current().is_op(":")) {
    TRY(start, parse_expression());
    if (!current().is_op(":")) return start;
  }
  take();
  auto slice = std::make_unique<Slice>(line);
  slice->start = std::move(start);
  const auto at_end = [&] { return current().is_op("]") || current().is_op(","); };
  if (!at_end() && !current().is_op(":")) {
    TRY(slice->stop, parse_expression());
  }
  if (skip_op(":") && !at_end()) {
    TRY(slice->step, parse_expression());
  }
  TRY_STATUS(set_depth(*slice, {slice->start.get(), slice->stop.get(), slice->step.get()}));
  return ExprPtr(std::move(slice));
}

Result<ExprPtr> Parser::parse_call(ExprPtr callee) {
  auto call = std::make_unique<Call>(current().line);
  TRY_STATUS(set_depth(*call, {callee.get()}));
  call->callee = std::move(callee);
  TRY_STATUS(parse_arguments(call->arguments));
  TRY_STATUS(set_depth(*call, call->arguments));
  return ExprPtr(std::move(call));
}

Status Parser::parse_arguments(Arguments& arguments) {
  const int line = take().line;
  const auto invalid = [&] { return fail_at(line, "invalid syntax for function call"); };
  bool first = true;
  while (!current().is_op(")")) {
    if (!first) {
      TRY_STATUS(expect_op(","));
      if (current().is_op(")")) break;
    }
    first = false;
    if (current().is_op("*")) {
      if (arguments.more_positional || arguments.more_keyword) return invalid();
      take();
      TRY(arguments.more_positional, parse_expression());
    } else if (current().is_op("**")) {
      if (arguments.more_keyword) return invalid();
      take();
      TRY(arguments.more_keyword, parse_expression());
    } else if (current().is(TokenKind::name) && next().is_op("=")) {
      if (arguments.more_keyword) return invalid();
      const std::string name = take().text;
      take();
      for (const auto& [other, value] : arguments.keyword) {
        if (other == name) return fail_at(line, "keyword argument {} is repeated", name);
      }
      TRY(ExprPtr value, parse_expression());
      arguments.keyword.emplace_back(name, std::move(value));
    } else {
      if (arguments.more_positional || arguments.more_keyword || !arguments.keyword.empty()) {
        return invalid();
      }
      TRY(ExprPtr value, parse_expression());
      arguments.positional.push_back(std::move(value));
    }
  }
  return expect_op(")");
}

Result<ExprPtr> Parser::parse_filter(ExprPtr operand) {
  while (true) {
    auto filter = std::make_unique<Filter>(current().line);
    TRY(filter->name, expect_name());
    while (skip_op(".")) {
      TRY(const std::string more, expect_name());
      filter->name += "." + more;
    }
    filter->function = find_filter(filter->name);
    if (!filter->function) note_unknown(filter->line, "filter", filter->name);
    if (current().is_op("(")) TRY_STATUS(parse_arguments(filter->arguments));
    TRY_STATUS(set_depth(*filter, {operand.get()}));
    TRY_STATUS(set_depth(*filter, filter->arguments));
    filter->operand = std::move(operand);
    operand = std::move(filter);
    if (!skip_op("|")) return operand;
  }
}

Result<ExprPtr> Parser::parse_test(ExprPtr operand) {
  auto test = std::make_unique<Test>(take().line);
  const bool negated = skip_name("not");
  TRY(test->name, expect_name());
  while (skip_op(".")) {
    TRY(const std::string more, expect_name());
    test->name += "." + more;
  }
  test->function = find_test(test->name);
  if (!test->function) note_unknown(test->line, "test", test->name);
  const Token& token = current();
  const bool starts_operand = token.is(TokenKind::name) || token.is(TokenKind::string) ||
                              token.is(TokenKind::integer) || token.is(TokenKind::real) ||
                              token.is_op("[") || token.is_op("{");
  if (token.is_op("(")) {
    TRY_STATUS(parse_arguments(test->arguments));
  } else if (starts_operand && !token.is_name("else") && !token.is_name("or") &&
             !token.is_name("and")) {
    if (token.is_name("is")) return fail_at(token.line, "tests cannot be chained with is");
    TRY(ExprPtr argument, parse_primary());
    TRY(argument, parse_postfix(std::move(argument)));
    test->arguments.positional.push_back(std::move(argument));
  }
  TRY_STATUS(set_depth(*test, {operand.get()}));
  TRY_STATUS(set_depth(*test, test->arguments));
  test->operand = std::move(operand);
  if (!negated) return ExprPtr(std::move(test));
  auto invert = std::make_unique<Unary>(ExprKind::invert, test->line);
  TRY_STATUS(set_depth(*invert, {test.get()}));
  invert->operand = std::move(test);
  return ExprPtr(std::move(invert));
}

}  // namespace jiang::jinja
