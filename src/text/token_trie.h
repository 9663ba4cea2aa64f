// TokenTrie: the vocabulary by bytes, to find all tokens that a grammar allows in one walk.
//
// Tokens of whole characters that may stand inside any JSON string (nine in ten) are kept apart:
// inside a string they are allowed all at once. Immutable; shared by all requests of a model.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "base/token.h"
#include "text/tokenizer.h"

namespace jiang {

class TokenTrie {
 public:
  struct Node {
    uint8_t byte;
    uint16_t depth;        // 1: first byte
    uint32_t end;          // the node after this one's subtree
    uint32_t first_token;  // in tokens(): those that end here
    uint32_t n_tokens;
  };
  // Nodes in the order of a depth-first walk.
  struct Tree {
    std::vector<Node> nodes;
    std::vector<TokenId> tokens;
  };

  explicit TokenTrie(std::shared_ptr<const Tokenizer> tokenizer);

  const Tokenizer& tokenizer() const { return *tokenizer_; }
  int32_t vocab_size() const { return vocab_size_; }
  const Tree& plain() const { return plain_; }  // may stand in any string
  const Tree& other() const { return other_; }
  // Bits of the plain tokens of at most `characters` (-1: all). (vocab_size / 64, rounded up)
  std::span<const uint64_t> plain_bits(int32_t characters) const;
  // Fewest tokens that the rest of `text` takes, from each of its bytes on. (text.size())
  std::vector<int32_t> fewest_tokens(std::string_view text) const;
  size_t longest() const { return longest_; }  // bytes

 private:
  const std::shared_ptr<const Tokenizer> tokenizer_;
  const int32_t vocab_size_;
  Tree plain_, other_;
  size_t longest_ = 0;
  std::vector<std::vector<uint64_t>> bits_;  // of at most i characters; the last one: of any number
};

}  // namespace jiang
