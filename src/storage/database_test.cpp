// The file as a whole: who holds it, what is refused, what survives full and broken disks.
#include "storage/database.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sqlite3.h>

#include <atomic>
#include <thread>
#include <vector>

#include "storage/storage_test_support.h"

namespace jiang {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

std::string bytes_of(const std::string& path) { return *read_file(path, size_t{64} << 20); }

void run_sql(const std::string& path, const char* sql) {
  sqlite3* handle = nullptr;
  ASSERT_EQ(sqlite3_open(path.c_str(), &handle), SQLITE_OK);
  EXPECT_EQ(sqlite3_exec(handle, sql, nullptr, nullptr, nullptr), SQLITE_OK);
  sqlite3_close(handle);
}

// A VFS that passes everything on to the real one, until told to fail.
struct FailingDisk {
  std::atomic<bool> full = false;
  std::atomic<bool> sync_fails = false;
} failing_disk;

struct FailingFile {
  sqlite3_file base;
  sqlite3_file* real;  // follows this struct in memory
};

const sqlite3_io_methods* failing_methods() {
  static const auto real = [](sqlite3_file* file) {
    return reinterpret_cast<FailingFile*>(file)->real;
  };
  static const sqlite3_io_methods methods = {
      3,
      [](sqlite3_file* f) { return real(f)->pMethods->xClose(real(f)); },
      [](sqlite3_file* f, void* p, int n, sqlite3_int64 at) {
        return real(f)->pMethods->xRead(real(f), p, n, at);
      },
      [](sqlite3_file* f, const void* p, int n, sqlite3_int64 at) {
        if (failing_disk.full) return SQLITE_FULL;
        return real(f)->pMethods->xWrite(real(f), p, n, at);
      },
      [](sqlite3_file* f, sqlite3_int64 n) { return real(f)->pMethods->xTruncate(real(f), n); },
      [](sqlite3_file* f, int flags) {
        if (failing_disk.sync_fails) return SQLITE_IOERR_FSYNC;
        return real(f)->pMethods->xSync(real(f), flags);
      },
      [](sqlite3_file* f, sqlite3_int64* n) { return real(f)->pMethods->xFileSize(real(f), n); },
      [](sqlite3_file* f, int level) { return real(f)->pMethods->xLock(real(f), level); },
      [](sqlite3_file* f, int level) { return real(f)->pMethods->xUnlock(real(f), level); },
      [](sqlite3_file* f, int* out) { return real(f)->pMethods->xCheckReservedLock(real(f), out); },
      [](sqlite3_file* f, int op, void* p) {
        return real(f)->pMethods->xFileControl(real(f), op, p);
      },
      [](sqlite3_file* f) { return real(f)->pMethods->xSectorSize(real(f)); },
      [](sqlite3_file* f) { return real(f)->pMethods->xDeviceCharacteristics(real(f)); },
      [](sqlite3_file* f, int page, int size, int extend, void volatile** p) {
        return real(f)->pMethods->xShmMap(real(f), page, size, extend, p);
      },
      [](sqlite3_file* f, int at, int n, int flags) {
        return real(f)->pMethods->xShmLock(real(f), at, n, flags);
      },
      [](sqlite3_file* f) { real(f)->pMethods->xShmBarrier(real(f)); },
      [](sqlite3_file* f, int remove) { return real(f)->pMethods->xShmUnmap(real(f), remove); },
      [](sqlite3_file* f, sqlite3_int64 at, int n, void** p) {
        return real(f)->pMethods->xFetch(real(f), at, n, p);
      },
      [](sqlite3_file* f, sqlite3_int64 at, void* p) {
        return real(f)->pMethods->xUnfetch(real(f), at, p);
      },
  };
  return &methods;
}

void register_failing_vfs() {
  static sqlite3_vfs vfs = [] {
    sqlite3_vfs* const real = sqlite3_vfs_find(nullptr);
    sqlite3_vfs made = *real;
    made.zName = "failing";
    made.szOsFile = static_cast<int>(sizeof(FailingFile)) + real->szOsFile;
    made.pNext = nullptr;
    made.xOpen = [](sqlite3_vfs*, const char* name, sqlite3_file* file, int flags, int* out) {
      sqlite3_vfs* const below = sqlite3_vfs_find("unix");
      auto* const mine = reinterpret_cast<FailingFile*>(file);
      mine->base.pMethods = nullptr;
      mine->real = reinterpret_cast<sqlite3_file*>(mine + 1);
      const int code = below->xOpen(below, name, mine->real, flags, out);
      if (code == SQLITE_OK) mine->base.pMethods = failing_methods();
      return code;
    };
    return made;
  }();
  static const bool once = sqlite3_vfs_register(&vfs, 0) == SQLITE_OK;
  ASSERT_TRUE(once);
}

TEST(Database, ASecondProcessIsToldWhoHoldsTheFolder) {
  TemporaryHome home;
  const auto first = open_storage(home);
  // flock counts by open file, so that a second open in this process is as good as another's.
  const auto second = Storage::open(home.path());
  ASSERT_FALSE(second);
  EXPECT_THAT(second.error().message,
              AllOf(HasSubstr("in use by process " + std::to_string(::getpid())),
                    HasSubstr("storage_test"), HasSubstr("JIANG_HOME")));
  EXPECT_FALSE(restore_storage(home.path(), "/nowhere"));
}

TEST(Database, WhatIsNoDatabaseOfOursIsRefusedAndLeftAsItIs) {
  const struct {
    const char* what;
    std::string content;
  } cases[] = {{"empty", ""},
               {"not a database", "hello, this is text"},
               {"not a database", std::string(8192, '\0')},
               {"not a database", "SQLite format 3"}};
  for (const auto& c : cases) {
    TemporaryHome home;
    ASSERT_TRUE(write_file(home.database(), c.content));
    const auto opened = Storage::open(home.path());
    ASSERT_FALSE(opened);
    EXPECT_EQ(opened.error().kind, ErrorKind::bad_file);
    EXPECT_THAT(opened.error().message, AllOf(HasSubstr(c.what), HasSubstr("jiang restore")));
    EXPECT_EQ(bytes_of(home.database()), c.content);
  }
  TemporaryHome home;
  run_sql(home.database(), "CREATE TABLE t (x)");
  EXPECT_THAT(Storage::open(home.path()).error().message, HasSubstr("another program"));
}

TEST(Database, ADamagedFileIsRefusedWithTheWayOutAndABackupBringsItBack) {
  TemporaryHome home;
  std::string user;
  {
    const auto storage = open_storage(home);
    user = storage->users().owner()->id;
    for (int i = 0; i < 200; ++i) {
      ASSERT_TRUE(storage->conversations().create(user, {.title = std::string(300, 't')}));
    }
    ASSERT_TRUE(backup_storage(home.path(), home.path() + "/copy.db"));
    EXPECT_FALSE(backup_storage(home.path(), home.path() + "/copy.db")) << "must not overwrite";
  }
  std::string bytes = bytes_of(home.database());
  for (size_t at = 4096 * 3; at < bytes.size(); at += 4096) {
    bytes.replace(at, 200, std::string(200, '\x5a'));
  }
  ASSERT_TRUE(write_file(home.database(), bytes));
  const auto opened = Storage::open(home.path());
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().kind, ErrorKind::bad_file);
  EXPECT_THAT(opened.error().message, AllOf(HasSubstr("jiang restore"), HasSubstr(".recover")));
  EXPECT_EQ(bytes_of(home.database()), bytes);

