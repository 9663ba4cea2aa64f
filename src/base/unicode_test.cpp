#include "base/unicode.h"

#include <gtest/gtest.h>

namespace jiang {
namespace {

TEST(Unicode, EveryCodePointSurvivesEncodeAndDecode) {
  for (char32_t c = 0; c <= 0x10FFFF; ++c) {
    if (c >= 0xD800 && c <= 0xDFFF) continue;
    std::string text;
    append_utf8(text, c);
    const auto decoded = decode_utf8(text);
    ASSERT_TRUE(decoded.valid && decoded.code_point == c &&
                decoded.length == static_cast<int>(text.size()))
        << static_cast<uint32_t>(c);
  }
}

TEST(Unicode, IllFormedBytesBecomeOneReplacementPerMaximalSubpart) {
  // The standard's own example (section 3.9, table 3-8).
  EXPECT_EQ(replace_invalid_utf8("\x61\xF1\x80\x80\xE1\x80\xC2\x62\x80\x63\x80\xBF\x64"),
            "a\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD"
            "b\xEF\xBF\xBD"
            "c\xEF\xBF\xBD\xEF\xBF\xBD"
            "d");
  EXPECT_FALSE(is_valid_utf8("\xC0\xAF"));          // overlong
  EXPECT_FALSE(is_valid_utf8("\xED\xA0\x80"));      // surrogate
  EXPECT_FALSE(is_valid_utf8("\xF4\x90\x80\x80"));  // beyond U+10FFFF
}

TEST(Unicode, CompletePrefixHoldsBackOnlyWhatMayStillBecomeACharacter) {
  const std::string text = "a\xE4\xBD\xA0";  // "a" and a CJK character
  EXPECT_EQ(complete_utf8_prefix(text), 4u);
  EXPECT_EQ(complete_utf8_prefix(text.substr(0, 3)), 1u);
  EXPECT_EQ(complete_utf8_prefix(text.substr(0, 2)), 1u);
  EXPECT_EQ(complete_utf8_prefix("a\xF0\x9F\x99"), 1u);
  EXPECT_EQ(complete_utf8_prefix("a\x80"), 2u);  // never a character: not held back
  EXPECT_EQ(complete_utf8_prefix("a\xE4 "), 3u);
  EXPECT_EQ(complete_utf8_prefix("\xED\xA0"), 2u);  // a surrogate's beginning is ill-formed already
}

TEST(Unicode, CategoriesAndWidths) {
  EXPECT_TRUE(is_letter(U'\u4F60') && is_letter(U'a') && !is_letter(U'1'));
  EXPECT_TRUE(is_number(U'\u00BD') && is_punctuation(U'!') && is_symbol(U'+') &&
              is_mark(U'\u0301'));
  EXPECT_TRUE(is_whitespace(U'\u3000') && !is_whitespace(U'\u200B'));
  EXPECT_EQ(display_width("a\xE4\xBD\xA0"), 3);
  EXPECT_EQ(display_width("e\xCC\x81"), 1);  // e + combining acute
  EXPECT_EQ(display_width("\xF0\x9F\x91\xA8\xE2\x80\x8D\xF0\x9F\x91\xA9"), 2);  // joined by ZWJ
  EXPECT_EQ(grapheme_length("e\xCC\x81x"), 3u);
}

TEST(Unicode, Normalizes) {
  EXPECT_EQ(normalize("e\xCC\x81", Normalization::nfc), "\xC3\xA9");
  EXPECT_EQ(normalize("\xC3\xA9", Normalization::nfd), "e\xCC\x81");
  EXPECT_EQ(normalize("\xEF\xBC\xA1", Normalization::nfkc), "A");  // fullwidth A
  EXPECT_EQ(to_lower("\xC3\x89X"), "\xC3\xA9x");
}

}  // namespace
}  // namespace jiang
