#include "storage/sqlite_connection.h"

#include "storage/search_text.h"

namespace jiang {
namespace {

constexpr int kStepsBetweenChecks = 20000;  // of SQLite's machine: some 0.1 ms

class SqliteRow final : public SqlRow {
 public:
  explicit SqliteRow(sqlite3_stmt* statement) : statement_(statement) {}
  bool is_null(int column) const override {
    return sqlite3_column_type(statement_, column) == SQLITE_NULL;
  }
  int64_t integer(int column) const override { return sqlite3_column_int64(statement_, column); }
  double number(int column) const override { return sqlite3_column_double(statement_, column); }
  std::string text(int column) const override {
    const auto* bytes = static_cast<const char*>(sqlite3_column_blob(statement_, column));
    if (bytes == nullptr) return "";
    return {bytes, static_cast<size_t>(sqlite3_column_bytes(statement_, column))};
  }

 private:
  sqlite3_stmt* statement_;
};

// contains(text, folded needle) -> 0 or 1
void sql_contains(sqlite3_context* context, int, sqlite3_value** values) {
  const auto view = [](sqlite3_value* value) -> std::string_view {
    const auto* bytes = static_cast<const char*>(sqlite3_value_blob(value));
    return bytes ? std::string_view(bytes, static_cast<size_t>(sqlite3_value_bytes(value)))
                 : std::string_view();
  };
  sqlite3_result_int(context,
                     find_folded(view(values[0]), view(values[1])) != std::string_view::npos);
}

Error explain(int code, const std::string& path, const char* what) {
  switch (code & 0xff) {
    case SQLITE_FULL:
      return fail(ErrorKind::io,
                  "{}: the disk is full; nothing was saved. Free some space and try again", path);
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return fail(ErrorKind::bad_file,
                  "{}: this is not a whole database ({}). It is left as it is; put a backup in its "
                  "place with `jiang restore FILE`, or save what can be read with `sqlite3 {} "
                  ".recover`",
                  path, what, path);
    case SQLITE_INTERRUPT:
      return fail(ErrorKind::too_large, "{}: the question took too long and was ended", path);
    case SQLITE_READONLY:
    case SQLITE_PERM:
    case SQLITE_CANTOPEN:
      return fail(ErrorKind::io, "{}: cannot be opened for writing ({}); who owns the folder?",
                  path, what);
    default:
      return fail(ErrorKind::io, "{}: {}", path, what);
  }
}

}  // namespace

SqliteConnection::SqliteConnection(sqlite3* handle, std::string path)
    : handle_(handle), path_(std::move(path)) {}

SqliteConnection::~SqliteConnection() {
  statements_.clear();
  sqlite3_close(handle_);
}

Result<std::unique_ptr<SqliteConnection>> SqliteConnection::open(const std::string& path, Mode mode,
                                                                 const std::string& vfs) {
  sqlite3* handle = nullptr;
  const int flags =
      (mode == Mode::write ? SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE : SQLITE_OPEN_READONLY) |
      SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_NOFOLLOW;
  const int code =
      sqlite3_open_v2(path.c_str(), &handle, flags, vfs.empty() ? nullptr : vfs.c_str());
  // SQLite gives a handle even when it fails, so that there is something to ask.
  std::unique_ptr<SqliteConnection> connection(new SqliteConnection(handle, path));
  if (code != SQLITE_OK) return explain(code, path, sqlite3_errmsg(handle));
  sqlite3_extended_result_codes(handle, 1);
  sqlite3_busy_timeout(handle, 5000);
  sqlite3_db_config(handle, SQLITE_DBCONFIG_DEFENSIVE, 1, nullptr);
  sqlite3_db_config(handle, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, nullptr);
  if (mode == Mode::read) sqlite3_db_config(handle, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, nullptr);
  sqlite3_create_function(handle, "contains", 2,
                          SQLITE_UTF8 | SQLITE_DETERMINISTIC | SQLITE_DIRECTONLY, nullptr,
                          sql_contains, nullptr, nullptr);
  sqlite3_progress_handler(
      handle, kStepsBetweenChecks,
      [](void* self) -> int {
        return std::chrono::steady_clock::now() > static_cast<SqliteConnection*>(self)->deadline_;
      },
      connection.get());
  return connection;
}

Error SqliteConnection::failure() {
  const int code = sqlite3_extended_errcode(handle_);
  last_failure_ = code & 0xff;
  return explain(code, path_, sqlite3_errmsg(handle_));
}

Result<sqlite3_stmt*> SqliteConnection::prepare(const char* sql,
                                                std::initializer_list<SqlValue> values) {
  Statement& statement = statements_[sql];
  if (!statement) {
    sqlite3_stmt* made = nullptr;
    if (sqlite3_prepare_v3(handle_, sql, -1, SQLITE_PREPARE_PERSISTENT, &made, nullptr) !=
        SQLITE_OK) {
      return failure();
    }
    statement.reset(made);
  }
  sqlite3_stmt* raw = statement.get();
  JIANG_CHECK(sqlite3_bind_parameter_count(raw) == static_cast<int>(values.size()), sql);
  int index = 0;
  for (const SqlValue& value : values) {
    ++index;
    int code = SQLITE_OK;
    if (const auto* integer = std::get_if<int64_t>(&value)) {
      code = sqlite3_bind_int64(raw, index, *integer);
    } else if (const auto* number = std::get_if<double>(&value)) {
      code = sqlite3_bind_double(raw, index, *number);
    } else if (const auto* text = std::get_if<std::string_view>(&value)) {
      // A null pointer would bind NULL. The text outlives the statement's run.
      code = sqlite3_bind_text64(raw, index, text->data() ? text->data() : "", text->size(),
                                 SQLITE_STATIC, SQLITE_UTF8);
    } else {
      code = sqlite3_bind_null(raw, index);
    }
    if (code != SQLITE_OK) return failure();
  }
  return raw;
}

Status SqliteConnection::each(const char* sql, std::initializer_list<SqlValue> values,
                              FunctionRef<bool(const SqlRow&)> row) {
  TRY(sqlite3_stmt* const statement, prepare(sql, values));
  // Resets on every way out, also when the callback throws.
  const std::unique_ptr<sqlite3_stmt, int (*)(sqlite3_stmt*)> guard(
      statement, [](sqlite3_stmt* used) { return sqlite3_reset(used); });
  while (true) {
    const int code = sqlite3_step(statement);
    if (code == SQLITE_DONE) return ok();
    if (code != SQLITE_ROW) return failure();
    if (!row(SqliteRow(statement))) return ok();
  }
}

Result<int64_t> SqliteConnection::run(const char* sql, std::initializer_list<SqlValue> values) {
  TRY_STATUS(each(sql, values, [](const SqlRow&) { return true; }));
  return static_cast<int64_t>(sqlite3_changes(handle_));
}

Status SqliteConnection::script(const char* sql) {
  if (sqlite3_exec(handle_, sql, nullptr, nullptr, nullptr) != SQLITE_OK) return failure();
  return ok();
}

Result<int64_t> SqliteConnection::integer(const char* sql) {
  int64_t value = 0;
  TRY_STATUS(each(sql, {}, [&](const SqlRow& row) { return value = row.integer(0), false; }));
  return value;
}

}  // namespace jiang