  EXPECT_FALSE(restore_storage(home.path(), home.database())) << "a damaged backup";
  const auto kept = restore_storage(home.path(), home.path() + "/copy.db");
  ASSERT_TRUE(kept) << kept.error().message;
  EXPECT_EQ(bytes_of(*kept), bytes);
  const auto storage = open_storage(home);
  EXPECT_EQ(storage->users().owner()->id, user);
  EXPECT_EQ(storage->conversations().list(user, {.limit = 200})->items.size(), 200u);
}

TEST(Database, ANewerFileIsRefusedAndAnOlderOneMigratedWithACopyBeside) {
  TemporaryHome home;
  open_storage(home).reset();
  run_sql(home.database(), "PRAGMA user_version = 99");
  const auto newer = Storage::open(home.path());
  ASSERT_FALSE(newer);
  EXPECT_EQ(newer.error().kind, ErrorKind::unsupported);
  EXPECT_THAT(newer.error().message, AllOf(HasSubstr("newer jiang"), HasSubstr("99")));

  TemporaryHome old;
  run_sql(old.database(), "PRAGMA application_id = 0x4A49414E; CREATE TABLE old (x)");
  EXPECT_TRUE(open_storage(old)->users().owner());
  EXPECT_TRUE(is_regular_file(old.database() + ".before-version-1"));
}

