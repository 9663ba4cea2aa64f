#include "cli/command.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <set>

#include "tests/support/test_data.h"

namespace jiang {
namespace {

// "dev_make_model.cpp" is the command "dev make-model", "train_sft.cpp" is "train sft".
std::string command_of(std::string file) {
  std::string prefix;
  for (const std::string group : {"dev", "bench", "train"}) {
    if (file.substr(0, group.size() + 1) != group + "_") continue;
    prefix = group + " ";
    file = file.substr(group.size() + 1);
  }
  for (char& c : file) c = c == '_' ? '-' : c;
  return prefix + file;
}

TEST(Commands, EveryFileIsInTheTableAndEveryLineHasItsFile) {
  std::set<std::string> files;
  for (const auto& entry :
       std::filesystem::directory_iterator(std::string(source_dir()) + "/src/cli/commands")) {
    const std::string stem = entry.path().stem().string();
    if (entry.path().extension() != ".cpp" || stem == "table" || stem == "table_test") continue;
    files.insert(command_of(stem));
  }
  std::set<std::string> names;
  for (const Command& command : commands()) names.insert(command.name);
  EXPECT_EQ(files, names);
}

TEST(Commands, EachSaysWhatItIs) {
  for (const Command& command : commands()) {
    EXPECT_TRUE(command.run) << command.name;
    EXPECT_EQ(std::string(command.usage).rfind(std::string("usage: jiang ") + command.name, 0), 0u);
    EXPECT_GT(std::string(command.summary).size(), 8u) << command.name;
    EXPECT_GT(std::string(command.examples).size(), 8u) << command.name;
  }
}

}  // namespace
}  // namespace jiang
