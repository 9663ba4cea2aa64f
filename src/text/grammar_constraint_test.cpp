#include "text/grammar_constraint.h"

#include <gtest/gtest.h>

#include "tests/support/grammar_text.h"

namespace jiang {
namespace {

std::shared_ptr<const CompiledGrammar> schema_grammar(std::string_view text) {
  auto compiled = compile_schema(*parse_json(text, "schema"));
  EXPECT_TRUE(compiled) << compiled.error().message;
  return *compiled;
}

std::vector<TokenId> allowed_ids(const Constraint& constraint, int32_t vocab_size) {
  std::vector<uint64_t> bits(static_cast<size_t>(vocab_size + 63) / 64 + 1, ~uint64_t{0});
  constraint.mask(bits);
  std::vector<TokenId> ids;
  for (TokenId id = 0; id < static_cast<TokenId>(bits.size() * 64); ++id) {
    if ((bits[static_cast<size_t>(id) / 64] >> (id % 64)) & 1) ids.push_back(id);
  }
  return ids;
}

// The masks equal those of trying every token, byte by byte.
TEST(GrammarConstraint, MasksAreWhatTryingEveryTokenGives) {
  const Tokenizer& tokenizer = test_trie()->tokenizer();
  const TokenId end = tokenizer.end_ids()[0];
  std::mt19937_64 random(11);
  for (
      const char* text :
      {"true", R"({"type": "string", "maxLength": 3})", R"({"type": "string", "minLength": 4})",
       R"({"anyOf": [{"type": "string", "maxLength": 2}, {"type": "string", "pattern": "^[a-f]*$"}]})",
       R"({"type": "object", "properties": {"name": {"type": "string"}, "n": {"type": "integer"}},
            "additionalProperties": {"enum": ["a", "the", 12]}})",
       R"({"type": "array", "items": {"type": ["number", "null"]}})"}) {
    const auto compiled = schema_grammar(text);
    for (int run = 0; run < 8; ++run) {
      GrammarConstraint constraint(compiled, {.end_ids = {end}});
      for (int n = 0; n < 25 && !constraint.is_finished(); ++n) {
        const auto ids = allowed_ids(constraint, tokenizer.vocab_size());
        std::vector<TokenId> expected;
        const std::string so_far = constraint.text();
        for (TokenId id = 0; id < tokenizer.vocab_size(); ++id) {
          GrammarWalk walk(compiled->grammar, compiled->costs);
          PlaceId place = walk.start();
          const std::string all =
              so_far + (tokenizer.is_special(id) ? "" : tokenizer.token_bytes(id));
          for (size_t i = 0; i < all.size() && place != kNowhere; ++i)
            place = walk.advance(place, static_cast<uint8_t>(all[i]), all.substr(0, i + 1));
          const bool good =
              tokenizer.is_special(id) ? id == end && walk.may_end(place) : place != kNowhere;
          if (good) expected.push_back(id);
        }
        ASSERT_EQ(ids, expected) << text << "\n" << so_far;
        const TokenId id = ids[random() % ids.size()];
        if (id == end) break;
        constraint.accept(id);
      }
    }
  }
}

TEST(GrammarConstraint, RollbackTakesBackTokens) {
  const auto compiled =
      schema_grammar(R"({"type": "object", "additionalProperties": {"type": "string"}})");
  const Tokenizer& tokenizer = test_trie()->tokenizer();
  GrammarConstraint constraint(compiled, {.end_ids = {tokenizer.end_ids()[0]}});
  std::mt19937_64 random(5);
  std::vector<std::vector<TokenId>> masks;
  std::vector<TokenId> said;
  for (int n = 0; n < 40; ++n) {
    masks.push_back(allowed_ids(constraint, tokenizer.vocab_size()));
    std::vector<TokenId> ids = masks.back();
    if (constraint.is_finished()) break;
    std::erase(ids, tokenizer.end_ids()[0]);
    said.push_back(ids[random() % ids.size()]);
    constraint.accept(said.back());
  }
  const auto at_end = allowed_ids(constraint, tokenizer.vocab_size());
  for (int n = static_cast<int>(said.size()); n > 0; n -= 7) {
    constraint.rollback(n);
    const size_t at = said.size() - static_cast<size_t>(n);
    EXPECT_EQ(allowed_ids(constraint, tokenizer.vocab_size()), masks[at]);
    for (size_t i = at; i < said.size(); ++i) constraint.accept(said[i]);
    EXPECT_EQ(allowed_ids(constraint, tokenizer.vocab_size()), at_end);
  }
}

TEST(GrammarConstraint, FreeTextUntilAMarker) {
  Grammar grammar;
  const NodeId call = grammar.add_sequence({grammar.add_text("[1,"), grammar.add_text("2]")});
  grammar.root = grammar.add(
      {.kind = GrammarNode::Kind::free_text, .may_end = true, .text = "<<call", .rest = call});
  const auto compiled = std::make_shared<const CompiledGrammar>(std::move(grammar), test_trie());
  const Tokenizer& tokenizer = test_trie()->tokenizer();
  const TokenId mark = *tokenizer.find("<|mark|>"), start = *tokenizer.find("<s>");
  GrammarConstraint constraint(
      compiled,
      {.end_ids = {tokenizer.end_ids()[0]}, .markers = {{mark, "<<call"}}, .special_ids = {start}});
  const auto is_allowed = [&](TokenId id) {
    const auto ids = allowed_ids(constraint, tokenizer.vocab_size());
    return std::find(ids.begin(), ids.end(), id) != ids.end();
  };
  EXPECT_TRUE(is_allowed('x'));
  EXPECT_TRUE(is_allowed(tokenizer.end_ids()[0]));
  EXPECT_TRUE(is_allowed(mark));
  EXPECT_TRUE(is_allowed(start));
  for (const char c : std::string("x <<<cal")) constraint.accept(static_cast<TokenId>(c));
  EXPECT_TRUE(is_allowed('l'));
  constraint.accept('x');
  constraint.accept(mark);
  EXPECT_TRUE(is_allowed('['));
  EXPECT_FALSE(is_allowed('x'));
  EXPECT_FALSE(is_allowed(tokenizer.end_ids()[0]));
  EXPECT_FALSE(is_allowed(start));
  for (const char c : std::string("[1,2]")) {
    EXPECT_FALSE(constraint.is_finished());
    constraint.accept(static_cast<TokenId>(c));
  }
  EXPECT_TRUE(constraint.is_finished());
}

TEST(GrammarConstraint, TokensBeyondTheVocabularyAreForbidden) {
  GrammarConstraint constraint(schema_grammar("true"), {});
  std::vector<uint64_t> bits(100, ~uint64_t{0});
  constraint.mask(bits);
  for (size_t i = static_cast<size_t>(test_trie()->vocab_size()) / 64 + 1; i < bits.size(); ++i)
    EXPECT_EQ(bits[i], 0u);
}

}  // namespace
}  // namespace jiang
