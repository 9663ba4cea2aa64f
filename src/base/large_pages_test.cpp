#include "base/large_pages.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <fstream>
#include <string>
#include <vector>

#include "base/file.h"
#include "tests/support/temp_folder.h"

namespace jiang {
namespace {

constexpr size_t kMiB = size_t{1} << 20;

// Words that tell where they lie.
std::vector<uint32_t> words(size_t bytes) {
  std::vector<uint32_t> out(bytes / sizeof(uint32_t));
  for (size_t i = 0; i < out.size(); ++i) out[i] = static_cast<uint32_t>(i * 2654435761u);
  return out;
}

std::string write_words(const TempFolder& folder, const std::vector<uint32_t>& content) {
  const std::string path = folder.path("weights");
  std::ofstream(path, std::ios::binary)
      .write(reinterpret_cast<const char*>(content.data()),
             static_cast<std::streamsize>(content.size() * sizeof(uint32_t)));
  return path;
}

bool kernel_grants_large_pages() {
  std::ifstream file("/sys/kernel/mm/transparent_hugepage/enabled");
  std::string line;
  return std::getline(file, line) && line.find("[never]") == std::string::npos;
}

// The name of the file that is mapped at `address`; "": none.
std::string mapped_at(const void* address) {
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);) {
    const auto at = reinterpret_cast<uintptr_t>(address);
    const uintptr_t begin = std::stoull(line, nullptr, 16);
    const uintptr_t end = std::stoull(line.substr(line.find('-') + 1), nullptr, 16);
    if (at < begin || at >= end) continue;
    const size_t slash = line.find('/');
    return slash == std::string::npos ? "" : line.substr(slash);
  }
  return "nothing";
}

TEST(LargePages, ACopyTakesTheFilesPlaceWithTheSameBytes) {
  const TempFolder folder;
  const auto content = words(101 * kMiB + 4096 * 3 + 8);  // several pieces, and edges
  const std::string path = write_words(folder, content);
  const MappedFile file = MappedFile::open(path).value();
  const auto* seen = reinterpret_cast<const uint32_t*>(file.bytes().data());
  LargePageCopy copy;
  copy.start(file.bytes());
  // Readers meet old and new pages.
  for (int round = 0; round < 3; ++round) {
    for (size_t i = 0; i < content.size(); i += 97) ASSERT_EQ(seen[i], content[i]) << i;
  }
  const size_t copied = copy.finish();
  EXPECT_TRUE(std::equal(content.begin(), content.end(), seen));
  if (!kernel_grants_large_pages()) {
    EXPECT_EQ(copied, 0u);
    return;
  }
  EXPECT_GE(copied, 98 * kMiB);
  EXPECT_EQ(mapped_at(file.bytes().data() + 50 * kMiB), "");
  EXPECT_EQ(mapped_at(file.bytes().data() + file.bytes().size() - 1), path) << "less than a page";
}

TEST(LargePages, WhoeverIsGoneSoonLeavesTheMappingWhole) {
  const TempFolder folder;
  const auto content = words(64 * kMiB);
  const std::string path = write_words(folder, content);
  for (int i = 0; i < 5; ++i) {
    const MappedFile file = MappedFile::open(path).value();
    { LargePageCopy().start(file.bytes()); }
    const auto* seen = reinterpret_cast<const uint32_t*>(file.bytes().data());
    ASSERT_TRUE(std::equal(content.begin(), content.end(), seen));
  }
}

TEST(LargePages, SmallFilesStayAsTheyAre) {
  const TempFolder folder;
  const std::string path = write_words(folder, words(kMiB));
  const MappedFile file = MappedFile::open(path).value();
  LargePageCopy copy;
  copy.start(file.bytes());
  EXPECT_EQ(copy.finish(), 0u);
  EXPECT_EQ(mapped_at(file.bytes().data()), path);
}

}  // namespace
}  // namespace jiang
