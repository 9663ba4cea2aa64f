// One connection to SQLite: the RAII wrapper. The only header that includes <sqlite3.h>.
//
// Not thread-safe: one thread at a time.
#pragma once

#include <sqlite3.h>

#include <chrono>
#include <memory>
#include <string>
#include <unordered_map>
#include <utility>

#include "storage/database.h"

namespace jiang {

class SqliteConnection final : public SqlSession {
 public:
  enum class Mode { read, write };
  // An error names the file, and says what to do about it.
  static Result<std::unique_ptr<SqliteConnection>> open(const std::string& path, Mode mode,
                                                        const std::string& vfs);
  ~SqliteConnection() override;
  SqliteConnection(const SqliteConnection&) = delete;
  SqliteConnection& operator=(const SqliteConnection&) = delete;

  Result<int64_t> run(const char* sql, std::initializer_list<SqlValue> values = {}) override;
  Status each(const char* sql, std::initializer_list<SqlValue> values,
              FunctionRef<bool(const SqlRow&)> row) override;
  // Several statements, without parameters.
  Status script(const char* sql);
  Result<int64_t> integer(const char* sql);

  bool in_transaction() const { return sqlite3_get_autocommit(handle_) == 0; }
  // Statements that run past this time end with an error.
  void set_deadline(std::chrono::steady_clock::time_point deadline) { deadline_ = deadline; }
  // The primary code of the last failure (SQLITE_FULL, SQLITE_IOERR ...), which is then forgotten.
  int take_failure() { return std::exchange(last_failure_, SQLITE_OK); }

 private:
  struct Finalize {
    void operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }
  };
  using Statement = std::unique_ptr<sqlite3_stmt, Finalize>;

  SqliteConnection(sqlite3* handle, std::string path);
  Result<sqlite3_stmt*> prepare(const char* sql, std::initializer_list<SqlValue> values);
  Error failure();

  sqlite3* handle_;
  std::string path_;
  std::unordered_map<std::string, Statement> statements_;  // prepared once
  std::chrono::steady_clock::time_point deadline_ = std::chrono::steady_clock::time_point::max();
  int last_failure_ = SQLITE_OK;
};

}  // namespace jiang
