// Database: JIANG_HOME/data.db, and the seam behind which PostgreSQL can come: everything above it
// speaks SQL that both know, through SqlSession.
//
// SQLite in WAL mode with synchronous=FULL. ONE connection writes and checkpoints, one transaction
// at a time; read-only connections work beside it. read() and write() may be called from any
// thread; write() waits its turn. What write() reported done survives kill -9 and power loss.
//
// Only the .cpp files of src/storage include this.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <variant>

#include "base/function_ref.h"
#include "base/result.h"

namespace jiang {

using SqlValue = std::variant<std::monostate, int64_t, double, std::string_view>;

// One row of an answer, valid inside the callback. Columns count from 0; NULL reads as 0 or "".
class SqlRow {
 public:
  virtual ~SqlRow() = default;
  virtual bool is_null(int column) const = 0;
  virtual int64_t integer(int column) const = 0;
  virtual double number(int column) const = 0;
  virtual std::string text(int column) const = 0;
};

// What a read or a write may do while it runs. Parameters are ?1, ?2, ... and always bound.
class SqlSession {
 public:
  virtual ~SqlSession() = default;
  // A statement without rows; returns how many rows it changed.
  virtual Result<int64_t> run(const char* sql, std::initializer_list<SqlValue> values = {}) = 0;
  // Calls `row` for each row until it returns false.
  virtual Status each(const char* sql, std::initializer_list<SqlValue> values,
                      FunctionRef<bool(const SqlRow&)> row) = 0;
};

struct DatabaseOptions {
  std::string path;          // of data.db; its folder is made, and locked
  std::string vfs = {};      // SQLite's: for tests that make the disk fail
  int32_t readers = 4;       // read-only connections, opened as they are needed
  double read_seconds = 10;  // a statement that reads longer is ended with an error
};

class Database {
 public:
  // Locks the folder, checks the file, migrates it (with a copy beside it before). Nothing is
  // deleted or overwritten: a damaged file or one of a newer jiang is an error with the way out.
  static Result<std::unique_ptr<Database>> open(DatabaseOptions options);
  virtual ~Database() = default;

  // Runs `work` in a transaction: committed and durable when it returns ok, undone otherwise.
  virtual Status write(FunctionRef<Status(SqlSession&)> work) = 0;
  // Runs `work` on one consistent snapshot.
  virtual Status read(FunctionRef<Status(SqlSession&)> work) = 0;
};

}  // namespace jiang
