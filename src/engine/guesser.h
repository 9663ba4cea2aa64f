// Guesser: the sources of guesses that an engine has, as one. A sequence's guesses of one step come
// from the first source that has any for it.
//
// Belongs to the step thread.
#pragma once

#include <memory>
#include <vector>

#include "engine/guess_source.h"

namespace jiang {

class Guesser {
 public:
  // In the order in which they are asked.
  explicit Guesser(std::vector<std::unique_ptr<GuessSource>> sources);

  // Fills the sequences' `guesses` and `guessed_by`; `rows` of guesses in all.
  void guess(std::span<const GuessTurn> turns, int32_t rows);
  void record(const Sequence& sequence, int32_t n_right);
  void forget(const Sequence& sequence);

 private:
  std::vector<std::unique_ptr<GuessSource>> sources_;
  std::vector<GuessTurn> left_;  // that no source has guessed for yet
};

// All that the options ask for; null when that is none. `state_tokens`: of a draft model's state.
Result<std::unique_ptr<Guesser>> make_guesser(const Model& model, const EngineOptions& options,
                                              int64_t state_tokens, ThreadPool& pool);

}  // namespace jiang
