#include "engine/guess_length.h"

#include <algorithm>

namespace jiang {
namespace {

constexpr int32_t kMostLosses = 6;  // pauses of 2, 4, ... 64 steps

}  // namespace

int32_t GuessLength::next() {
  if (pause_ == 0) return length_;
  --pause_;
  return 0;
}

void GuessLength::record(int32_t n_guessed, int32_t n_right) {
  if (n_guessed == 0) return;
  balance_ = std::min(balance_ + n_right - n_guessed * price_.of_guess, price_.credit);
  if (balance_ < 0) {
    balance_ = 0;
    n_losses_ = std::min(n_losses_ + 1, kMostLosses);
    pause_ = 1 << n_losses_;
    length_ = 2;
    return;
  }
  if (balance_ >= price_.credit) n_losses_ = 0;
  length_ = n_right == n_guessed ? std::min(2 * n_guessed + 1, kMost) : n_right + 1;
}

GuessLength GuessLength::of_next_text() const {
  GuessLength next(price_);
  next.n_losses_ = n_losses_ / 2;
  if (n_losses_ > 0) next.balance_ = 0;
  return next;
}

}  // namespace jiang
