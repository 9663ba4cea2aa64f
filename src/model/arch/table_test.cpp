#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <set>

#include "model/architecture.h"
#include "tests/support/test_data.h"

namespace jiang {
namespace {

// One file of arch/ is one family: the constant that it defines must stand in the table.
TEST(ArchitectureTable, ListsEveryFileOfItsFolder) {
  const std::filesystem::path folder = std::filesystem::path(source_dir()) / "src/model/arch";
  std::ifstream table_file(folder / "table.cpp");
  const std::string table((std::istreambuf_iterator<char>(table_file)), {});
  size_t n_families = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    const std::string name = entry.path().filename().string();
    if (entry.path().extension() != ".cpp" || name == "table.cpp" || name == "table_test.cpp")
      continue;
    std::ifstream file(entry.path());
    const std::string text((std::istreambuf_iterator<char>(file)), {});
    const std::string marker = "extern const Architecture ";
    const size_t at = text.find(marker);
    ASSERT_NE(at, std::string::npos) << name << " defines no Architecture";
    const size_t begin = at + marker.size();
    const std::string constant = text.substr(begin, text.find(' ', begin) - begin);
    EXPECT_NE(table.find("&" + constant + ","), std::string::npos)
        << name << ": " << constant << " is not in table.cpp";
    ++n_families;
  }
  EXPECT_EQ(n_families, architectures().size());
}

TEST(ArchitectureTable, NamesAreUnique) {
  std::set<std::string_view> names;
  for (const Architecture* architecture : architectures()) {
    EXPECT_TRUE(names.insert(architecture->model_type).second) << architecture->model_type;
    ASSERT_FALSE(architecture->hf_names.empty());
    for (const std::string_view name : architecture->hf_names)
      EXPECT_TRUE(names.insert(name).second) << name;
    EXPECT_NE(architecture->configure, nullptr);
    EXPECT_NE(architecture->build, nullptr);
  }
}

}  // namespace
}  // namespace jiang
