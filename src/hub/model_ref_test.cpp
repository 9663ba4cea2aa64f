#include "hub/model_ref.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

namespace jiang {
namespace {

namespace fs = std::filesystem;

class ModelRef : public testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/jiang-home-XXXXXX";
    ASSERT_NE(mkdtemp(name), nullptr);
    home_ = name;
    fs::create_directories(home_ + "/models/folder-model");
    for (const char* file : {"/models/qwen2-0.5b.gguf", "/models/big-00001-of-00002.gguf",
                             "/models/big-00002-of-00002.gguf", "/models/notes.txt",
                             "/models/folder-model/config.json"}) {
      std::ofstream(home_ + file) << "x";
    }
    fs::create_directories(home_ + "/models/empty-folder");
  }
  void TearDown() override { fs::remove_all(home_); }

  std::string home_;
};

TEST_F(ModelRef, InstalledModelsAreGgufFilesAndFoldersWithConfig) {
  std::vector<std::string> names;
  for (const InstalledModel& model : installed_models(home_)) names.push_back(model.name);
  EXPECT_EQ(names, (std::vector<std::string>{"big-00001-of-00002", "folder-model", "qwen2-0.5b"}));
  EXPECT_TRUE(installed_models(home_ + "/absent").empty());
}

TEST_F(ModelRef, TheBundledModelLiesBesideTheBuildFolder) {
  fs::create_directories(home_ + "/build/release");
  std::ofstream(home_ + "/build/release/jiang") << "x";
  EXPECT_EQ(bundled_model(home_ + "/build/release/jiang"),
            fs::canonical(home_).string() + "/models/big-00001-of-00002.gguf");
  EXPECT_EQ(bundled_model(home_ + "/build/release/absent"), std::nullopt);
}

TEST_F(ModelRef, NamesPathsAndFoldersAreFound) {
  EXPECT_EQ(*find_model("qwen2-0.5b", home_), home_ + "/models/qwen2-0.5b.gguf");
  EXPECT_EQ(*find_model("folder-model", home_), home_ + "/models/folder-model");
  EXPECT_EQ(*find_model(home_ + "/models/notes.txt", home_), home_ + "/models/notes.txt");
}

TEST_F(ModelRef, MissingModelsAreAnErrorWithAWayOut) {
  const auto message = [&](const std::string& text) {
    const auto found = find_model(text, home_);
    return found ? "found " + *found : found.error().message;
  };
  EXPECT_NE(message("qwen2-0.5").find("did you mean 'qwen2-0.5b'?"), std::string::npos);
  EXPECT_NE(message("llama").find("jiang list"), std::string::npos);
  EXPECT_NE(message(home_ + "/models/qwen2-0.5c.gguf").find("qwen2-0.5b.gguf?"), std::string::npos);
  EXPECT_NE(message("/absent/x.gguf").find("no such file"), std::string::npos);
  EXPECT_NE(message("").find("empty"), std::string::npos);
  EXPECT_EQ(find_model("llama", home_).error().kind, ErrorKind::not_found);
}

}  // namespace
}  // namespace jiang
