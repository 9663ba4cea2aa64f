#include "cli/history.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "base/file.h"

namespace jiang {
namespace {

class HistoryFile : public testing::Test {
 protected:
  void SetUp() override { std::filesystem::remove_all(folder_); }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  const std::string folder_ = testing::TempDir() + "/jiang_history_test";
  const std::string path_ = folder_ + "/deep/history";
};

TEST_F(HistoryFile, EntriesOfSeveralLinesComeBack) {
  const std::vector<std::string> texts{"plain", "two\nlines", "back\\slash\\n", "\u4f60\u597d"};
  {
    History history(path_);
    for (const std::string& text : texts) history.add(text);
  }
  EXPECT_EQ(History(path_).entries(), texts);
}

TEST_F(HistoryFile, BlankAndRepeatedEntriesAreNotKept) {
  History history(path_);
  history.add("a");
  history.add("a");
  history.add("  \n");
  EXPECT_THAT(history.entries(), testing::ElementsAre("a"));
}

TEST_F(HistoryFile, WithoutPersistenceNothingIsWritten) {
  History history(path_);
  history.set_persistent(false);
  history.add("secret");
  EXPECT_THAT(history.entries(), testing::ElementsAre("secret"));
  EXPECT_FALSE(std::filesystem::exists(path_));
}

TEST_F(HistoryFile, ALongFileIsShortened) {
  std::filesystem::create_directories(folder_ + "/deep");
  std::string text;
  for (int i = 0; i < 2500; ++i) text += "line " + std::to_string(i) + "\n";
  ASSERT_TRUE(write_file(path_, text));
  const History history(path_);
  EXPECT_EQ(history.entries().size(), 1000u);
  EXPECT_EQ(history.entries().back(), "line 2499");
  EXPECT_EQ(History(path_).entries().front(), "line 1500");
}

}  // namespace
}  // namespace jiang
