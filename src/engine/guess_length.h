// GuessLength: how many tokens to guess of one sequence. More while guesses are right, none for a
// while once they cost more than they gain. Counted in steps of the model: a right guess saves one,
// and each guess, right or wrong, costs a part of one.
#pragma once

#include <cstdint>

namespace jiang {

class GuessLength {
 public:
  static constexpr int32_t kMost = 7;

  // What a guess's row adds to a step of one row, about: a step reads all weights for its first
  // row.
  static constexpr double kRow = 1.0 / 16;

  struct Price {
    double of_guess = kRow;  // its row, and what making it costs; below 1
    double credit = 0;       // what may be lost before the first pause
  };
  explicit GuessLength(Price price) : price_(price), balance_(price.credit) {}

  // For the step that begins; 0: do not guess.
  int32_t next();
  void record(int32_t n_guessed, int32_t n_right);
  // Of a text that begins, half as wary as this one.
  GuessLength of_next_text() const;

 private:
  Price price_;
  double balance_;  // steps gained, at most the credit: old gains are no reason to lose
  int32_t length_ = 3;
  int32_t n_losses_ = 0;  // pauses since guesses last paid
  int32_t pause_ = 0;     // steps to come without one
};

}  // namespace jiang
