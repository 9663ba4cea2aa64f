// AnswerGrammars: what a request asks of its answer (a format, tool calls) as a Constraint. Keeps
// the grammars that were compiled last.
//
// Thread-safe. The vocabulary's trie is made when it is first needed.
#pragma once

#include <list>
#include <memory>
#include <mutex>
#include <string>

#include "chat/backend.h"
#include "chat/chat.h"
#include "chat/tool_traits.h"
#include "text/grammar_constraint.h"
#include "text/output_parser.h"

namespace jiang {

class AnswerGrammars {
 public:
  AnswerGrammars(const ChatModel& chat, ReasoningMarkers reasoning, const Dialect& dialect);

  struct Place {
    bool is_raw = false;  // no template: no reasoning, no calls
    bool begins_in_reasoning = false;
    int32_t max_tokens = -1;
  };
  // Null when anything may be said. Errors name what cannot be kept.
  Result<std::shared_ptr<Constraint>> constraint(const ChatRequest& request, const Place& place);

  // Special tokens that are part of what parsers read: the markers of reasoning and of calls.
  const std::vector<std::pair<TokenId, std::string>>& markers() const { return markers_; }

 private:
  using Compiled = std::shared_ptr<const CompiledGrammar>;
  Result<Compiled> compile(const ChatRequest& request, const Place& place);
  Result<NodeId> add_answer(Grammar& grammar, const ChatRequest& request);
  std::shared_ptr<const TokenTrie> trie();

  const ChatModel& chat_;
  const ReasoningMarkers reasoning_;
  const Dialect& dialect_;
  std::vector<std::pair<TokenId, std::string>> markers_;
  std::vector<TokenId> special_ids_;

  std::mutex mutex_;
  std::shared_ptr<const TokenTrie> trie_;
  std::list<std::pair<std::string, Compiled>> compiled_;  // the last used first
};

bool has_tools(const ChatRequest& request);

}  // namespace jiang
