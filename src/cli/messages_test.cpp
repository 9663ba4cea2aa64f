#include "cli/messages.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>

namespace jiang {
namespace {

class Messages : public testing::Test {
 protected:
  void SetUp() override {
    for (const char* name : {"LC_ALL", "LC_MESSAGES", "LANG"}) unsetenv(name);
  }
  void TearDown() override { SetUp(); }
};

size_t count_placeholders(std::string_view text) {
  return static_cast<size_t>(std::count(text.begin(), text.end(), '{'));
}

TEST_F(Messages, BothLanguagesSayTheSameThings) {
  for (int i = 0; i < static_cast<int>(Phrase::count); ++i) {
    const auto which = static_cast<Phrase>(i);
    setenv("LANG", "en_US.UTF-8", 1);
    const std::string english = message_format(which);
    setenv("LANG", "zh_CN.UTF-8", 1);
    const std::string chinese = message_format(which);
    EXPECT_FALSE(english.empty()) << i;
    EXPECT_NE(english, chinese) << english;
    EXPECT_EQ(count_placeholders(english), count_placeholders(chinese)) << english;
  }
}

TEST_F(Messages, TheFirstSetVariableDecides) {
  EXPECT_EQ(ui_language(), Language::english);
  setenv("LANG", "zh_CN.UTF-8", 1);
  EXPECT_EQ(ui_language(), Language::chinese);
  setenv("LC_MESSAGES", "de_DE", 1);
  EXPECT_EQ(ui_language(), Language::english);
  setenv("LC_ALL", "zh_TW", 1);
  EXPECT_EQ(ui_language(), Language::chinese);
}

TEST_F(Messages, EveryCommandHasAChineseSummary) {
  setenv("LANG", "zh_CN.UTF-8", 1);
  for (const Command& command : commands()) {
    EXPECT_NE(summary_of(command), command.summary) << command.name;
  }
}

}  // namespace
}  // namespace jiang
