// Database over SQLite: opening with all its checks, one writer, a pool of readers.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <condition_variable>
#include <cstring>
#include <filesystem>
#include <mutex>
#include <vector>

#include "base/file.h"
#include "storage/data_lock.h"
#include "storage/database.h"
#include "storage/migrations.h"
#include "storage/sqlite_connection.h"
#include "storage/sqlite_files.h"

namespace jiang {
namespace {

using Clock = std::chrono::steady_clock;

// One transaction: undone unless committed, also when the work throws.
class Transaction {
 public:
  explicit Transaction(SqliteConnection& connection) : connection_(connection) {}
  ~Transaction() {
    if (connection_.in_transaction()) (void)connection_.script("ROLLBACK");
  }
  Status begin(const char* sql) { return connection_.script(sql); }
  Status commit() { return connection_.script("COMMIT"); }

 private:
  SqliteConnection& connection_;
};

class SqliteDatabase final : public Database {
 public:
  SqliteDatabase(DatabaseOptions options, DataLock lock, std::unique_ptr<SqliteConnection> writer)
      : options_(std::move(options)), lock_(std::move(lock)), writer_(std::move(writer)) {}

  Status write(FunctionRef<Status(SqlSession&)> work) override {
    const std::lock_guard guard(writer_mutex_);
    if (disk_failed_) {
      return fail(ErrorKind::io,
                  "{}: writing has stopped since the disk reported an error; what was saved can "
                  "still be read. Check the disk, then restart jiang",
                  options_.path);
    }
    const Status status = transact(work);
    if (!status) {
      // After a failed fsync nobody knows what is on the disk: trying again would only seem to
      // succeed (Rebello et al., "Can Applications Recover from fsync Failures?", 2020).
      const int code = std::exchange(writer_failure_, SQLITE_OK);
      disk_failed_ = code == SQLITE_IOERR || code == SQLITE_CORRUPT;
    }
    return status;
  }

  Status read(FunctionRef<Status(SqlSession&)> work) override {
    TRY(auto reader, take_reader());
    reader->set_deadline(Clock::now() + std::chrono::duration_cast<Clock::duration>(
                                            std::chrono::duration<double>(options_.read_seconds)));
    // Given back on every way out, after its transaction has ended.
    struct Return {
      SqliteDatabase& database;
      std::unique_ptr<SqliteConnection>& reader;
      ~Return() { database.give_back(std::move(reader)); }
    } const give_back{*this, reader};
    Transaction transaction(*reader);
    TRY_STATUS(transaction.begin("BEGIN"));
    return work(*reader);
  }

 private:
  Status transact(FunctionRef<Status(SqlSession&)> work) {
    Transaction transaction(*writer_);
    Status status = transaction.begin("BEGIN IMMEDIATE");
    if (status) status = work(*writer_);
    if (status) status = transaction.commit();
    if (!status) writer_failure_ = writer_->take_failure();
    return status;
  }

  Result<std::unique_ptr<SqliteConnection>> take_reader() {
    std::unique_lock lock(reader_mutex_);
    const bool free = reader_free_.wait_for(
        lock, std::chrono::duration<double>(options_.read_seconds),
        [&] { return !idle_readers_.empty() || readers_ < options_.readers; });
    if (!free) {
      return fail(ErrorKind::too_large, "{}: too many questions at once; try again", options_.path);
    }
    if (!idle_readers_.empty()) {
      auto reader = std::move(idle_readers_.back());
      idle_readers_.pop_back();
      return reader;
    }
    ++readers_;
    lock.unlock();
    auto made = SqliteConnection::open(options_.path, SqliteConnection::Mode::read, options_.vfs);
    if (!made) give_back(nullptr);
    return made;
  }

  void give_back(std::unique_ptr<SqliteConnection> reader) {
    {
      const std::lock_guard guard(reader_mutex_);
      if (reader) {
        idle_readers_.push_back(std::move(reader));
      } else {
        --readers_;
      }
    }
    reader_free_.notify_one();
  }

  const DatabaseOptions options_;
  const DataLock lock_;  // let go last

  std::mutex writer_mutex_;  // guards the three below
  std::unique_ptr<SqliteConnection> writer_;
  int writer_failure_ = SQLITE_OK;
  bool disk_failed_ = false;

