// Ranges and multiples of numbers as automata over their digits, exact in decimal: no floats.
#pragma once

#include <optional>
#include <string>

#include "base/result.h"
#include "text/byte_automaton.h"

namespace jiang {

// A decimal number: (-1)^negative * integer.fraction, without zeros in front or at the end.
struct Decimal {
  bool negative = false;
  std::string integer = "0";
  std::string fraction = {};

  // "-12.5e3" and so on, as JSON writes numbers. Nullopt when it is none, or has an exponent
  // beyond 400.
  static std::optional<Decimal> parse(std::string_view text);
  bool is_zero() const { return integer == "0" && fraction.empty(); }
  bool is_integer() const { return fraction.empty(); }
};
// <0, 0, >0
int compare(const Decimal& a, const Decimal& b);

struct NumberRange {
  std::optional<Decimal> minimum, maximum;
  bool excludes_minimum = false, excludes_maximum = false;
};

// Most digits of a number without bounds.
inline constexpr size_t kMaxIntegerDigits = 15;
inline constexpr size_t kMaxFractionDigits = 15;

// Integers in the range, without exponent, fraction or -0.
Result<Dfa> integer_dfa(const NumberRange& range);
// Numbers in the range. Without bounds they may have an exponent of up to two digits. Bounds of
// more than 15 digits are refused: floats could not tell apart what lies near them.
Result<Dfa> number_dfa(const NumberRange& range);
// Multiples of `step` (above 0) in decimal, with no more fraction digits than it has. Refused when
// its digits make a number above 1000.
Result<Dfa> multiple_dfa(const Decimal& step);

}  // namespace jiang
