#include "text/token_trie.h"

#include <algorithm>
#include <string>

#include "text/json_string_bytes.h"

namespace jiang {
namespace {

// Longer plain tokens are walked, not looked up, in strings with a bound: there are few.
constexpr size_t kCounted = 32;

struct Entry {
  std::string bytes;
  TokenId id;
};

// Characters of text that may stand in a JSON string as it is; 0 when it may not.
size_t plain_characters(std::string_view bytes) {
  StringState state = StringState::content;
  size_t count = 0;
  for (const char c : bytes) {
    state = next_string_state(state, static_cast<uint8_t>(c));
    if (state == StringState::escape || state == StringState::closed || state == StringState::bad)
      return 0;
    if (state == StringState::content) ++count;
  }
  return state == StringState::content ? count : 0;
}

TokenTrie::Tree make_tree(std::vector<Entry> entries) {
  std::sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) {
    return a.bytes != b.bytes ? a.bytes < b.bytes : a.id < b.id;
  });
  TokenTrie::Tree tree;
  std::vector<uint32_t> path;  // nodes of the last entry's bytes
  const std::string* last = nullptr;
  const auto close = [&](size_t depth) {
    while (path.size() > depth) {
      tree.nodes[path.back()].end = static_cast<uint32_t>(tree.nodes.size());
      path.pop_back();
    }
  };
  for (const Entry& entry : entries) {
    size_t common = 0;
    if (last != nullptr) {
      const size_t most = std::min(last->size(), entry.bytes.size());
      while (common < most && (*last)[common] == entry.bytes[common]) ++common;
    }
    close(common);
    for (size_t i = common; i < entry.bytes.size(); ++i) {
      path.push_back(static_cast<uint32_t>(tree.nodes.size()));
      tree.nodes.push_back({.byte = static_cast<uint8_t>(entry.bytes[i]),
                            .depth = static_cast<uint16_t>(i + 1),
                            .end = 0,
                            .first_token = 0,
                            .n_tokens = 0});
    }
    TokenTrie::Node& node = tree.nodes[path.back()];
    if (node.n_tokens++ == 0) node.first_token = static_cast<uint32_t>(tree.tokens.size());
    tree.tokens.push_back(entry.id);
    last = &entry.bytes;
  }
  close(0);
  return tree;
}

// Calls `found` with the length of every token at the front of `text`.
template <class Found>
void each_match(const TokenTrie::Tree& tree, std::string_view text, Found found) {
  size_t depth = 0;
  for (uint32_t i = 0; i < tree.nodes.size();) {
    const TokenTrie::Node& node = tree.nodes[i];
    if (node.depth <= depth) break;  // left the subtree that matched
    if (depth < text.size() && node.byte == static_cast<uint8_t>(text[depth])) {
      ++depth;
      if (node.n_tokens > 0) found(depth);
      ++i;
    } else {
      i = node.end;
    }
  }
}

}  // namespace

TokenTrie::TokenTrie(std::shared_ptr<const Tokenizer> tokenizer)
    : tokenizer_(std::move(tokenizer)), vocab_size_(tokenizer_->vocab_size()) {
  std::vector<Entry> plain, other;
  const size_t words = (static_cast<size_t>(vocab_size_) + 63) / 64;
  bits_.assign(kCounted + 2, std::vector<uint64_t>(words, 0));
  for (TokenId id = 0; id < vocab_size_; ++id) {
    if (tokenizer_->is_special(id)) continue;
    std::string bytes = tokenizer_->token_bytes(id);
    if (bytes.empty() || bytes.size() > 0xFFFF) continue;
    longest_ = std::max(longest_, bytes.size());
    const size_t characters = plain_characters(bytes);
    if (characters == 0) {
      other.push_back({std::move(bytes), id});
      continue;
    }
    for (size_t i = std::min(characters, kCounted + 1); i < bits_.size(); ++i)
      bits_[i][static_cast<size_t>(id) / 64] |= uint64_t{1} << (id % 64);
    plain.push_back({std::move(bytes), id});
  }
  plain_ = make_tree(std::move(plain));
  other_ = make_tree(std::move(other));
}

std::span<const uint64_t> TokenTrie::plain_bits(int32_t characters) const {
  const bool is_any = characters < 0 || static_cast<size_t>(characters) >= longest_;
  return bits_[is_any ? kCounted + 1 : std::min(static_cast<size_t>(characters), kCounted)];
}

std::vector<int32_t> TokenTrie::fewest_tokens(std::string_view text) const {
  std::vector<int32_t> fewest(text.size());
  for (size_t at = text.size(); at-- > 0;) {
    const auto rest = [&](size_t length) {
      return 1 + (at + length < text.size() ? fewest[at + length] : 0);
    };
    fewest[at] = rest(1);
    const auto consider = [&](size_t length) { fewest[at] = std::min(fewest[at], rest(length)); };
    each_match(plain_, text.substr(at), consider);
    each_match(other_, text.substr(at), consider);
  }
  return fewest;
}

}  // namespace jiang
