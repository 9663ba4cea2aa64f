// What answers mean and what is done to the .part file; whole transfers are tested against a fake
// hub over TLS (tests/cli/pull_test.py).
#include "hub/download.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <atomic>
#include <filesystem>

#include "base/file.h"
#include "base/threads.h"
#include "hub/part_file.h"
#include "hub/server_answer.h"
#include "tests/support/temp_folder.h"

namespace jiang {
namespace {

using testing::HasSubstr;

TEST(ServerAnswer, RangesAreReadWholeOrNotAtAll) {
  const auto range = parse_content_range("bytes 5-99/1000");
  ASSERT_TRUE(range);
  EXPECT_EQ(range->begin, 5u);
  EXPECT_EQ(range->end, 100u);
  EXPECT_EQ(range->total, 1000u);
  EXPECT_EQ(parse_content_range("bytes 0-0/*")->total, std::nullopt);
  for (const char* bad : {"", "bytes", "bytes ", "bytes 5", "bytes 5-", "bytes 5-9", "bytes -9/10",
                          "bytes 9-5/10", "bytes */10", "items 5-9/10",
                          "bytes 0-18446744073709551615/1", "bytes 0-99999999999999999999/1"}) {
    EXPECT_FALSE(parse_content_range(bad)) << bad;
  }
}

TEST(ServerAnswer, StatusesArePassingOrFinal) {
  using Kind = Attempt::Kind;
  const struct {
    int status;
    HttpHeaders headers;
    Kind kind;
    ErrorKind error;
    double wait;
  } kCases[] = {
      {503, {{"retry-after", "7"}}, Kind::retry, ErrorKind::io, 7},
      {429, {{"retry-after", "-3"}}, Kind::retry, ErrorKind::io, 0},
      {500, {{"retry-after", "Wed, 21 Oct 2026 07:28:00 GMT"}}, Kind::retry, ErrorKind::io, 0},
      {403, {}, Kind::retry, ErrorKind::io, 0},
      {403, {{"x-error-code", "GatedRepo"}}, Kind::give_up, ErrorKind::unsupported, 0},
      {401, {}, Kind::give_up, ErrorKind::unsupported, 0},
      {404, {}, Kind::give_up, ErrorKind::not_found, 0},
      {418, {}, Kind::give_up, ErrorKind::io, 0},
  };
  for (const auto& [status, headers, kind, error, wait] : kCases) {
    const Attempt attempt = judge_status("m.gguf", status, headers);
    EXPECT_EQ(attempt.kind, kind) << status;
    EXPECT_EQ(attempt.error.kind, error) << status;
    EXPECT_EQ(attempt.wait_seconds, wait) << status;
    EXPECT_THAT(attempt.error.message, HasSubstr("m.gguf: the server")) << status;
  }
}

TEST(ServerAnswer, WhatIsShownOfAPageIsOneShortLine) {
  EXPECT_EQ(shown_beginning("<html>\n\x1b[2J\xe4"), "<html>  [2J ");
  EXPECT_EQ(shown_beginning(std::string(1000, 'a')).size(), kShownBytes);
}

TEST(Validator, AgreesWithTheLastStrongTag) {
  Validator validator;
  EXPECT_TRUE(validator.agrees({}));
  EXPECT_EQ(validator.value(), "");
  EXPECT_TRUE(validator.agrees({{"etag", "W/\"1\""}}));
  EXPECT_TRUE(validator.agrees({{"etag", "\"1\""}}));
  EXPECT_TRUE(validator.agrees({{"etag", "W/\"2\""}})) << "a weak one says nothing";
  EXPECT_FALSE(validator.agrees({{"etag", "\"2\""}}));
  EXPECT_TRUE(validator.agrees({{"etag", "\"2\""}})) << "told once";
  EXPECT_EQ(validator.value(), "\"2\"");
}

// Under TSan: what the first answers of all connections do at once.
TEST(Validator, ConnectionsShareOne) {
  Validator validator;
  std::atomic<int> disagreed = 0;
  Threads connections;
  for (int i = 0; i < 4; ++i) {
    ASSERT_TRUE(connections.start([&, i] {
      for (int answer = 0; answer < 100; ++answer) {
        if (i == 0 && validator.value().size() > 3) ++disagreed;
        if (!validator.agrees({{"etag", "\"1\""}})) ++disagreed;
      }
    }));
  }
  connections.join();
  EXPECT_EQ(disagreed, 0);
}

TEST(PartFile, OneHasTheLockAndTheNextGetsANewFile) {
  const TempFolder folder;
  const std::string path = folder.path("x.part"), target = folder.path("sha256-x");
  const auto refuse = []() -> Status { return Error{ErrorKind::cancelled, "somebody has it"}; };
  PartFile first(path);
  ASSERT_TRUE(first.lock(refuse));
  ASSERT_TRUE(first.reserve(10));
  EXPECT_EQ(first.size()->bytes, 10u);
  ASSERT_TRUE(first.write_at(2, "abc"));
  std::byte bytes[16];
  EXPECT_EQ(*first.read_at(4, bytes), 6u);
  EXPECT_EQ(bytes[0], std::byte{'c'});
  EXPECT_FALSE(first.read_at(10, bytes)) << "the end";
  {
    PartFile second(path);
    EXPECT_EQ(second.lock(refuse).error().kind, ErrorKind::cancelled);
  }
  // The second waits; what it then locks is not the file that the first has named meanwhile.
  PartFile second(path);
  int waits = 0;
  ASSERT_TRUE(second.lock([&]() -> Status {
    if (++waits == 3) return first.publish(folder.path(), target);
    return ok();
  }));
  EXPECT_EQ(waits, 3);
  EXPECT_EQ(second.size()->bytes, 0u);
  EXPECT_EQ(read_file(target, 100)->substr(2, 3), "abc");
  struct stat status = {};
  ASSERT_EQ(::stat(target.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0444u);
  EXPECT_FALSE(second.publish(folder.path(), folder.path("none/x")));
}

TEST(PartFile, IsNoLinkAndNoFolder) {
  const TempFolder folder;
  const auto never = []() -> Status { return Error{ErrorKind::cancelled, ""}; };
  std::filesystem::create_symlink(folder.path("elsewhere"), folder.path("link.part"));
  std::filesystem::create_directory(folder.path("folder.part"));
  for (const char* name : {"link.part", "folder.part"}) {
    PartFile part(folder.path(name));
    const Status locked = part.lock(never);
    ASSERT_FALSE(locked) << name;
    EXPECT_THAT(locked.error().message, HasSubstr(name));
  }
  EXPECT_FALSE(std::filesystem::exists(folder.path("elsewhere")));
}

}  // namespace
}  // namespace jiang
