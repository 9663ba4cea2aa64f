#include "engine/lookup.h"

#include <algorithm>

namespace jiang {
namespace {

constexpr size_t kLeastMatch = 3;
constexpr size_t kMostMatch = 16;  // a longer match says no more
constexpr int32_t kLongestPause = 64;

}  // namespace

void look_up(std::span<const TokenId> tokens, int32_t most, std::vector<TokenId>& draft) {
  const size_t n = tokens.size();
  size_t best_length = kLeastMatch - 1, best_end = 0;
  // `end`: the earlier occurrence is tokens[end - length, end), and tokens[end] followed it.
  for (size_t end = n - std::min<size_t>(n, 1); end >= kLeastMatch; --end) {
    if (tokens[end - 1] != tokens[n - 1]) continue;
    size_t length = 1;
    while (length < std::min(end, kMostMatch) && tokens[end - 1 - length] == tokens[n - 1 - length])
      ++length;
    if (length <= best_length) continue;
    best_length = length;
    best_end = end;
    if (length == kMostMatch) break;
  }
  if (best_end == 0) return;
  const size_t count = std::min(n - best_end, static_cast<size_t>(std::max(most, 0)));
  const auto first = tokens.begin() + static_cast<std::ptrdiff_t>(best_end);
  draft.insert(draft.end(), first, first + static_cast<std::ptrdiff_t>(count));
}

int32_t DraftLength::next() {
  if (pause_ == 0) return length_;
  --pause_;
  return 0;
}

void DraftLength::record(int32_t n_drafted, int32_t n_right) {
  if (n_drafted == 0) return;
  if (n_right == 0) {
    n_wrong_ = std::min(n_wrong_ + 1, 6);
    pause_ = std::min(1 << n_wrong_, kLongestPause);
    length_ = 2;
    return;
  }
  n_wrong_ = 0;
  length_ = n_right == n_drafted ? std::min(2 * n_drafted + 1, kMost) : n_right + 1;
}

}  // namespace jiang
