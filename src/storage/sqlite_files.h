// What can be said of, and done with, a database file as a whole. Of src/storage alone.
#pragma once

#include <string>

#include "base/result.h"
#include "storage/sqlite_connection.h"

namespace jiang {

// The first bytes: is it a database, and one of jiang's?
Status check_header(const std::string& path);
Status quick_check(SqliteConnection& connection, const std::string& path);
Status refuse_newer(int64_t version, const std::string& path);
// One consistent file at `to`, which must not exist; whole and on the disk, or not there.
Status copy_database(SqliteConnection& connection, const std::string& to);
Status rename_durably(const std::string& from, const std::string& to);

}  // namespace jiang
