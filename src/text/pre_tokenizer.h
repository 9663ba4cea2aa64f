// PreTokenizer: cuts normalised text into the pieces that a model encodes one by one. A list of
// steps, each applied to every piece that the steps before it left, as in tokenizer.json.
//
// Immutable; any thread may use it.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/function_ref.h"
#include "text/matcher.h"

namespace jiang {

// What becomes of a match and of the text around it (names as in tokenizer.json).
enum class SplitBehavior { removed, isolated, merged_with_previous, merged_with_next, contiguous };
// Which pieces get the word mark in front.
enum class Prefix { never, first, always };

struct PreTokenizerStep {
  enum class Kind {
    split,      // by matcher and behavior
    add_prefix  // replace every " " by `mark`, then put `mark` in front where it is missing
  };
  Kind kind = Kind::split;
  MatcherPtr matcher;
  SplitBehavior behavior = SplitBehavior::isolated;
  bool invert = false;            // the matches are the text, the rest is what was looked for
  bool in_byte_alphabet = false;  // the matcher sees GPT-2's byte alphabet, one character per byte
  std::string mark;
  Prefix prefix = Prefix::never;

  static PreTokenizerStep split(MatcherPtr matcher, SplitBehavior behavior) {
    PreTokenizerStep step;
    step.matcher = std::move(matcher);
    step.behavior = behavior;
    return step;
  }
  static PreTokenizerStep add_prefix(std::string mark, Prefix prefix) {
    PreTokenizerStep step;
    step.kind = Kind::add_prefix;
    step.mark = std::move(mark);
    step.prefix = prefix;
    return step;
  }
};

class PreTokenizer {
 public:
  PreTokenizer() = default;
  explicit PreTokenizer(std::vector<PreTokenizerStep> steps);

  // Calls emit() for the non-empty pieces of `text` (valid UTF-8), in order. `at_start`: the text
  // begins the input, that is, no special token and no other section came before it.
  void split(std::string_view text, bool at_start,
             FunctionRef<void(std::string_view piece)> emit) const;

 private:
  std::vector<PreTokenizerStep> steps_;
  TilingMatcher only_ = nullptr;  // the whole pre-tokenizer is one known pattern
};

}  // namespace jiang
