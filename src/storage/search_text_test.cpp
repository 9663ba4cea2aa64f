#include "storage/search_text.h"

#include <gtest/gtest.h>

namespace jiang {
namespace {

constexpr size_t kNowhere = std::string_view::npos;

TEST(SearchText, FindsSubstringsOfAnyScriptAndCase) {
  const struct {
    const char* text;
    const char* needle;
    size_t at;
  } cases[] = {
      {"", "", 0},
      {"abc", "", 0},
      {"abc", "C", 2},
      {"abc", "cd", kNowhere},
      {"如何用C语言实现计算器", "语言", 10},
      {"如何用C语言实现计算器", "c语言", 9},
      {"如何用C语言实现计算器", "用c", 6},
      {"如何用C语言实现计算器", "编程", kNowhere},
      {"ÄRGER", "ärger", 0},
      {"x ÄRGER", "är", 2},
      {"ΣΊΣΥΦΟΣ", "σί", 0},
      {"a\xff"
       "b",
       "B", 2},
      {"100%_'; DROP", "%_'", 3},
      {"\xE2\x84\xAA"
       "elvin",
       "kelvin", 0},  // the Kelvin sign folds to k
      {"aaab", "aab", 1},
  };
  for (const auto& c : cases) {
    EXPECT_EQ(find_folded(c.text, fold_for_search(c.needle)), c.at) << c.text << " / " << c.needle;
  }
}

TEST(SearchText, ASnippetIsCutBetweenCharacters) {
  const std::string text = "一二三四五六七八九十\n甲乙丙丁戊己庚辛";
  const std::string snippet = snippet_around(text, text.find("甲"), 9);
  EXPECT_EQ(snippet, "...九十 甲乙丙丁戊己...");
  EXPECT_EQ(snippet_around("short", 0, 60), "short");
}

}  // namespace
}  // namespace jiang
