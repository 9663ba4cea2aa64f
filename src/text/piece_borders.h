// PieceBorders: where a text can be cut without changing what a BPE makes of it.
//
// A merge joins two neighbours into a piece of the vocabulary, so it can only cross a border
// between characters x and y if some piece contains "xy". Cutting everywhere else gives words of a
// few characters instead of one text of a million, with the same result.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "text/vocabulary.h"

namespace jiang {

class PieceBorders {
 public:
  PieceBorders() = default;
  // `is_joinable(id)`: the piece can come out of a merge.
  template <class IsJoinable>
  PieceBorders(const Vocabulary& vocabulary, IsJoinable is_joinable) : bits_(kBits / 64) {
    for (TokenId id = 0; id < vocabulary.size(); ++id) {
      if (is_joinable(id)) add(vocabulary.piece(id));
    }
  }

  // The end of the part of `text` that begins at `at`: it can be encoded by itself.
  size_t next_cut(std::string_view text, size_t at) const;

 private:
  // A set of pairs by hash. Two pairs that share a bit cost a cut, never a wrong one.
  static constexpr size_t kBits = size_t{1} << 20;

  void add(std::string_view piece);
  static size_t bit_of(std::string_view x, std::string_view y);

  std::vector<uint64_t> bits_;
};

}  // namespace jiang
