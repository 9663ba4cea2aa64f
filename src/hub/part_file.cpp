#include "hub/part_file.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

namespace jiang {

Status PartFile::lock(const std::function<Status()>& wait) {
  while (true) {
    close();
    descriptor_ = ::open(path_.c_str(), O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0644);
    if (descriptor_ < 0) return io_error("cannot open");
    while (::flock(descriptor_, LOCK_EX | LOCK_NB) != 0) {
      if (errno != EWOULDBLOCK && errno != EINTR) return io_error("cannot lock");
      TRY_STATUS(wait());
    }
    // The one who held it may have renamed or removed it: then the lock is on something else.
    struct stat ours = {}, named = {};
    if (::fstat(descriptor_, &ours) == 0 && ::lstat(path_.c_str(), &named) == 0 &&
        ours.st_ino == named.st_ino && ours.st_dev == named.st_dev) {
      if (S_ISREG(ours.st_mode)) return ok();
      return fail(ErrorKind::bad_file, "{}: not a regular file: remove it", path_);
    }
  }
}

Result<PartFile::Size> PartFile::size() const {
  struct stat status = {};
  if (::fstat(descriptor_, &status) != 0) return io_error("cannot look at");
  return Size{static_cast<uint64_t>(status.st_size), static_cast<uint64_t>(status.st_blocks) * 512};
}

Status PartFile::empty() {
  return ::ftruncate(descriptor_, 0) == 0 ? ok() : Status(io_error("cannot empty"));
}

Status PartFile::reserve(uint64_t bytes) {
  if (::ftruncate(descriptor_, static_cast<off_t>(bytes)) != 0) return io_error("cannot size");
  if (::fallocate(descriptor_, 0, 0, static_cast<off_t>(bytes)) != 0 && errno != EOPNOTSUPP &&
      errno != EINTR && errno != ENOSYS && errno != EINVAL) {
    return io_error("cannot reserve space");
  }
  return ok();
}

Status PartFile::write_at(uint64_t offset, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t count =
        ::pwrite(descriptor_, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return io_error("cannot write");
    bytes.remove_prefix(static_cast<size_t>(count));
    offset += static_cast<uint64_t>(count);
  }
  return ok();
}

Result<size_t> PartFile::read_at(uint64_t offset, std::span<std::byte> out) const {
  while (true) {
    errno = 0;
    const ssize_t count = ::pread(descriptor_, out.data(), out.size(), static_cast<off_t>(offset));
    if (count > 0) return static_cast<size_t>(count);
    if (count < 0 && errno == EINTR) continue;
    return count < 0 ? io_error("cannot read back")
                     : fail(ErrorKind::io, "{}: shorter than what was written to it", path_);
  }
}

Status PartFile::flush_bytes() const {
  return ::fdatasync(descriptor_) == 0 ? ok() : Status(io_error("cannot flush"));
}

Status PartFile::flush() const {
  return ::fsync(descriptor_) == 0 ? ok() : Status(io_error("cannot flush"));
}

Status PartFile::publish(const std::string& folder, const std::string& target) {
  ::fchmod(descriptor_, 0444);
  if (::rename(path_.c_str(), target.c_str()) != 0) return io_error("cannot rename into place");
  const int opened = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  const bool is_flushed = opened >= 0 && (::fsync(opened) == 0 || errno == EINVAL);
  const Status flushed = is_flushed ? ok() : Status(io_error("cannot flush the folder of"));
  if (opened >= 0) ::close(opened);
  if (flushed) close();
  return flushed;
}

void PartFile::remove() { ::unlink(path_.c_str()); }

Error PartFile::io_error(std::string_view doing) const {
  const int reason = errno;
  if (reason == ENOSPC || reason == EDQUOT) {
    return fail(ErrorKind::io,
                "{}: the disk is full; free some space and pull again: what was fetched is kept",
                path_);
  }
  return fail(ErrorKind::io, "{}: {}: {}", path_, doing, std::strerror(reason));
}

void PartFile::close() {
  if (descriptor_ >= 0) ::close(std::exchange(descriptor_, -1));
}

}  // namespace jiang
