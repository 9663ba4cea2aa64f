#include "engine/lookup.h"

#include <algorithm>

namespace jiang {
namespace {

constexpr size_t kLeastMatch = 3;
constexpr size_t kMostMatch = 16;  // a longer match says no more

}  // namespace

void look_up(std::span<const TokenId> tokens, int32_t most, std::vector<TokenId>& guesses) {
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
  guesses.insert(guesses.end(), first, first + static_cast<std::ptrdiff_t>(count));
}

void Lookup::guess(std::span<const GuessTurn> turns, int32_t rows) {
  for (const GuessTurn& turn : turns) {
    if (rows <= 0) return;
    Sequence& sequence = *turn.sequence;
    GuessLength& length =
        lengths_.try_emplace(&sequence, GuessLength(GuessLength::Price{})).first->second;
    const int32_t most = std::min({length.next(), rows, turn.most});
    if (most <= 0) continue;
    look_up(sequence.tokens, most, sequence.guesses);
    rows -= static_cast<int32_t>(sequence.guesses.size());
  }
}

void Lookup::record(const Sequence& sequence, int32_t n_right) {
  const auto found = lengths_.find(&sequence);
  if (found == lengths_.end()) return;  // it has left
  found->second.record(static_cast<int32_t>(sequence.guesses.size()), n_right);
}

}  // namespace jiang
