// GuessSource: something that guesses how texts go on.
//
// A guess is fed along with a sequence's last token and checked by drawing as without it
// (docs/decisions/0057): a source can be wrong without any answer being another. So it may look at
// whatever it likes, and what it gives decides about time alone.
//
// To add one: a file with its class, its row in GuessKind, and a line in make_guesser().
// Belongs to the step thread.
#pragma once

#include <span>

#include "engine/sequence.h"

namespace jiang {

// Rows of a step that guesses: about as many as memory lets pass for the price of one.
inline constexpr int32_t kMostGuessingRows = 8;

// A sequence that draws in the step that begins, and how many guesses it has use for (>= 1).
struct GuessTurn {
  Sequence* sequence = nullptr;
  int32_t most = 0;
};

class GuessSource {
 public:
  virtual ~GuessSource() = default;

  virtual GuessKind kind() const = 0;
  // Puts guesses into sequences' `guesses`, which are empty: of each turn at most its `most`, of
  // all together at most `rows` (>= 1). It decides itself how many are worth it, and may give none.
  virtual void guess(std::span<const GuessTurn> turns, int32_t rows) = 0;
  // Of the guesses that it made for this step (sequence.guesses, not empty), how many were right;
  // the sequence's tokens have them by now. Not told when the step failed or was given up.
  virtual void record(const Sequence& sequence, int32_t n_right) = 0;
  // The sequence leaves for good; its address may soon be another's.
  virtual void forget(const Sequence& sequence) = 0;
};

}  // namespace jiang
