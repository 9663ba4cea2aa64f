#include "text/byte_trie.h"

#include <algorithm>

namespace jiang {

ByteTrie::ByteTrie(std::vector<std::pair<std::string_view, int32_t>> keys) {
  std::erase_if(keys, [](const auto& key) { return key.first.empty(); });
  first_step_.fill(kNone);
  if (keys.empty()) return;
  std::stable_sort(keys.begin(), keys.end(),
                   [](const auto& a, const auto& b) { return a.first < b.first; });

  // Breadth first: a node is a range of sorted keys that share their first `depth` bytes.
  struct Range {
    Node node;
    size_t begin, end, depth;
  };
  std::vector<Range> queue{{kRoot, 0, keys.size(), 0}};
  nodes_.emplace_back();
  labels_.push_back(0);
  for (size_t next = 0; next < queue.size(); ++next) {
    const Range range = queue[next];
    size_t at = range.begin;
    while (at < range.end && keys[at].first.size() == range.depth) {
      nodes_[range.node].value = keys[at++].second;
    }
    nodes_[range.node].first_child = static_cast<uint32_t>(nodes_.size());
    while (at < range.end) {
      const char label = keys[at].first[range.depth];
      size_t last = at + 1;
      while (last < range.end && keys[last].first[range.depth] == label) ++last;
      const auto child = static_cast<Node>(nodes_.size());
      nodes_.emplace_back();
      labels_.push_back(static_cast<uint8_t>(label));
      ++nodes_[range.node].n_children;
      if (range.node == kRoot) first_step_[static_cast<uint8_t>(label)] = child;
      queue.push_back({child, at, last, range.depth + 1});
      at = last;
    }
  }
}

ByteTrie::Node ByteTrie::step(Node node, char byte) const {
  const auto label = static_cast<uint8_t>(byte);
  if (node == kRoot) return first_step_[label];
  const Entry& entry = nodes_[node];
  const auto begin = labels_.begin() + entry.first_child;
  const auto end = begin + entry.n_children;
  const auto found =
      entry.n_children < 8 ? std::find(begin, end, label) : std::lower_bound(begin, end, label);
  if (found == end || *found != label) return kNone;
  return entry.first_child + static_cast<Node>(found - begin);
}

ByteTrie::Match ByteTrie::longest_prefix(std::string_view text) const {
  Match match;
  if (empty()) return match;
  Node node = kRoot;
  for (size_t i = 0; i < text.size(); ++i) {
    node = step(node, text[i]);
    if (node == kNone) break;
    if (value(node) >= 0) match = {i + 1, value(node)};
  }
  return match;
}

}  // namespace jiang
