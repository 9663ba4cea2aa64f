#include "base/file.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <filesystem>

namespace jiang {
namespace {

Error io_error(std::string_view path, std::string_view doing) {
  const ErrorKind kind = errno == ENOENT ? ErrorKind::not_found : ErrorKind::io;
  return fail(kind, "{}: {}: {}", path, doing, std::strerror(errno));
}

// Opens a regular file and tells its size. O_NONBLOCK: a FIFO must be refused, not waited for.
Result<int> open_regular(const std::string& path, size_t* size) {
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (descriptor < 0) return io_error(path, "cannot open");
  struct stat status {};
  if (::fstat(descriptor, &status) != 0 || !S_ISREG(status.st_mode)) {
    ::close(descriptor);
    return fail(ErrorKind::invalid_argument, "{}: not a regular file", path);
  }
  *size = static_cast<size_t>(status.st_size);
  return descriptor;
}

// A file system whose times of change this machine may learn late.
bool is_shared(const struct statfs& system) {
  constexpr uint32_t kCifs = 0xff534d42, kSmb2 = 0xfe534d42, kFuse = 0x65735546;
  switch (static_cast<uint32_t>(system.f_type)) {
    case NFS_SUPER_MAGIC:
    case SMB_SUPER_MAGIC:
    case CODA_SUPER_MAGIC:
    case AFS_SUPER_MAGIC:
    case V9FS_MAGIC:
    case CEPH_SUPER_MAGIC:
    case kCifs:
    case kSmb2:
    case kFuse:
      return true;
    default:
      return false;
  }
}

}  // namespace

Result<std::string> read_file(const std::string& path, size_t max_bytes) {
  size_t size = 0;
  TRY(const int descriptor, open_regular(path, &size));
  if (size > max_bytes) {
    ::close(descriptor);
    return fail(ErrorKind::too_large, "{}: {} bytes, at most {} are read", path, size, max_bytes);
  }
  auto text = read_descriptor(descriptor, path, max_bytes);
  ::close(descriptor);
  return text;
}

Result<std::string> read_descriptor(int descriptor, std::string_view name, size_t max_bytes) {
  std::string text;
  char chunk[65536];
  while (true) {
    const ssize_t count = ::read(descriptor, chunk, sizeof chunk);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return io_error(name, "cannot read");
    if (count == 0) return text;
    text.append(chunk, static_cast<size_t>(count));
    if (text.size() > max_bytes) {
      return fail(ErrorKind::too_large, "{}: more than {} bytes", name, max_bytes);
    }
  }
}

Status write_file(const std::string& path, std::string_view bytes) {
  TRY(auto file, AtomicFile::create(path));
  TRY_STATUS(file.write(bytes));
  return file.commit();
}

bool is_directory(const std::string& path) {
  std::error_code ignored;
  return std::filesystem::is_directory(path, ignored);
}

bool is_regular_file(const std::string& path) {
  std::error_code ignored;
  return std::filesystem::is_regular_file(path, ignored);
}

Result<MappedFile> MappedFile::open(const std::string& path) {
  MappedFile file;
  file.path_ = path;
  TRY(file.descriptor_, open_regular(path, &file.size_));
  if (file.size_ == 0) return fail(ErrorKind::bad_file, "{}: the file is empty", path);
  // MAP_NORESERVE: a sparse file may be larger than memory and swap together.
  void* address =
      ::mmap(nullptr, file.size_, PROT_READ, MAP_SHARED | MAP_NORESERVE, file.descriptor_, 0);
  if (address == MAP_FAILED) {
    file.size_ = 0;
    return io_error(path, "cannot map into memory");
  }
  file.data_ = static_cast<const std::byte*>(address);
  return file;
}

MappedFile::MappedFile(MappedFile&& other) noexcept { *this = std::move(other); }

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  std::swap(descriptor_, other.descriptor_);
  std::swap(path_, other.path_);
  return *this;
}

