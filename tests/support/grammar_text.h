// Helpers for tests of grammars: does a grammar accept a text, and random texts that it makes.
#pragma once

#include <random>
#include <string>

#include "base/json_value.h"
#include "tests/support/word_tokenizer.h"
#include "text/grammar_constraint.h"
#include "text/json_schema.h"

namespace jiang {

inline std::shared_ptr<const TokenTrie> test_trie() {
  static const auto trie = std::make_shared<const TokenTrie>(WordTokenizer::of_pieces());
  return trie;
}

inline Result<std::shared_ptr<const CompiledGrammar>> compile_schema(const Json& schema) {
  Grammar grammar;
  TRY(grammar.root, add_json_schema(grammar, schema, "schema"));
  return std::make_shared<const CompiledGrammar>(std::move(grammar), test_trie());
}

inline bool accepts(const CompiledGrammar& compiled, std::string_view text) {
  GrammarWalk walk(compiled.grammar, compiled.costs);
  PlaceId place = walk.start();
  for (size_t i = 0; i < text.size() && place != kNowhere; ++i)
    place = walk.advance(place, static_cast<uint8_t>(text[i]), text.substr(0, i + 1));
  return place != kNowhere && walk.may_end(place);
}

struct RandomText {
  std::string text;
  bool has_ended = false;  // by itself, within max_tokens
  bool got_stuck = false;  // no token was allowed
  int32_t n_tokens = 0;
};

// Draws uniformly from the allowed tokens. Ends where it may with the given probability.
inline RandomText random_text(std::shared_ptr<const CompiledGrammar> compiled,
                              std::mt19937_64& random, int32_t max_tokens, double end_bias = 0.3) {
  const Tokenizer& tokenizer = compiled->trie->tokenizer();
  const TokenId end = tokenizer.end_ids()[0];
  GrammarConstraint constraint(compiled, {.end_ids = {end}, .max_tokens = max_tokens});
  RandomText out;
  std::vector<uint64_t> allowed(static_cast<size_t>(tokenizer.vocab_size() + 63) / 64);
  std::vector<TokenId> ids;
  while (out.n_tokens < max_tokens) {
    if (constraint.is_finished()) break;
    std::fill(allowed.begin(), allowed.end(), ~uint64_t{0});
    constraint.mask(allowed);
    ids.clear();
    for (TokenId id = 0; id < tokenizer.vocab_size(); ++id) {
      if ((allowed[static_cast<size_t>(id) / 64] >> (id % 64)) & 1) ids.push_back(id);
    }
    if (ids.empty()) {
      out.got_stuck = true;
      break;
    }
    TokenId id = ids[random() % ids.size()];
    const bool may_end = std::find(ids.begin(), ids.end(), end) != ids.end();
    if (may_end && std::uniform_real_distribution<>()(random) < end_bias) id = end;
    if (id == end) {
      out.has_ended = true;
      break;
    }
    constraint.accept(id);
    ++out.n_tokens;
  }
  out.has_ended = out.has_ended || constraint.is_finished();
  out.text = constraint.text();
  return out;
}

}  // namespace jiang
