#include "base/file.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>

namespace jiang {
namespace {

class FileTest : public ::testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/jiang-file-test-XXXXXX";
    folder_ = ::mkdtemp(name);
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  std::string path(const char* name) const { return folder_ + "/" + name; }
  size_t entries() const {
    return static_cast<size_t>(std::distance(std::filesystem::directory_iterator(folder_), {}));
  }
  std::string folder_;
};

TEST_F(FileTest, ForgottenPagesAreReadAgain) {
  const std::string text(40000, 'x');
  ASSERT_TRUE(write_file(path("a"), text));
  const auto file = MappedFile::open(path("a"));
  ASSERT_TRUE(file);
  const auto read = [&] {
    return std::string(reinterpret_cast<const char*>(file->bytes().data()), file->bytes().size());
  };
  ASSERT_EQ(read(), text);
  file->forget(file->bytes());
  EXPECT_EQ(read(), text);
  file->forget(file->bytes().subspan(5000, 20000));
  EXPECT_EQ(read(), text);
  // Memory that is not the file's keeps what it holds.
  const std::string other(40000, 'y');
  file->forget(std::as_bytes(std::span(other)));
  EXPECT_EQ(other, std::string(40000, 'y'));
}

TEST_F(FileTest, WritesWholeOrNotAtAll) {
  ASSERT_TRUE(write_file(path("a"), "old"));
  {
    auto file = AtomicFile::create(path("a"));
    ASSERT_TRUE(file && file->write("half"));
  }  // dropped without commit
  EXPECT_EQ(*read_file(path("a"), 100), "old");
  EXPECT_EQ(entries(), 1u);
  ASSERT_TRUE(write_file(path("a"), "new"));
  EXPECT_EQ(*read_file(path("a"), 100), "new");
  EXPECT_EQ(entries(), 1u);
}

TEST_F(FileTest, RefusesWhatIsNotARegularFile) {
  ASSERT_EQ(::mkfifo(path("fifo").c_str(), 0600), 0);
  for (const std::string& bad : {path("fifo"), std::string("/dev/zero"), folder_}) {
    EXPECT_FALSE(read_file(bad, 10)) << bad;
    EXPECT_FALSE(MappedFile::open(bad)) << bad;
  }
  EXPECT_EQ(MappedFile::open(path("none")).error().kind, ErrorKind::not_found);
}

TEST_F(FileTest, BoundsWhatIsRead) {
  ASSERT_TRUE(write_file(path("a"), "12345"));
  EXPECT_TRUE(read_file(path("a"), 5));
  EXPECT_EQ(read_file(path("a"), 4).error().kind, ErrorKind::too_large);
}

TEST_F(FileTest, KnowsThatAMappedFileWasTruncated) {
  ASSERT_TRUE(write_file(path("a"), std::string(10000, 'x')));
  auto file = MappedFile::open(path("a"));
  ASSERT_TRUE(file);
  EXPECT_TRUE(file->still_whole());
  ASSERT_EQ(::truncate(path("a").c_str(), 10), 0);
  EXPECT_FALSE(file->still_whole());
}

TEST_F(FileTest, KnowsHowLongAFileIsAsItIs) {
  ASSERT_TRUE(write_file(path("a"), "text"));
  const MappedFile file = MappedFile::open(path("a")).value();
  const double age = file.unchanged_seconds();
  EXPECT_GE(age, 0);
  EXPECT_LT(age, 600);
  std::filesystem::last_write_time(
      path("a"), std::filesystem::file_time_type::clock::now() + std::chrono::hours(1));
  EXPECT_EQ(file.unchanged_seconds(), 0) << "a time that lies ahead";
}

TEST_F(FileTest, AFolderThatCannotBeWrittenIsAnError) {
  EXPECT_FALSE(write_file("/proc/nowhere/a", "x"));
  EXPECT_FALSE(write_file(path("none/a"), "x"));
}

}  // namespace
}  // namespace jiang
