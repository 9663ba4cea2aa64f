// Regex: the pre-tokenizer patterns of model files, run by PCRE2 (JIT where it can).
//
// Patterns are written for Oniguruma or Rust's regex; translate_pattern() rewrites what PCRE2 reads
// differently (\s, \w, \p{Han}, nested classes). Compiled once, then any thread may match.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "base/function_ref.h"
#include "base/result.h"

namespace jiang {

class Regex {
 public:
  static Result<Regex> compile(std::string_view pattern, std::string_view where);

  // One thread's scratch for matching; make one and use it for many texts. Borrows the Regex.
  class Session {
   public:
    explicit Session(const Regex& regex);
    ~Session();
    Session(const Session&) = delete;
    Session& operator=(const Session&) = delete;

    // Calls found(begin, end) for the matches from left to right; they do not overlap, and may be
    // empty. `text` must be valid UTF-8. When a match exceeds PCRE2's limits the search ends early
    // and returns false: the rest of the text counts as not matched.
    bool for_each_match(std::string_view text, FunctionRef<void(size_t begin, size_t end)> found);

   private:
    struct Scratch;
    std::unique_ptr<Scratch> scratch_;
  };

 private:
  struct Code;
  std::shared_ptr<Code> code_;  // shared: tokenizers copy their steps
};

// The same pattern in PCRE2's dialect; an error for what has no counterpart.
Result<std::string> translate_pattern(std::string_view pattern, std::string_view where);

}  // namespace jiang
