// The merge loop that every BPE shares: repeatedly join the two neighbours of lowest rank, the
// leftmost first among equals.
//
// Short inputs (words) scan an array; long ones use a heap, O(n log n) for any input.
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>
#include <vector>

#include "base/token.h"

namespace jiang {

// A piece of the text so far; `begin` and `length` in bytes.
struct MergeSymbol {
  uint32_t begin = 0;
  uint32_t length = 0;
  TokenId id = -1;
};

struct MergeCandidate {
  static constexpr int32_t kNone = std::numeric_limits<int32_t>::max();
  int32_t rank = kNone;
  TokenId id = -1;
};

namespace merge_detail {

inline constexpr size_t kShort = 48;

template <class Lookup>
void merge_short(std::vector<MergeSymbol>& symbols, const Lookup& lookup) {
  MergeCandidate candidates[kShort];  // [i]: joining symbols i and i + 1
  size_t n = symbols.size();
  for (size_t i = 0; i + 1 < n; ++i) candidates[i] = lookup(symbols[i], symbols[i + 1]);
  while (n > 1) {
    size_t best = 0;
    for (size_t i = 1; i + 1 < n; ++i) {
      if (candidates[i].rank < candidates[best].rank) best = i;
    }
    if (candidates[best].rank == MergeCandidate::kNone) break;
    symbols[best].length += symbols[best + 1].length;
    symbols[best].id = candidates[best].id;
    for (size_t i = best + 1; i + 1 < n; ++i) {
      symbols[i] = symbols[i + 1];
      candidates[i - 1] = candidates[i];
    }
    --n;
    if (best > 0) candidates[best - 1] = lookup(symbols[best - 1], symbols[best]);
    if (best + 1 < n) candidates[best] = lookup(symbols[best], symbols[best + 1]);
  }
  symbols.resize(n);
}

template <class Lookup>
void merge_long(std::vector<MergeSymbol>& symbols, const Lookup& lookup) {
  struct Entry {
    int32_t rank;
    uint32_t left;
    uint32_t right;
    uint32_t length;  // of both when the entry was made: tells whether it is still true
    TokenId id;
  };
  const auto later = [](const Entry& a, const Entry& b) {
    return a.rank != b.rank ? a.rank > b.rank : a.left > b.left;
  };
  constexpr uint32_t kEnd = std::numeric_limits<uint32_t>::max();
  const auto n = static_cast<uint32_t>(symbols.size());
  std::vector<uint32_t> previous(n);
  std::vector<uint32_t> next(n);
  std::vector<Entry> heap;
  const auto add = [&](uint32_t left, uint32_t right) {
    const MergeCandidate candidate = lookup(symbols[left], symbols[right]);
    if (candidate.rank == MergeCandidate::kNone) return false;
    heap.push_back(
        {candidate.rank, left, right, symbols[left].length + symbols[right].length, candidate.id});
    return true;
  };
  for (uint32_t i = 0; i < n; ++i) {
    previous[i] = i == 0 ? kEnd : i - 1;
    next[i] = i + 1 == n ? kEnd : i + 1;
    if (i + 1 < n) add(i, i + 1);
  }
  std::make_heap(heap.begin(), heap.end(), later);
  while (!heap.empty()) {
    std::pop_heap(heap.begin(), heap.end(), later);
    const Entry entry = heap.back();
    heap.pop_back();
    MergeSymbol& left = symbols[entry.left];
    MergeSymbol& right = symbols[entry.right];
    if (left.length == 0 || right.length == 0 || next[entry.left] != entry.right ||
        left.length + right.length != entry.length) {
      continue;
    }
    left.length = entry.length;
    left.id = entry.id;
    right.length = 0;  // dead
    next[entry.left] = next[entry.right];
    if (next[entry.left] != kEnd) {
      previous[next[entry.left]] = entry.left;
      if (add(entry.left, next[entry.left])) std::push_heap(heap.begin(), heap.end(), later);
    }
    if (previous[entry.left] != kEnd && add(previous[entry.left], entry.left)) {
      std::push_heap(heap.begin(), heap.end(), later);
    }
  }
  std::erase_if(symbols, [](const MergeSymbol& symbol) { return symbol.length == 0; });
}

}  // namespace merge_detail

// lookup(left, right) says whether two neighbours may join, and how strongly.
template <class Lookup>
void merge_symbols(std::vector<MergeSymbol>& symbols, const Lookup& lookup) {
  if (symbols.size() <= merge_detail::kShort) {
    merge_detail::merge_short(symbols, lookup);
  } else {
    merge_detail::merge_long(symbols, lookup);
  }
}

}  // namespace jiang