  std::mutex reader_mutex_;  // guards the two below
  std::vector<std::unique_ptr<SqliteConnection>> idle_readers_;
  int32_t readers_ = 0;  // in the pool or in use
  std::condition_variable reader_free_;
};

Status migrate(SqliteConnection& connection, int64_t from) {
  const auto steps = migrations();
  for (size_t version = static_cast<size_t>(from); version < steps.size(); ++version) {
    Transaction transaction(connection);
    TRY_STATUS(transaction.begin("BEGIN IMMEDIATE"));
    TRY_STATUS(connection.script(steps[version]));
    TRY_STATUS(connection.script(fmt::format("PRAGMA user_version = {}", version + 1).c_str()));
    TRY_STATUS(transaction.commit());
  }
  return ok();
}

Result<std::unique_ptr<SqliteConnection>> open_writer(const std::string& path,
                                                      const std::string& vfs) {
  TRY(auto connection, SqliteConnection::open(path, SqliteConnection::Mode::write, vfs));
  TRY_STATUS(
      connection->script("PRAGMA journal_mode = WAL;"
                         "PRAGMA synchronous = FULL;"
                         "PRAGMA foreign_keys = ON;"
                         "PRAGMA secure_delete = ON;"  // what was deleted is not in the file
                         "PRAGMA mmap_size = 0;"
                         "PRAGMA temp_store = MEMORY;"
                         "PRAGMA journal_size_limit = 67108864"));
  return connection;
}

// A file appears under its name only when it is a whole database: an empty or half-made data.db
// is never one of ours.
Status create_file(const DatabaseOptions& options) {
  const std::string fresh = options.path + ".new";
  for (const char* suffix : {"", "-wal", "-shm", "-journal"}) {
    std::error_code ignored;
    std::filesystem::remove(fresh + suffix, ignored);  // of a start that died here
  }
  {
    TRY(auto connection, open_writer(fresh, options.vfs));
    TRY_STATUS(
        connection->script(fmt::format("PRAGMA application_id = {}", kApplicationId).c_str()));
    TRY_STATUS(migrate(*connection, 0));
    TRY_STATUS(connection->script("PRAGMA wal_checkpoint(TRUNCATE)"));
  }
  return rename_durably(fresh, options.path);
}

Status check_and_migrate(SqliteConnection& connection, const std::string& path) {
  TRY_STATUS(quick_check(connection, path));
  TRY(const int64_t version, connection.integer("PRAGMA user_version"));
  TRY_STATUS(refuse_newer(version, path));
  if (version == static_cast<int64_t>(migrations().size())) return ok();
  const std::string copy = fmt::format("{}.before-version-{}", path, version + 1);
  if (!is_regular_file(copy)) TRY_STATUS(copy_database(connection, copy));
  return migrate(connection, version);
}

}  // namespace

Result<std::unique_ptr<Database>> Database::open(DatabaseOptions options) {
  const std::filesystem::path folder = std::filesystem::path(options.path).parent_path();
  std::error_code error;
  if (!is_directory(folder)) {
    std::filesystem::create_directories(folder, error);
    if (error) return fail(ErrorKind::io, "{}: {}", folder.string(), error.message());
    ::chmod(folder.c_str(), 0700);
  }
  TRY(DataLock lock, DataLock::take((folder / "data.lock").string()));
  if (std::filesystem::exists(options.path, error)) {
    TRY_STATUS(check_header(options.path));
  } else {
    const std::string wal = options.path + "-wal";
    if (std::filesystem::exists(wal, error)) {
      return fail(ErrorKind::bad_file,
                  "{}: is gone, but {} is there; put the database back beside it, or a backup with "
                  "`jiang restore FILE`",
                  options.path, wal);
    }
    TRY_STATUS(create_file(options));
  }
  TRY(auto writer, open_writer(options.path, options.vfs));
  TRY_STATUS(check_and_migrate(*writer, options.path));
  return std::unique_ptr<Database>(
      std::make_unique<SqliteDatabase>(std::move(options), std::move(lock), std::move(writer)));
}

}  // namespace jiang
