// Any text through the hand-written matchers: the pieces are the text, and PCRE2 finds the same
// ones (where both know the characters: PCRE2 10.42 has Unicode 14). A tiny byte-level vocabulary
// gives the text back.
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "base/unicode.h"
#include "tests/support/tiny_tokenizers.h"
#include "text/matcher.h"
#include "text/regex.h"
#include "text/tokenizer_sources.h"

namespace {

struct Subject {
  jiang::MatcherPtr fast;
  jiang::MatcherPtr reference;
};

const std::vector<Subject>& subjects() {
  static const std::vector<Subject> kSubjects = [] {
    namespace p = jiang::patterns;
    std::vector<Subject> all;
    for (const auto pattern : {p::kGpt2, p::kLlama3, p::kQwen2, p::kQwen35, p::kGpt4o, p::kTekken,
                               p::kMiniCpm5, p::kRightAlignedDigits, p::kThousands}) {
      all.push_back({jiang::make_pattern_matcher(pattern, "fuzz").value(),
                     jiang::make_regex_matcher(pattern, "fuzz").value()});
    }
    return all;
  }();
  return kSubjects;
}

// Both libraries agree on this character: its single-character classes are the same.
bool is_agreed(const std::string& text) {
  static const jiang::Regex kUnassigned = jiang::Regex::compile(R"(\p{Cn})", "fuzz").value();
  bool is_unassigned = false;
  jiang::Regex::Session(kUnassigned).for_each_match(text, [&](size_t, size_t) {
    is_unassigned = true;
  });
  return !is_unassigned;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string text = jiang::replace_invalid_utf8({reinterpret_cast<const char*>(data), size});
  const bool compare = is_agreed(text);
  for (const Subject& subject : subjects()) {
    std::vector<size_t> fast;
    std::vector<size_t> reference;
    subject.fast->start()->for_each(text, [&](size_t begin, size_t end) {
      fast.insert(fast.end(), {begin, end});
    });
    if (!compare) continue;
    subject.reference->start()->for_each(text, [&](size_t begin, size_t end) {
      reference.insert(reference.end(), {begin, end});
    });
    if (fast != reference) __builtin_trap();
  }
  static const auto kTokenizer =
      jiang::build_tokenizer(
          jiang::read_tokenizer_json(jiang::tiny::byte_level_json(), "fuzz").value(), "fuzz")
          .value();
  if (kTokenizer->decode(kTokenizer->encode(text)) != text) __builtin_trap();
  return 0;
}
