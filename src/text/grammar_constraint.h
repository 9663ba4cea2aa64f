// GrammarConstraint: a Constraint that keeps an answer inside a grammar, and ends it in time.
//
// From every place the fewest tokens that complete the answer are known; only tokens are allowed
// after which that many are left. So an answer whose room runs out is closed, not cut.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "text/constraint.h"
#include "text/grammar.h"
#include "text/grammar_walk.h"
#include "text/token_trie.h"

namespace jiang {

// A grammar with its costs in the tokens of one vocabulary. Immutable, shared.
struct CompiledGrammar {
  CompiledGrammar(Grammar made, std::shared_ptr<const TokenTrie> vocabulary);

  const Grammar grammar;
  const std::shared_ptr<const TokenTrie> trie;
  const GrammarCosts costs;
};

struct GrammarConstraintOptions {
  std::vector<TokenId> end_ids = {};  // allowed where the answer may end
  // Special tokens that may stand for their text where the grammar wants it: a dialect's markers.
  std::vector<std::pair<TokenId, std::string>> markers = {};
  // All special tokens but the end ids: allowed in free text.
  std::vector<TokenId> special_ids = {};
  int32_t max_tokens = -1;  // of the answer; -1: not known
};

class GrammarConstraint final : public Constraint {
 public:
  GrammarConstraint(std::shared_ptr<const CompiledGrammar> compiled,
                    GrammarConstraintOptions options);

  void mask(std::span<uint64_t> allowed) const override;
  void accept(TokenId id) override;
  void rollback(int n) override;
  bool is_finished() const override;

  // The text so far.
  const std::string& text() const { return text_; }

 private:
  struct Mask {
    std::vector<uint64_t> bits;
    int32_t highest_need = 0;  // of the places after the tokens
    bool is_empty = true;
  };
  struct Step {  // before a token
    PlaceId place;
    size_t text_size;
  };

  void restart();
  void follow(std::string_view bytes);
  const Mask& full_mask(PlaceId place) const;
  // Tokens after which at most `most` are needed.
  Mask compute_mask(PlaceId place, int32_t most) const;
  void walk(const TokenTrie::Tree& tree, PlaceId place, int32_t most, Mask& mask) const;
  int32_t needed(PlaceId place) const;
  std::string bytes_of(TokenId id) const;

  const std::shared_ptr<const CompiledGrammar> compiled_;
  const GrammarConstraintOptions options_;
  mutable std::unique_ptr<GrammarWalk> walk_;
  mutable std::unordered_map<PlaceId, Mask> masks_;
  mutable std::vector<PlaceId> path_;  // of a walk through the trie
  PlaceId place_ = kNowhere;
  std::vector<Step> steps_;
  std::string text_;
};

}  // namespace jiang
