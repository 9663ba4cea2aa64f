// Added tokens: entries beside the model's vocabulary ("<|im_start|>", runs of spaces) that are
// found in the text before anything else looks at it.
#pragma once

#include <array>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/token.h"
#include "text/byte_trie.h"
#include "text/tokenizer.h"

namespace jiang {

struct AddedToken {
  TokenId id = -1;
  std::string text;
  bool special = false;      // a control token: never text, left out when decoding
  bool lstrip = false;       // takes the white space before it
  bool rstrip = false;       // and after it
  bool single_word = false;  // not next to a letter, digit or "_"
};

// True for what must not come out of user text although its file does not call it special: the
// markers of tool calls and thoughts ("<tool_call>", "[TOOL_CALLS]", "<|...|>").
bool is_marker(std::string_view text);

// Finds the longest added token at the leftmost place. Linear: keys are at most kMaxPieceBytes.
class AddedTokenMatcher {
 public:
  AddedTokenMatcher() = default;
  explicit AddedTokenMatcher(const std::vector<AddedToken>& tokens);
  // The trie points into tokens_: movable only as long as tokens_ is, so never copied.
  AddedTokenMatcher(AddedTokenMatcher&&) = default;
  AddedTokenMatcher& operator=(AddedTokenMatcher&&) = default;
  AddedTokenMatcher(const AddedTokenMatcher&) = delete;

  struct Match {
    size_t begin = std::string_view::npos;  // npos: none; strips included
    size_t end = std::string_view::npos;
    TokenId id = -1;
    TextRange token{std::string_view::npos, std::string_view::npos};  // without strips
  };
  // The first match at or after `from`; `from` is also how far lstrip may reach back.
  Match find(std::string_view text, size_t from) const;
  // The same, of tokens that lie within `window`.
  Match find(std::string_view text, size_t from, TextRange window) const;

 private:
  std::vector<AddedToken> tokens_;
  ByteTrie trie_;
  std::array<bool, 256> starts_{};
};

// Goes through a text from match to match when special tokens count only within `special_ranges`;
// the tokens of `plain` count everywhere. Linear over the whole text.
class RangedTokenScan {
 public:
  RangedTokenScan(const AddedTokenMatcher& all, const AddedTokenMatcher& plain,
                  std::span<const TextRange> special_ranges)
      : all_(all), plain_(plain), ranges_(special_ranges) {}

  // The first match at or after `at`, which never goes back.
  AddedTokenMatcher::Match next(std::string_view text, size_t at);

 private:
  AddedTokenMatcher::Match next_in_ranges(std::string_view text, size_t at);

  const AddedTokenMatcher& all_;
  const AddedTokenMatcher& plain_;
  std::span<const TextRange> ranges_;  // those before `at` are dropped
  // Found ahead, as long as they begin at or after `at`.
  std::optional<AddedTokenMatcher::Match> ahead_in_ranges_, ahead_plain_;
};

}  // namespace jiang
