#include "storage/data_lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "base/file.h"

namespace jiang {
namespace {

constexpr long kNfsMagic = 0x6969;

// "process 1234 (jiang serve)", as far as it can be known.
std::string holder_of(int descriptor) {
  char text[32] = {};
  const ssize_t count = ::pread(descriptor, text, sizeof(text) - 1, 0);
  const std::string pid(text, count > 0 ? static_cast<size_t>(count) : 0);
  if (pid.empty() || pid.find_first_not_of("0123456789") != std::string::npos) {
    return "another process";
  }
  auto command = read_file("/proc/" + pid + "/cmdline", size_t{1} << 16);
  if (!command || command->empty()) return "process " + pid;
  if (command->back() == '\0') command->pop_back();
  std::replace(command->begin(), command->end(), '\0', ' ');
  return fmt::format("process {} ({})", pid, command->substr(0, 80));
}

}  // namespace

Result<DataLock> DataLock::take(const std::string& path) {
  const int descriptor = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (descriptor < 0) {
    return fail(ErrorKind::io, "{}: cannot open: {}", path, std::strerror(errno));
  }
  DataLock lock(descriptor);
  struct statfs system {};
  if (::fstatfs(descriptor, &system) == 0 && system.f_type == kNfsMagic) {
    return fail(ErrorKind::unsupported,
                "{}: the folder is on NFS, where a database cannot be locked safely; set "
                "JIANG_HOME to a folder on a local disk",
                path);
  }
  if (::flock(descriptor, LOCK_EX | LOCK_NB) != 0) {
    return fail(ErrorKind::io,
                "{}: this data folder is in use by {}; stop that process, or set JIANG_HOME to "
                "another folder",
                path, holder_of(descriptor));
  }
  const std::string pid = std::to_string(::getpid());
  if (::ftruncate(descriptor, 0) != 0 ||
      ::pwrite(descriptor, pid.data(), pid.size(), 0) != static_cast<ssize_t>(pid.size())) {
    return fail(ErrorKind::io, "{}: cannot write: {}", path, std::strerror(errno));
  }
  return lock;
}

DataLock::DataLock(DataLock&& other) noexcept : descriptor_(std::exchange(other.descriptor_, -1)) {}

DataLock::~DataLock() {
  if (descriptor_ >= 0) ::close(descriptor_);  // and with it, the lock
}

}  // namespace jiang