TEST(Database, AMissingFileWithItsLogThereIsNotBegunAnew) {
  TemporaryHome home;
  ASSERT_TRUE(write_file(home.database() + "-wal", "x"));
  EXPECT_THAT(Storage::open(home.path()).error().message, HasSubstr("is gone"));
}

TEST(Database, AFullDiskRefusesWritesAndReadsGoOn) {
  register_failing_vfs();
  TemporaryHome home;
  auto database = Database::open({.path = home.database(), .vfs = "failing"});
  ASSERT_TRUE(database) << database.error().message;
  Storage storage(*std::move(database));
  const std::string user = storage.users().owner()->id;
  const std::string kept = storage.conversations().create(user, {.title = "kept"})->id;
  failing_disk.full = true;
  const auto refused = storage.conversations().create(user, {.title = "lost"});
  failing_disk.full = false;
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind, ErrorKind::io);
  EXPECT_THAT(refused.error().message, HasSubstr("disk is full"));
  EXPECT_EQ(storage.conversations().find(user, kept)->title, "kept");
  // There is space again.
  EXPECT_TRUE(storage.conversations().create(user, {.title = "next"}));
  EXPECT_EQ(storage.conversations().list(user, {})->items.size(), 2u);
}

TEST(Database, AfterAFailedFsyncNothingIsWrittenAndReadsGoOn) {
  register_failing_vfs();
  TemporaryHome home;
  auto database = Database::open({.path = home.database(), .vfs = "failing"});
  ASSERT_TRUE(database);
  Storage storage(*std::move(database));
  const std::string user = storage.users().owner()->id;
  failing_disk.sync_fails = true;
  EXPECT_FALSE(storage.conversations().create(user, {.title = "lost"}));
  failing_disk.sync_fails = false;
  const auto later = storage.conversations().create(user, {.title = "later"});
  ASSERT_FALSE(later);
  EXPECT_THAT(later.error().message, HasSubstr("writing has stopped"));
  EXPECT_TRUE(storage.conversations().list(user, {}));
}

TEST(Database, ManyThreadsWriteAndReadWithoutALockedDatabase) {
  TemporaryHome home;
  const auto storage = open_storage(home);
  const std::string user = storage->users().owner()->id;
  std::atomic<int> failures = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < 12; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 25; ++i) {
        const bool good = t % 2 == 0
                              ? storage->conversations().create(user, {.title = "x"}).has_value()
                              : storage->conversations().list(user, {.text = "x"}).has_value();
        if (!good) ++failures;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(failures, 0);
  EXPECT_EQ(storage->conversations().list(user, {.limit = 200})->items.size(), 150u);
}

TEST(Database, WhatWasRemovedIsNotInTheFile) {
  TemporaryHome home;
  {
    const auto storage = open_storage(home);
    const std::string user = storage->users().create("u", Role::user)->id;
    const std::string chat = storage->conversations().create(user, {})->id;
    ASSERT_TRUE(storage->conversations().ask(
        user, chat,
        {.content = "a very private sentence", .attachments = {{"f", "a private attachment"}}},
        {}));
    ASSERT_TRUE(storage->users().remove(user));
  }
  const std::string bytes = bytes_of(home.database());
  EXPECT_EQ(bytes.find("private"), std::string::npos);
}

}  // namespace
}  // namespace jiang