MappedFile::~MappedFile() {
  if (data_) ::munmap(const_cast<std::byte*>(data_), size_);
  if (descriptor_ >= 0) ::close(descriptor_);
}

std::string MappedFile::identity() const {
  struct stat status {};
  if (::fstat(descriptor_, &status) != 0) return {};
  return fmt::format("{}:{}:{}:{}.{}:{}.{}", status.st_dev, status.st_ino, status.st_size,
                     status.st_mtim.tv_sec, status.st_mtim.tv_nsec, status.st_ctim.tv_sec,
                     status.st_ctim.tv_nsec);
}

bool MappedFile::still_whole() const {
  struct stat status {};
  return ::fstat(descriptor_, &status) == 0 && static_cast<size_t>(status.st_size) >= size_;
}

double MappedFile::unchanged_seconds() const {
  struct statfs system {};
  if (::fstatfs(descriptor_, &system) != 0 || is_shared(system)) return 0;
  struct stat status {};
  timespec now{};
  if (::fstat(descriptor_, &status) != 0 || ::clock_gettime(CLOCK_REALTIME, &now) != 0) return 0;
  const auto seconds = [](const timespec& time) {
    return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
  };
  const double changed = std::max(seconds(status.st_mtim), seconds(status.st_ctim));
  return std::max(0.0, seconds(now) - changed);
}

void MappedFile::forget(std::span<const std::byte> part) const {
  const auto start = reinterpret_cast<uintptr_t>(data_);
  const auto first = reinterpret_cast<uintptr_t>(part.data());
  if (part.empty() || first < start || first - start > size_) return;
  const auto page = static_cast<uintptr_t>(::sysconf(_SC_PAGESIZE));
  const uintptr_t last = first + std::min<uintptr_t>(part.size(), start + size_ - first);
  const uintptr_t from = (first + page - 1) / page * page, to = last / page * page;
  if (from < to) ::madvise(reinterpret_cast<void*>(from), to - from, MADV_DONTNEED);
}

Result<AtomicFile> AtomicFile::create(const std::string& path) {
  AtomicFile file;
  file.path_ = path;
  file.temporary_ = path + ".part-" + std::to_string(::getpid());
  file.descriptor_ = ::open(file.temporary_.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (file.descriptor_ < 0) return io_error(path, "cannot create");
  return file;
}

AtomicFile::AtomicFile(AtomicFile&& other) noexcept
    : path_(std::move(other.path_)),
      temporary_(std::move(other.temporary_)),
      descriptor_(std::exchange(other.descriptor_, -1)),
      size_(other.size_) {}

AtomicFile::~AtomicFile() {
  if (descriptor_ < 0) return;
  ::close(descriptor_);
  ::unlink(temporary_.c_str());
}

Status AtomicFile::write(std::span<const std::byte> bytes) {
  TRY_STATUS(write_at(size_, bytes));
  size_ += bytes.size();
  return ok();
}

Status AtomicFile::write(std::string_view text) { return write(std::as_bytes(std::span(text))); }

Status AtomicFile::write_at(size_t offset, std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t count =
        ::pwrite(descriptor_, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return io_error(path_, "cannot write");
    bytes = bytes.subspan(static_cast<size_t>(count));
    offset += static_cast<size_t>(count);
  }
  return ok();
}

Status AtomicFile::commit() {
  if (::fsync(descriptor_) != 0) return io_error(path_, "cannot flush to disk");
  if (::rename(temporary_.c_str(), path_.c_str()) != 0)
    return io_error(path_, "cannot rename into place");
  ::close(std::exchange(descriptor_, -1));
  // The rename itself lives in the folder: flush that too.
  const auto parent = std::filesystem::path(path_).parent_path();
  const int folder =
      ::open(parent.empty() ? "." : parent.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (folder < 0) return io_error(path_, "cannot open the folder");
  const int result = ::fsync(folder);
  ::close(folder);
  if (result != 0 && errno != EINVAL) return io_error(path_, "cannot flush the folder");
  return ok();
}

}  // namespace jiang
