#include "sandbox/slots.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

namespace jiang {
namespace {

namespace fs = std::filesystem;

class SlotsTest : public testing::Test {
 protected:
  SlotsTest() : tmp_(fs::path(testing::TempDir()) / ("slots-" + std::to_string(getpid()))) {
    fs::create_directories(tmp_);
    setenv("TMPDIR", tmp_.c_str(), 1);
  }
  ~SlotsTest() override {
    unsetenv("TMPDIR");
    fs::remove_all(tmp_);
  }
  int count() const {
    return static_cast<int>(std::distance(fs::directory_iterator(tmp_), fs::directory_iterator()));
  }
  const fs::path tmp_;
};

TEST_F(SlotsTest, WhatAKilledProcessLeftIsRemovedAndNoLivingOnesFolder) {
  const auto living = Slots::create(1);
  ASSERT_TRUE(living) << living.error().message;
  const pid_t child = fork();
  if (child == 0) {
    const auto slots = Slots::create(1);
    if (slots) std::ofstream((*slots)->root() + "/init") << "the first program of a box";
    kill(getpid(), SIGKILL);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFSIGNALED(status));
  ASSERT_EQ(count(), 2);

  const auto next = Slots::create(1);
  ASSERT_TRUE(next) << next.error().message;
  EXPECT_EQ(count(), 2) << "the living one's and the new one's";
  EXPECT_TRUE(fs::exists((*living)->root()));
  EXPECT_TRUE(fs::exists((*next)->root()));
}

TEST_F(SlotsTest, AFolderThatOnlyBeginsLikeOursIsLeftAlone) {
  for (const char* name : {"jiang-box-notes", "jiang-box-test-12149", "jiang-box-my.old"}) {
    fs::create_directories(tmp_ / name);
  }
  ASSERT_TRUE(Slots::create(1));
  EXPECT_EQ(count(), 3);
}

TEST_F(SlotsTest, AStrangersFolderOfThatNameIsLeftAlone) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root to give a folder away";
  const fs::path folder = tmp_ / "jiang-box-abcdef";
  fs::create_directories(folder);
  ASSERT_EQ(chown(folder.c_str(), 12345, 12345), 0);
  fs::create_directory_symlink(folder, tmp_ / "jiang-box-link");
  ASSERT_TRUE(Slots::create(1));
  EXPECT_TRUE(fs::exists(folder));
  EXPECT_TRUE(fs::is_symlink(tmp_ / "jiang-box-link"));
}

}  // namespace
}  // namespace jiang
