// JSON Schema's "pattern" (the regular part of ECMA-262's expressions) as a Dfa. Backreferences,
// look-around and word boundaries are refused by name; repetitions are bounded by the automaton's.
//
// Classes are those of ECMA-262 without flags: \d is 0-9, \w is ASCII, "." is no line end.
#pragma once

#include <string_view>

#include "base/result.h"
#include "text/byte_automaton.h"

namespace jiang {

enum class PatternMode : uint8_t {
  whole,   // the whole text matches
  search,  // some part of it does, unless it is anchored by ^ and $
};

// Over bytes as they are.
Result<Dfa> pattern_dfa(std::string_view pattern, PatternMode mode, DfaLimits limits = {});
// Over the inside of a JSON string in its shortest spelling: '"', '\' and control characters are
// escaped, nothing else is.
Result<Dfa> json_string_pattern_dfa(std::string_view pattern, PatternMode mode,
                                    DfaLimits limits = {});
// The inside of a JSON string, so spelt, of `min` to `max` characters (max -1: any number).
Result<Dfa> json_string_length_dfa(int64_t min, int64_t max, DfaLimits limits = {});

}  // namespace jiang
