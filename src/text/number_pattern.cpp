#include "text/number_pattern.h"

#include <algorithm>
#include <map>

#include "text/pattern_automaton.h"

namespace jiang {
namespace {

constexpr size_t kMaxDoubleDigits = 15;  // decimals of so many digits are apart as doubles
constexpr size_t kUsualFraction = 6;
constexpr int kMaxExponent = 400;
constexpr int kMaxStep = 1000;

// [low-high] of digits, or "" when there are none.
std::string digits(char low, char high) {
  if (low > high) return "";
  return low == high ? std::string(1, low) : fmt::format("[{}-{}]", low, high);
}

std::string any_digits(size_t count) { return count == 0 ? "" : fmt::format("[0-9]{{{}}}", count); }

std::string join(const std::vector<std::string>& choices) {
  std::string out = "(?:";
  for (size_t i = 0; i < choices.size(); ++i) out += (i > 0 ? "|" : "") + choices[i];
  return out + ")";
}

// Integer parts above (or below) `bound`, without zeros in front; "" when there are none.
std::string integers_beyond(const std::string& bound, bool above) {
  std::vector<std::string> choices;
  const size_t n = bound.size();
  if (above) {
    choices.push_back(fmt::format("[1-9][0-9]{{{},}}", n));
  } else if (n > 1) {
    choices.push_back(n == 2 ? "[0-9]" : fmt::format("(?:0|[1-9][0-9]{{0,{}}})", n - 2));
  }
  for (size_t i = 0; i < n; ++i) {
    const char lowest = i == 0 && n > 1 ? '1' : '0';
    const std::string digit = above ? digits(static_cast<char>(bound[i] + 1), '9')
                                    : digits(lowest, static_cast<char>(bound[i] - 1));
    if (!digit.empty()) choices.push_back(bound.substr(0, i) + digit + any_digits(n - i - 1));
  }
  return choices.empty() ? "" : join(choices);
}

// Fractions (with their point, perhaps nothing) above or below `bound`, or equal to it.
std::string fractions_beyond(const std::string& bound, bool above, bool equal_too) {
  std::vector<std::string> choices;
  if (equal_too) {
    choices.push_back(bound.empty() ? "(?:\\.0+)?" : "\\." + bound + "0*");
  }
  if (above) {
    if (bound.empty()) choices.push_back("\\.[0-9]*[1-9][0-9]*");
    if (!bound.empty()) choices.push_back("\\." + bound + "[0-9]*[1-9][0-9]*");
  } else if (!bound.empty()) {
    choices.push_back("");
    for (size_t i = 1; i < bound.size(); ++i) choices.push_back("\\." + bound.substr(0, i));
  }
  for (size_t i = 0; i < bound.size(); ++i) {
    const std::string digit = above ? digits(static_cast<char>(bound[i] + 1), '9')
                                    : digits('0', static_cast<char>(bound[i] - 1));
    if (!digit.empty()) choices.push_back("\\." + bound.substr(0, i) + digit + "[0-9]*");
  }
  return choices.empty() ? "" : join(choices);
}

// Unsigned numbers on one side of `bound`.
std::string magnitudes(const Decimal& bound, bool above, bool excludes) {
  std::vector<std::string> choices;
  const std::string beyond = integers_beyond(bound.integer, above);
  if (!beyond.empty()) choices.push_back(beyond + "(?:\\.[0-9]+)?");
  const std::string fractions = fractions_beyond(bound.fraction, above, !excludes);
  if (!fractions.empty()) choices.push_back(bound.integer + fractions);
  return choices.empty() ? "[]" : join(choices);
}

struct Side {  // of one sign
  std::optional<Decimal> low = {}, high = {};
  bool excludes_low = false, excludes_high = false;
};

Result<Dfa> magnitude_dfa(const Side& side, const std::string& form) {
  TRY(Dfa dfa, pattern_dfa(form, PatternMode::whole));
  if (side.low) {
    const std::string pattern = magnitudes(*side.low, true, side.excludes_low);
    TRY(const Dfa bound, pattern_dfa(pattern, PatternMode::whole));
    TRY(dfa, intersect(dfa, bound));
  }
  if (side.high) {
    const std::string pattern = magnitudes(*side.high, false, side.excludes_high);
    TRY(const Dfa bound, pattern_dfa(pattern, PatternMode::whole));
    TRY(dfa, intersect(dfa, bound));
  }
  return dfa;
}

void copy_into(const Dfa& dfa, Nfa& nfa, int32_t from, int32_t accepting) {
  if (dfa.is_empty()) return;
  std::vector<int32_t> states(dfa.size());
  for (int32_t& state : states) state = nfa.add_state();
  nfa.add_epsilon(from, states[0]);
  for (size_t i = 0; i < dfa.size(); ++i) {
    const auto here = static_cast<int32_t>(i);
    if (dfa.accepts(here)) nfa.add_epsilon(states[i], accepting);
    for (int byte = 0; byte < 256; ++byte) {
      const auto b = static_cast<uint8_t>(byte);
      const int32_t to = dfa.step(here, b);
      if (to != Dfa::kDead) nfa.add_edge(states[i], b, b, states[static_cast<size_t>(to)]);
    }
  }
}

Result<Dfa> signed_dfa(const NumberRange& range, const std::string& form) {
  const Decimal zero;
  Side above{.low = range.minimum,
             .high = range.maximum,
             .excludes_low = range.excludes_minimum,
             .excludes_high = range.excludes_maximum};
  const bool has_positive = !range.maximum || !range.maximum->negative;
  if (above.low && above.low->negative) above.low.reset();
  // The other side is mirrored; -0 is left out.
  Side below{.low = zero, .excludes_low = true};
  const bool has_negative = !range.minimum || range.minimum->negative;
  if (range.minimum && range.minimum->negative) {
    below.high = range.minimum;
    below.high->negative = false;
    below.excludes_high = range.excludes_minimum;
  }
  if (range.maximum && range.maximum->negative) {
    below.low = range.maximum;
    below.low->negative = false;
    below.excludes_low = range.excludes_maximum;
  }
  Nfa nfa;
  const int32_t accepting = nfa.add_state();
  nfa.set_accepting(accepting);
  if (has_positive) {
    TRY(const Dfa dfa, magnitude_dfa(above, form));
    copy_into(dfa, nfa, Nfa::kStart, accepting);
  }
  if (has_negative) {
    TRY(const Dfa dfa, magnitude_dfa(below, form));
    const int32_t minus = nfa.add_state();
    nfa.add_edge(Nfa::kStart, '-', '-', minus);
    copy_into(dfa, nfa, minus, accepting);
  }
  return determinize(nfa);
}

}  // namespace

std::optional<Decimal> Decimal::parse(std::string_view text) {
  Decimal out;
  size_t at = 0;
  const auto digit_run = [&] {
    const size_t begin = at;
    while (at < text.size() && text[at] >= '0' && text[at] <= '9') ++at;
    return std::string(text.substr(begin, at - begin));
  };
  if (at < text.size() && text[at] == '-') out.negative = true, ++at;
  out.integer = digit_run();
  if (out.integer.empty()) return std::nullopt;
  if (at < text.size() && text[at] == '.') ++at, out.fraction = digit_run();
  if (at < text.size() && (text[at] == 'e' || text[at] == 'E')) {
    ++at;
    bool down = false;
    if (at < text.size() && (text[at] == '+' || text[at] == '-')) down = text[at++] == '-';
    const std::string exponent_text = digit_run();
    if (exponent_text.empty() || exponent_text.size() > 4) return std::nullopt;
    const int exponent = std::stoi(exponent_text);
    if (exponent > kMaxExponent) return std::nullopt;
    std::string& from = down ? out.integer : out.fraction;
    for (int i = 0; i < exponent; ++i) {
      if (down) {
        out.fraction.insert(0, 1, from.empty() ? '0' : from.back());
        if (!from.empty()) from.pop_back();
      } else {
        out.integer += from.empty() ? '0' : from.front();
        if (!from.empty()) from.erase(0, 1);
      }
    }
  }
  if (at != text.size()) return std::nullopt;
  out.integer.erase(0, std::min(out.integer.find_first_not_of('0'), out.integer.size()));
  if (out.integer.empty()) out.integer = "0";
  while (!out.fraction.empty() && out.fraction.back() == '0') out.fraction.pop_back();
  if (out.is_zero()) out.negative = false;
  return out;
}

int compare(const Decimal& a, const Decimal& b) {
  if (a.negative != b.negative) return a.negative ? -1 : 1;
  int order = 0;
  if (a.integer.size() != b.integer.size()) {
    order = a.integer.size() < b.integer.size() ? -1 : 1;
  } else if (a.integer != b.integer) {
    order = a.integer < b.integer ? -1 : 1;
  } else if (a.fraction != b.fraction) {  // without zeros at the end: as text
    order = a.fraction < b.fraction ? -1 : 1;
  }
  return a.negative ? -order : order;
}

Result<Dfa> integer_dfa(const NumberRange& range) {
  if (!range.minimum && !range.maximum)
    return signed_dfa(range, fmt::format("0|[1-9][0-9]{{0,{}}}", kMaxIntegerDigits - 1));
  size_t n = 1;
  for (const auto& bound : {range.minimum, range.maximum}) {
    n = std::max(n, bound ? bound->integer.size() : kMaxIntegerDigits);
  }
  // One digit more, for what lies beyond a bound such as 99.
  return signed_dfa(range, fmt::format("0|[1-9][0-9]{{0,{}}}", n));
}

Result<Dfa> number_dfa(const NumberRange& range) {
  if (!range.minimum && !range.maximum) {
    return pattern_dfa(fmt::format("-?(?:0|[1-9][0-9]{{0,{}}})(?:\\.[0-9]{{1,{}}})?"
                                   "(?:[eE][+-]?[0-9]{{1,2}})?",
                                   kMaxIntegerDigits - 1, kMaxFractionDigits),
                       PatternMode::whole);
  }
  size_t integer = 1, fraction = 0;
  NumberRange inner = range;
  for (auto* bound : {&inner.minimum, &inner.maximum}) {
    if (!*bound) continue;
    // Numbers of ours never get beyond 15 digits, so an outer bound beyond says nothing.
    const bool is_outer = (bound == &inner.minimum) == (*bound)->negative;
    if ((*bound)->integer.size() > kMaxDoubleDigits && is_outer) {
      bound->reset();
      continue;
    }
    integer = std::max(integer, (*bound)->integer.size());
    fraction = std::max(fraction, (*bound)->fraction.size());
  }
  const bool is_open = !inner.minimum || !inner.maximum;
  if (integer + fraction > kMaxDoubleDigits) {
    return fail(ErrorKind::unsupported, "a bound of more than {} digits cannot be kept exactly",
                kMaxDoubleDigits);
  }
  fraction = std::max(fraction, std::min(kUsualFraction, kMaxDoubleDigits - integer));
  if (is_open) integer = std::max(integer, std::min(integer + 3, kMaxDoubleDigits - fraction));
  const std::string tail = fraction == 0 ? "" : fmt::format("(?:\\.[0-9]{{1,{}}})?", fraction);
  return signed_dfa(inner, fmt::format("(?:0|[1-9][0-9]{{0,{}}}){}", integer - 1, tail));
}

Result<Dfa> multiple_dfa(const Decimal& step) {
  const std::string all = step.integer + step.fraction;
  const size_t significant = all.find_first_not_of('0');
  const std::string significant_digits =
      significant == std::string::npos ? "0" : all.substr(significant);
  if (step.negative || step.is_zero()) return fail(ErrorKind::invalid_argument, "must be above 0");
  if (significant_digits.size() > 4 || std::stoi(significant_digits) > kMaxStep) {
    return fail(ErrorKind::unsupported, "is supported up to {} (its digits, without the point)",
                kMaxStep);
  }
  const int modulus = std::stoi(significant_digits);
  const size_t n = step.fraction.size();
  // A state is (fraction digits so far, value so far modulo `modulus`); accepting when the value,
  // with the missing fraction digits as zeros, is a multiple.
  Nfa nfa;
  const int32_t accepting = nfa.add_state();
  nfa.set_accepting(accepting);
  std::vector<std::vector<int32_t>> states(n + 1);
  for (auto& row : states) {
    for (int i = 0; i < modulus; ++i) row.push_back(nfa.add_state());
  }
  std::vector<int32_t> points;  // after the point, before its first digit
  for (int i = 0; i < modulus && n > 0; ++i) points.push_back(nfa.add_state());
  const int32_t minus = nfa.add_state();
  nfa.add_epsilon(Nfa::kStart, minus);
  nfa.add_edge(Nfa::kStart, '-', '-', minus);
  for (int digit = 0; digit < 10; ++digit) {
    const auto byte = static_cast<uint8_t>('0' + digit);
    nfa.add_edge(minus, byte, byte, states[0][static_cast<size_t>(digit % modulus)]);
  }
  for (size_t f = 0; f <= n; ++f) {
    for (int value = 0; value < modulus; ++value) {
      const int32_t here = states[f][static_cast<size_t>(value)];
      int scaled = value;
      for (size_t i = f; i < n; ++i) scaled = scaled * 10 % modulus;
      if (scaled == 0) nfa.add_epsilon(here, accepting);
      if (f == 0 && n > 0) nfa.add_edge(here, '.', '.', points[static_cast<size_t>(value)]);
      if (f > 0 && f == n) continue;
      for (int digit = 0; digit < 10; ++digit) {
        const auto byte = static_cast<uint8_t>('0' + digit);
        const auto next = static_cast<size_t>((value * 10 + digit) % modulus);
        nfa.add_edge(here, byte, byte, states[f == 0 ? 0 : f + 1][next]);
        if (f == 0 && n > 0)
          nfa.add_edge(points[static_cast<size_t>(value)], byte, byte, states[1][next]);
      }
    }
  }
  return determinize(nfa);
}

}  // namespace jiang
