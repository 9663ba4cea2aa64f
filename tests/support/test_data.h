// Where tests find real data: the folder named by JIANG_TEST_DATA, by default ../shared/data beside
// the repository. Read here and nowhere else.
#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <string>

namespace jiang {

// The root of the repository: for the data files of tests/.
const char* source_dir();

inline std::string test_data(const std::string& relative) {
  const char* root = std::getenv("JIANG_TEST_DATA");
  const std::filesystem::path base =
      root && *root ? std::string(root) : source_dir() + std::string("/../shared/data");
  return (base / relative).string();
}

}  // namespace jiang

// In a test body: declares `path`, or skips with a message that ./test counts.
#define JIANG_NEED_DATA(path, relative)                               \
  const std::string path = ::jiang::test_data(relative);              \
  if (!std::filesystem::exists(path)) {                               \
    GTEST_SKIP() << "needs " << relative << " under JIANG_TEST_DATA"; \
  }
