#include "storage/storage.h"

#include <filesystem>

#include "base/file.h"
#include "storage/clock.h"
#include "storage/data_lock.h"
#include "storage/database.h"
#include "storage/sqlite_connection.h"
#include "storage/sqlite_files.h"

namespace jiang {
namespace {

std::string database_path(const std::string& home) {
  return (std::filesystem::path(home) / "data.db").string();
}

// A file that could be data.db: opened read-only, with all checks.
Result<std::unique_ptr<SqliteConnection>> open_checked(const std::string& path) {
  TRY_STATUS(check_header(path));
  TRY(auto connection, SqliteConnection::open(path, SqliteConnection::Mode::read, ""));
  TRY_STATUS(quick_check(*connection, path));
  TRY(const int64_t version, connection->integer("PRAGMA user_version"));
  TRY_STATUS(refuse_newer(version, path));
  return connection;
}

}  // namespace

Result<std::unique_ptr<Storage>> Storage::open(const std::string& home) {
  TRY(auto database, Database::open({.path = database_path(home)}));
  auto storage = std::make_unique<Storage>(std::move(database));
  TRY_STATUS(storage->conversations().flag_interrupted());
  return storage;
}

Storage::Storage(std::unique_ptr<Database> database)
    : database_(std::move(database)),
      users_(*database_),
      conversations_(*database_),
      shares_(*database_),
      settings_(*database_) {}

Storage::~Storage() = default;

Status backup_storage(const std::string& home, const std::string& path) {
  // A read-only connection beside the server's: it sees one moment, and nobody waits for it.
  TRY(auto connection, open_checked(database_path(home)));
  return copy_database(*connection, path);
}

Result<std::string> restore_storage(const std::string& home, const std::string& path) {
  const std::string target = database_path(home);
  std::error_code error;
  std::filesystem::create_directories(home, error);
  if (error) return fail(ErrorKind::io, "{}: {}", home, error.message());
  TRY(const DataLock lock, DataLock::take(home + "/data.lock"));
  const std::string fresh = target + ".restored";
  std::filesystem::remove(fresh, error);
  {
    TRY(auto backup, open_checked(path));
    TRY_STATUS(copy_database(*backup, fresh));
  }
  std::string kept;
  // The log goes along under the name that SQLite looks for.
  for (const char* suffix : {"-wal", ""}) {
    if (!std::filesystem::exists(target + suffix, error)) continue;
    if (kept.empty()) kept = fmt::format("{}.before-restore-{}", target, now_millis());
    TRY_STATUS(rename_durably(target + suffix, kept + suffix));
  }
  std::filesystem::remove(target + "-shm", error);
  TRY_STATUS(rename_durably(fresh, target));
  return kept;
}

}  // namespace jiang
