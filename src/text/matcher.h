// Matcher: finds what a pre-tokenizer step looks for: a pattern, a literal, a class of characters.
//
// Immutable and shared between threads; each encode() starts its own session.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "base/function_ref.h"
#include "base/result.h"
#include "text/known_patterns.h"

namespace jiang {

class MatchSession {
 public:
  virtual ~MatchSession() = default;
  // Calls found(begin, end) for the matches in `text` (valid UTF-8), from left to right. They do
  // not overlap; they may be empty.
  virtual void for_each(std::string_view text,
                        FunctionRef<void(size_t begin, size_t end)> found) = 0;
};

class Matcher {
 public:
  virtual ~Matcher() = default;
  virtual std::unique_ptr<MatchSession> start() const = 0;
  // Not null: the matches tile any text, and this finds the next one without a session.
  virtual TilingMatcher tiling() const { return nullptr; }
};
using MatcherPtr = std::shared_ptr<const Matcher>;  // shared by the steps of copied tokenizers

// By hand-written code where the pattern is a known one, otherwise by PCRE2.
Result<MatcherPtr> make_pattern_matcher(std::string_view pattern, std::string_view where);
// Always by PCRE2 (tests compare the two).
Result<MatcherPtr> make_regex_matcher(std::string_view pattern, std::string_view where);
MatcherPtr make_literal_matcher(std::string literal);

enum class ClassRuns { one_by_one, whole_run };
MatcherPtr make_class_matcher(bool (*is_member)(char32_t), ClassRuns runs);
// Pieces of `n` characters; the last one may be shorter.
MatcherPtr make_fixed_length_matcher(size_t n);

}  // namespace jiang
