// Normalizer: what happens to text before it is cut: Unicode forms, lower case, the word mark of
// sentencepiece. A list of steps, as in tokenizer.json.
//
// Immutable; any thread may use it.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/unicode.h"
#include "text/charsmap.h"
#include "text/matcher.h"

namespace jiang {

inline constexpr std::string_view kWordMark = "\xE2\x96\x81";  // U+2581

struct NormalizerStep {
  enum class Kind {
    unicode,  // form
    lowercase,
    strip,          // White_Space at the left and right end
    strip_accents,  // drop Mn
    replace,        // every match of matcher by text
    prepend,        // text, unless empty
    append,
    clean,                 // BERT: drop control characters, every space becomes " "
    space_cjk,             // BERT: " " on both sides of every Han character
    charsmap,              // sentencepiece's map, longest prefix first
    charsmap_by_grapheme,  // the same map as tokenizer.json's Precompiled applies it
    collapse_spaces,       // drop " " at both ends, many " " become one
    nmt                    // tokenizer.json's Nmt: drop controls, odd spaces become " "
  };
  Kind kind;
  Normalization form = Normalization::nfc;
  std::string text = {};
  MatcherPtr matcher = nullptr;
  std::string literal = {};  // replace: what matcher looks for, where that is plain text
  bool left = true;          // strip
  bool right = true;         // strip
  std::shared_ptr<const Charsmap> charsmap = nullptr;  // shared with copies of the step
  bool only_at_start = false;                          // prepend: only where the input begins
};

class Normalizer {
 public:
  Normalizer() = default;
  explicit Normalizer(std::vector<NormalizerStep> steps) : steps_(std::move(steps)) {}
  bool empty() const { return steps_.empty(); }
  std::string apply(std::string_view text, bool at_start) const;

 private:
  std::vector<NormalizerStep> steps_;
};

}  // namespace jiang
