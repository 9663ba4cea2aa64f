#include "cli/sanitizer.h"

#include <gtest/gtest.h>

#include "base/unicode.h"

namespace jiang {
namespace {

std::string whole(std::string_view text) { return TerminalSanitizer().feed(text); }

// One character at a time: what a stream of tokens does in the worst case.
std::string pieces(std::string_view text) {
  TerminalSanitizer sanitizer;
  std::string out;
  while (!text.empty()) {
    const auto n = static_cast<size_t>(decode_utf8(text).length);
    out += sanitizer.feed(text.substr(0, n));
    text.remove_prefix(n);
  }
  return out;
}

struct Case {
  const char* name;
  std::string in;
  std::string out;
};

class Sanitizer : public testing::TestWithParam<Case> {};

TEST_P(Sanitizer, RemovesWhatControlsATerminal) {
  EXPECT_EQ(whole(GetParam().in), GetParam().out);
  EXPECT_EQ(pieces(GetParam().in), GetParam().out);
}

INSTANTIATE_TEST_SUITE_P(
    All, Sanitizer,
    testing::Values(Case{"plain", "hello\n\tworld ~", "hello\n\tworld ~"},
                    Case{"chinese_and_emoji", "\u4f60\u597d \U0001F468\u200D\U0001F469",
                         "\u4f60\u597d \U0001F468\u200D\U0001F469"},
                    Case{"color", "a\033[1;31mred\033[0mb", "aredb"},
                    Case{"cursor", "a\033[2J\033[H\033[?25lb", "ab"},
                    Case{"title_bel", "a\033]0;owned\007b", "ab"},
                    Case{"title_st", "a\033]0;owned\033\\b", "ab"},
                    Case{"clipboard", "a\033]52;c;ZXZpbA==\007b", "ab"},
                    Case{"hyperlink", "\033]8;;http://x\033\\text\033]8;;\033\\", "text"},
                    Case{"device_control", "a\033P$q\"p\033\\b", "ab"},
                    Case{"reset", "a\033cb", "ab"}, Case{"charset", "a\033(0b", "ab"},
                    Case{"c1_csi", "a\u009b31mb", "ab"}, Case{"c1_osc", "a\u009d0;t\u009cb", "ab"},
                    Case{"carriage_return", "safe\rEVIL", "safeEVIL"},
                    Case{"crlf", "a\r\nb", "a\nb"},
                    Case{"bell_backspace_delete",
                         "a\a\b\x7f"
                         "b",
                         "ab"},
                    Case{"bidi", "a\u202e\u2066x\u2069\u200fb", "axb"},
                    Case{"unfinished_string_ends_with_the_line", "a\033]0;never\nb", "a\nb"},
                    Case{"escape_before_text", "\033\u4f60", "\u4f60"},
                    Case{"escape_twice", "\033\033[31mx", "x"},
                    Case{"ill_formed",
                         "a\xff"
                         "b",
                         "a\ufffd"
                         "b"}),
    [](const auto& test) { return test.param.name; });

TEST(VisibleLine, QuotesOfHostileFilesStayOnTheirLine) {
  EXPECT_EQ(visible_line("name\033]0;x\007\nsecond\tline"), "name second line");
}

}  // namespace
}  // namespace jiang
