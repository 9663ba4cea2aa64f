// How many tokens were guessed ahead of being drawn, and how many of them were drawn indeed, by
// where the guesses came from.
#pragma once

#include <array>
#include <cstdint>

namespace jiang {

// Where guesses come from, in the order of preference: the first that has any makes them.
enum class GuessKind : uint8_t {
  lookup,  // the text itself (engine/lookup.h)
  draft,   // a smaller model (engine/draft_model.h)
};
inline constexpr std::array<const char*, 2> kGuessKindNames = {"lookup", "draft"};

struct GuessCount {
  uint64_t guessed = 0;
  uint64_t right = 0;
};

struct GuessCounts {
  std::array<GuessCount, kGuessKindNames.size()> of_kind = {};

  GuessCount& operator[](GuessKind kind) { return of_kind[static_cast<size_t>(kind)]; }
  const GuessCount& operator[](GuessKind kind) const { return of_kind[static_cast<size_t>(kind)]; }
  GuessCount total() const {
    GuessCount sum;
    for (const GuessCount& one : of_kind) {
      sum.guessed += one.guessed;
      sum.right += one.right;
    }
    return sum;
  }
};

}  // namespace jiang
