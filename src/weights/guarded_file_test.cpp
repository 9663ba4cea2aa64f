#include "weights/guarded_file.h"

#include <gtest/gtest.h>
#include <sys/mman.h>

#include <filesystem>
#include <numeric>

#include "tests/support/temp_folder.h"

namespace jiang {
namespace {

constexpr size_t kBytes = 64 * 4096 + 100;

int64_t sum(std::span<const std::byte> bytes) {
  return std::accumulate(bytes.begin(), bytes.end(), int64_t{0}, [](int64_t total, std::byte byte) {
    return total + static_cast<int64_t>(byte);
  });
}

TEST(GuardedFile, ReadsOfATruncatedFileGiveZerosAndAreNoticed) {
  const TempFolder folder;
  const std::string path = folder.write("file", std::string(kBytes, '\1'));
  auto file = GuardedFile::open(path);
  ASSERT_TRUE(file) << file.error().message;
  auto untouched = GuardedFile::open(folder.write("other", std::string(kBytes, '\1')));
  ASSERT_TRUE(untouched);
  EXPECT_EQ(sum(file->bytes()), int64_t{kBytes});
  EXPECT_TRUE(file->still_whole());

  std::filesystem::resize_file(path, 3 * 4096);
  EXPECT_FALSE(file->still_whole());
  EXPECT_EQ(sum(file->bytes()), 3 * 4096);
  EXPECT_EQ(sum(file->bytes().last(5)), 0);
  // Growing again does not bring back what was read as zeros.
  std::filesystem::resize_file(path, kBytes);
  EXPECT_FALSE(file->still_whole());
  EXPECT_TRUE(untouched->still_whole());
  EXPECT_EQ(sum(untouched->bytes()), int64_t{kBytes});
}

TEST(GuardedFile, AReplacedFileKeepsItsOldBytes) {
  const TempFolder folder;
  const std::string path = folder.write("file", std::string(kBytes, '\1'));
  auto file = GuardedFile::open(path);
  ASSERT_TRUE(file);
  std::filesystem::rename(folder.write("new", "short"), path);
  EXPECT_EQ(sum(file->bytes()), int64_t{kBytes});
  EXPECT_TRUE(file->still_whole());
}

TEST(GuardedFile, SlotsAreUsedAgain) {
  const TempFolder folder;
  const std::string path = folder.write("file", "bytes");
  for (int i = 0; i < 10000; ++i) ASSERT_TRUE(GuardedFile::open(path));
}

TEST(GuardedFileDeathTest, OtherBusErrorsStillKill) {
  const TempFolder folder;
  const std::string path = folder.write("file", std::string(kBytes, '\1'));
  ASSERT_TRUE(GuardedFile::open(path));  // installs the handler
  const auto plain = MappedFile::open(path);
  ASSERT_TRUE(plain);
  std::filesystem::resize_file(path, 0);
  EXPECT_DEATH(std::exit(sum(plain->bytes()) == 0 ? 0 : 1), "");
}

}  // namespace
}  // namespace jiang
