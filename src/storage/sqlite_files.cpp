#include "storage/sqlite_files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>

#include "base/file.h"
#include "storage/migrations.h"

namespace jiang {
namespace {

Status sync_path(const std::string& path, int flags) {
  const int descriptor = ::open(path.c_str(), flags | O_CLOEXEC);
  if (descriptor < 0) {
    return fail(ErrorKind::io, "{}: cannot open: {}", path, std::strerror(errno));
  }
  const bool synced = ::fsync(descriptor) == 0;
  const int error = errno;
  ::close(descriptor);
  if (!synced) return fail(ErrorKind::io, "{}: fsync: {}", path, std::strerror(error));
  return ok();
}

}  // namespace

Status check_header(const std::string& path) {
  std::array<unsigned char, 100> header{};
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (descriptor < 0) {
    return fail(ErrorKind::io, "{}: cannot open: {}", path, std::strerror(errno));
  }
  const ssize_t count = ::pread(descriptor, header.data(), header.size(), 0);
  ::close(descriptor);
  const bool sqlite = count == static_cast<ssize_t>(header.size()) &&
                      std::memcmp(header.data(), "SQLite format 3", 16) == 0;
  if (!sqlite) {
    return fail(ErrorKind::bad_file,
                "{}: this is not a database{}. It is left as it is; move it away to begin anew, or "
                "put a backup in its place with `jiang restore FILE`",
                path, count == 0 ? ", it is empty" : "");
  }
  int64_t id = 0;
  for (size_t i = 68; i < 72; ++i) id = id << 8 | header[i];
  if (id != kApplicationId) {
    return fail(ErrorKind::bad_file,
                "{}: this is a database of another program; set JIANG_HOME to another folder",
                path);
  }
  return ok();
}

Status quick_check(SqliteConnection& connection, const std::string& path) {
  std::string verdict;
  TRY_STATUS(connection.each("PRAGMA quick_check(1)", {}, [&](const SqlRow& row) {
    verdict = row.text(0);
    return false;
  }));
  if (verdict == "ok") return ok();
  return fail(ErrorKind::bad_file,
              "{}: the database is damaged ({}). It is left as it is; put a backup in its place "
              "with `jiang restore FILE`, or save what can be read with `sqlite3 {} .recover`",
              path, verdict, path);
}

Status refuse_newer(int64_t version, const std::string& path) {
  const size_t known = migrations().size();
  if (version >= 0 && static_cast<size_t>(version) <= known) return ok();
  return fail(ErrorKind::unsupported,
              "{}: was written by a newer jiang (version {} of its tables, this one knows {}); use "
              "that jiang, or set JIANG_HOME to another folder",
              path, version, known);
}

Status copy_database(SqliteConnection& connection, const std::string& to) {
  std::error_code error;
  if (std::filesystem::exists(to, error)) {
    return fail(ErrorKind::invalid_argument, "{}: exists already; give another name", to);
  }
  const std::string part = to + ".part";
  std::filesystem::remove(part, error);
  const auto copied = connection.run("VACUUM INTO ?1", {std::string_view(part)});
  if (!copied) {
    std::filesystem::remove(part, error);
    return copied.error();
  }
  ::chmod(part.c_str(), 0600);
  TRY_STATUS(sync_path(part, O_RDONLY));
  return rename_durably(part, to);
}

Status rename_durably(const std::string& from, const std::string& to) {
  if (std::rename(from.c_str(), to.c_str()) != 0) {
    return fail(ErrorKind::io, "{}: cannot rename: {}", from, std::strerror(errno));
  }
  const std::string folder = std::filesystem::path(to).parent_path().string();
  return sync_path(folder.empty() ? "." : folder, O_RDONLY | O_DIRECTORY);
}

}  // namespace jiang
