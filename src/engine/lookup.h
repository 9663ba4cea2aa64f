// Lookup: guesses the next tokens of a text from the text itself. What followed the last words when
// they came before often follows them again: quotations, code being edited, names.
//
// A guess is checked by feeding it along with the last token: one pass over the weights then gives
// as many tokens as were right, and one more. Each token is drawn as it would be without the guess,
// so answers stay the same to the bit.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/token.h"

namespace jiang {

// Appends to `draft` at most `most` tokens that followed the longest earlier occurrence (the latest
// of them) of the end of `tokens`. Nothing, if not even the last three tokens came before.
void look_up(std::span<const TokenId> tokens, int32_t most, std::vector<TokenId>& draft);

// How many tokens to guess: more while guesses are right, none for a while after wrong ones.
class DraftLength {
 public:
  static constexpr int32_t kMost = 7;

  // For the step that begins; 0: do not guess.
  int32_t next();
  void record(int32_t n_drafted, int32_t n_right);

 private:
  int32_t length_ = 3;
  int32_t n_wrong_ = 0;  // guesses in a row of which nothing was right
  int32_t pause_ = 0;    // steps to come without one
};

}  // namespace jiang
