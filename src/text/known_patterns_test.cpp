// The hand-written matchers against PCRE2 running the same patterns.
#include "text/known_patterns.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "base/unicode.h"
#include "text/matcher.h"

namespace jiang {
namespace {

using Spans = std::vector<std::pair<size_t, size_t>>;

Spans spans_of(const Matcher& matcher, std::string_view text) {
  Spans spans;
  matcher.start()->for_each(text,
                            [&](size_t begin, size_t end) { spans.emplace_back(begin, end); });
  return spans;
}

// PCRE2 10.42 has the categories of Unicode 14, utf8proc 2.8 those of 15.
bool is_same_in_unicode_14(char32_t c) {
  const auto between = [c](char32_t first, char32_t last) { return c >= first && c <= last; };
  return !(between(0xCF3, 0xCF3) || between(0xECE, 0xECE) || between(0x10EC0, 0x10EFF) ||
           between(0x11240, 0x11241) || between(0x11B00, 0x11B09) || between(0x11F00, 0x11F59) ||
           between(0x13430, 0x1345F) || between(0x1B132, 0x1B132) || between(0x1B155, 0x1B155) ||
           between(0x1D2C0, 0x1D2D3) || between(0x1DF25, 0x1DF2A) || between(0x1E030, 0x1E08F) ||
           between(0x1E4D0, 0x1E4F9) || between(0x1F6DC, 0x1F6DC) || between(0x1F774, 0x1F77F) ||
           between(0x1F7D9, 0x1F7D9) || between(0x1FA70, 0x1FAFF) || between(0x31350, 0x323AF));
}

// Text of the characters that patterns tell apart, and of any character at all.
class RandomText {
 public:
  explicit RandomText(uint32_t seed) : random_(seed) {}

  std::string next() {
    static const std::vector<std::string> kParts = {" ",
                                                    " ",
                                                    "  ",
                                                    "\n",
                                                    "\r\n",
                                                    "\n\n",
                                                    "\t",
                                                    "a",
                                                    "b",
                                                    "S",
                                                    "T",
                                                    "L",
                                                    "l",
                                                    "'",
                                                    "'s",
                                                    "'LL",
                                                    "'Re",
                                                    "'\xC5\xBF",
                                                    "7",
                                                    "42",
                                                    "2024",
                                                    ".",
                                                    ",",
                                                    "!?",
                                                    "/",
                                                    "-",
                                                    "_",
                                                    "\xC3\xA9",
                                                    "\xC3\x89",
                                                    "\xCC\x81",
                                                    "\xE4\xB8\xAD",
                                                    "\xE3\x81\xAE",
                                                    "\xC7\x85",
                                                    "\xCA\xB0",
                                                    "\xC2\xAA",
                                                    "\xC2\xBD",
                                                    "\xE2\x85\xA7",
                                                    "\xC2\xA0",
                                                    "\xE3\x80\x80",
                                                    "\xE1\xA0\x8E",
                                                    "\xE2\x80\xA8",
                                                    "\xE2\x80\x8B",
                                                    "\xF0\x9F\x99\x82",
                                                    "\xD9\xA3",
                                                    "\xE0\xA5\x87",
                                                    "\xE2\x82\xAC"};
    std::string text;
    const size_t n = 1 + random_() % 24;
    for (size_t i = 0; i < n; ++i) {
      if (random_() % 4 != 0) {
        text += kParts[random_() % kParts.size()];
        continue;
      }
      const char32_t limit = random_() % 2 == 0 ? 0x3000 : 0x20000;
      const char32_t c = random_() % limit;
      if ((c < 0xD800 || c > 0xDFFF) && is_same_in_unicode_14(c)) append_utf8(text, c);
    }
    return text;
  }

 private:
  std::mt19937 random_;
};

struct Pattern {
  const char* name;
  std::string_view pattern;
};

class PatternTest : public testing::TestWithParam<Pattern> {};

TEST_P(PatternTest, HandWrittenMatcherFindsWhatPcre2Finds) {
  const auto fast = make_pattern_matcher(GetParam().pattern, "test").value();
  const auto reference = make_regex_matcher(GetParam().pattern, "test").value();
  RandomText texts(20240229);
  for (int i = 0; i < 5'000; ++i) {
    const std::string text = texts.next();
    ASSERT_EQ(spans_of(*fast, text), spans_of(*reference, text)) << '"' << text << '"';
  }
}

TEST_P(PatternTest, EveryCharacterIsOfTheSameClass) {
  const auto fast = make_pattern_matcher(GetParam().pattern, "test").value();
  const auto reference = make_regex_matcher(GetParam().pattern, "test").value();
  for (char32_t c = 1; c < 0x110000; c += c < 0x2100 ? 1 : 61) {
    if ((c >= 0xD800 && c <= 0xDFFF) || !is_same_in_unicode_14(c)) continue;
    std::string text = "a";
    append_utf8(text, c);
    text += "A1";
    append_utf8(text, c);
    text += " .";
    append_utf8(text, c);
    ASSERT_EQ(spans_of(*fast, text), spans_of(*reference, text))
        << "U+" << std::hex << static_cast<uint32_t>(c);
  }
}

INSTANTIATE_TEST_SUITE_P(
    Known, PatternTest,
    testing::Values(Pattern{"Gpt2", patterns::kGpt2}, Pattern{"Llama3", patterns::kLlama3},
                    Pattern{"Qwen2", patterns::kQwen2}, Pattern{"Qwen35", patterns::kQwen35},
                    Pattern{"Gpt4o", patterns::kGpt4o}, Pattern{"Tekken", patterns::kTekken},
                    Pattern{"Bailing", patterns::kBailing},
                    Pattern{"Ufakzeka", patterns::kUfakzeka},
                    Pattern{"MiniCpm5", patterns::kMiniCpm5},
                    Pattern{"RightAlignedDigits", patterns::kRightAlignedDigits},
                    Pattern{"Thousands", patterns::kThousands}),
    [](const auto& test) { return test.param.name; });

TEST(KnownPatterns, AllButTheDigitGroupsTile) {
  for (const auto pattern :
       {patterns::kGpt2, patterns::kLlama3, patterns::kQwen2, patterns::kGpt4o}) {
    EXPECT_NE(find_known_pattern(pattern), nullptr);
  }
  EXPECT_EQ(find_known_pattern(patterns::kThousands), nullptr);
  EXPECT_EQ(find_known_pattern("\\p{L}+"), nullptr);
}

// Rows B1: a run of one class, whatever its length, is no more work per character. The regular
// expressions of the digit groups are quadratic here; these must simply finish.
TEST(KnownPatterns, LongRunsOfOneClassAreLinear) {
  const char* const kRuns[] = {"A",        "Z", "a", ".",       " ", "\n", "\xE4\xB8\xAD",
                               "\xCC\x81", "7", "'", "\xC7\x85"};
  for (const char* run : kRuns) {
    std::string text;
    while (text.size() < 1'000'000) text += run;
    for (const auto pattern :
         {patterns::kGpt2, patterns::kLlama3, patterns::kQwen35, patterns::kGpt4o,
          patterns::kTekken, patterns::kRightAlignedDigits, patterns::kThousands}) {
      const auto matcher = make_pattern_matcher(pattern, "test").value();
      size_t covered = 0;
      matcher->start()->for_each(text, [&](size_t begin, size_t end) { covered += end - begin; });
      if (matcher->tiling()) {
        EXPECT_EQ(covered, text.size());
      }
    }
  }
}

}  // namespace
}  // namespace jiang
