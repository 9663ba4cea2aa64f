// Lookup: guesses the next tokens of a text from the text itself. What followed the last words when
// they came before often follows them again: quotations, code being edited, names.
//
// A guess is checked by feeding it along with the last token: one pass over the weights then gives
// as many tokens as were right, and one more. Each token is drawn as it would be without the guess,
// so answers stay the same to the bit.
#pragma once

#include <cstdint>
#include <span>
#include <unordered_map>
#include <vector>

#include "base/token.h"
#include "engine/guess_length.h"
#include "engine/guess_source.h"

namespace jiang {

// Appends to `guesses` at most `most` tokens that followed the longest earlier occurrence (the
// latest of them) of the end of `tokens`. Nothing, if not even the last three tokens came before.
void look_up(std::span<const TokenId> tokens, int32_t most, std::vector<TokenId>& guesses);

class Lookup final : public GuessSource {
 public:
  GuessKind kind() const override { return GuessKind::lookup; }
  void guess(std::span<const GuessTurn> turns, int32_t rows) override;
  void record(const Sequence& sequence, int32_t n_right) override;
  void forget(const Sequence& sequence) override { lengths_.erase(&sequence); }

 private:
  std::unordered_map<const Sequence*, GuessLength> lengths_;
};

}  // namespace jiang
