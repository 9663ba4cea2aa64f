#include "chat/answer_grammar.h"

#include <algorithm>

#include "base/json_value.h"
#include "text/json_schema.h"

namespace jiang {
namespace {

constexpr size_t kMaxKept = 32;

}  // namespace

bool has_tools(const ChatRequest& request) {
  return !request.tools.is_null() && !request.tools.empty();
}

AnswerGrammars::AnswerGrammars(const ChatModel& chat, ReasoningMarkers reasoning,
                               const Dialect& dialect)
    : chat_(chat), reasoning_(std::move(reasoning)), dialect_(dialect) {
  const Tokenizer& tokenizer = chat.tokenizer();
  const auto ends = tokenizer.end_ids();
  const std::vector<std::string> texts = {reasoning_.open,
                                          reasoning_.close,
                                          std::string(dialect.section_open),
                                          std::string(dialect.call_open),
                                          std::string(dialect.name_close),
                                          std::string(dialect.call_close),
                                          std::string(dialect.section_close)};
  for (TokenId id = 0; id < tokenizer.vocab_size(); ++id) {
    if (!tokenizer.is_special(id)) continue;
    if (std::find(ends.begin(), ends.end(), id) != ends.end()) continue;
    std::string bytes = tokenizer.token_bytes(id);
    const bool is_marker =
        !bytes.empty() && std::any_of(texts.begin(), texts.end(), [&](const std::string& text) {
          return text.find(bytes) != std::string::npos;
        });
    if (is_marker) {
      markers_.emplace_back(id, std::move(bytes));
    } else {
      special_ids_.push_back(id);
    }
  }
}

std::shared_ptr<const TokenTrie> AnswerGrammars::trie() {
  const std::lock_guard lock(mutex_);
  if (!trie_) trie_ = std::make_shared<const TokenTrie>(chat_.assets().tokenizer);
  return trie_;
}

Result<std::shared_ptr<Constraint>> AnswerGrammars::constraint(const ChatRequest& request,
                                                               const Place& place) {
  const bool is_free = !has_tools(request) && request.format.kind == ResponseFormat::Kind::text;
  if (is_free) return std::shared_ptr<Constraint>();
  Json key = {{"raw", place.is_raw},
              {"begun", place.begins_in_reasoning},
              {"tools", request.tools},
              {"choice", static_cast<int>(request.tool_choice.kind)},
              {"name", request.tool_choice.name},
              {"parallel", request.parallel_tool_calls},
              {"format", static_cast<int>(request.format.kind)},
              {"schema", request.format.schema}};
  const std::string text = to_string(key);
  Compiled compiled;
  {
    const std::lock_guard lock(mutex_);
    const auto found = std::find_if(compiled_.begin(), compiled_.end(),
                                    [&](const auto& kept) { return kept.first == text; });
    if (found != compiled_.end()) {
      compiled_.splice(compiled_.begin(), compiled_, found);
      compiled = found->second;
    }
  }
  if (!compiled) {
    TRY(compiled, compile(request, place));
    const std::lock_guard lock(mutex_);
    compiled_.emplace_front(text, compiled);
    if (compiled_.size() > kMaxKept) compiled_.pop_back();
  }
  const auto ends = chat_.tokenizer().end_ids();
  return std::shared_ptr<Constraint>(std::make_shared<GrammarConstraint>(
      compiled, GrammarConstraintOptions{.end_ids = {ends.begin(), ends.end()},
                                         .markers = markers_,
                                         .special_ids = special_ids_,
                                         .max_tokens = place.max_tokens}));
}

Result<AnswerGrammars::Compiled> AnswerGrammars::compile(const ChatRequest& request,
                                                         const Place& place) {
  Grammar grammar;
  TRY(grammar.root, add_answer(grammar, request));
  if (!place.is_raw) {
    grammar.root =
        add_after_reasoning(grammar, reasoning_, place.begins_in_reasoning, grammar.root);
  }
  auto compiled = std::make_shared<const CompiledGrammar>(std::move(grammar), trie());
  if (compiled->costs.of(compiled->grammar.root) >= GrammarCosts::kImpossible) {
    return fail(
        ErrorKind::invalid_argument,
        "no answer is valid by the {}: it contradicts itself or never ends",
        request.format.kind == ResponseFormat::Kind::json_schema ? "schema" : "tools' parameters");
  }
  return compiled;
}

Result<NodeId> AnswerGrammars::add_answer(Grammar& grammar, const ChatRequest& request) {
  std::vector<NodeId> choices;
  if (request.format.kind == ResponseFormat::Kind::json_object) {
    choices.push_back(add_any_json_object(grammar));
  } else if (request.format.kind == ResponseFormat::Kind::json_schema) {
    TRY(const NodeId schema, add_json_schema(grammar, request.format.schema, "schema"));
    choices.push_back(schema);
  }
  if (!has_tools(request)) return choices[0];
  CallRules rules{.dialect = &dialect_, .parallel = request.parallel_tool_calls};
  TRY(rules.functions, functions_of(request.tools));
  switch (request.tool_choice.kind) {
    case ToolChoice::Kind::none:
      return choices.empty() ? add_text_without_calls(grammar, dialect_) : choices[0];
    case ToolChoice::Kind::automatic: {
      if (choices.empty()) return add_text_or_calls(grammar, rules);
      TRY(const NodeId calls, add_calls(grammar, rules));
      choices.push_back(calls);
      return grammar.add_choice(choices);
    }
    case ToolChoice::Kind::named: {
      std::erase_if(rules.functions, [&](const CallRules::Function& function) {
        return function.name != request.tool_choice.name;
      });
      if (rules.functions.empty()) {
        return fail(ErrorKind::invalid_argument, "tool_choice names \"{}\", which is not in tools",
                    request.tool_choice.name);
      }
      rules.parallel = false;
      return add_calls(grammar, rules);
    }
    case ToolChoice::Kind::required:
      return add_calls(grammar, rules);
  }
  return add_calls(grammar, rules);
}

}  // namespace jiang
