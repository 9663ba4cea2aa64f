// ByteTrie: which of many strings begin at this place? Built once, then read-only.
//
// Children of a node are neighbours in one array, sorted by label, so a trie of a million nodes
// is a few allocations. A walk costs a search among the children per byte.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

namespace jiang {

class ByteTrie {
 public:
  using Node = uint32_t;
  static constexpr Node kRoot = 0;
  static constexpr Node kNone = 0xFFFFFFFF;

  ByteTrie() = default;
  // Of equal keys the last value counts. Empty keys are ignored.
  explicit ByteTrie(std::vector<std::pair<std::string_view, int32_t>> keys);

  bool empty() const { return nodes_.empty(); }
  Node step(Node node, char byte) const;
  int32_t value(Node node) const { return nodes_[node].value; }  // -1: no key ends here

  struct Match {
    size_t length = 0;  // 0: none
    int32_t value = -1;
  };
  // The longest key at the front of `text`.
  Match longest_prefix(std::string_view text) const;

 private:
  struct Entry {
    uint32_t first_child = 0;
    uint32_t n_children = 0;
    int32_t value = -1;
  };

  std::vector<Entry> nodes_;
  std::vector<uint8_t> labels_;       // of each node; parallel to nodes_
  std::array<Node, 256> first_step_;  // children of the root
};

}  // namespace jiang
