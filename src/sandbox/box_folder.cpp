#include "sandbox/box_folder.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>

#include "base/unicode.h"

namespace jiang {
namespace {

class Descriptor {
 public:
  explicit Descriptor(int descriptor) : descriptor_(descriptor) {}
  ~Descriptor() {
    if (descriptor_ >= 0) close(descriptor_);
  }
  Descriptor(const Descriptor&) = delete;
  int get() const { return descriptor_; }
  bool is_open() const { return descriptor_ >= 0; }

 private:
  const int descriptor_;
};

struct CloseFolder {
  void operator()(DIR* folder) const { closedir(folder); }
};
using Folder = std::unique_ptr<DIR, CloseFolder>;

Folder open_folder_at(int parent, const char* name) {
  const int descriptor = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (descriptor < 0) return nullptr;
  Folder folder(fdopendir(descriptor));
  if (!folder) close(descriptor);
  return folder;
}

bool is_dots(const char* name) { return !strcmp(name, ".") || !strcmp(name, ".."); }

bool is_plain_name(std::string_view name) {
  if (name.size() > 200 || !is_valid_utf8(name)) return false;
  for (const char c : name) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F || c == '\\') return false;
  }
  return true;
}

// Copies one regular file; false when `from` is none, is too large, or could not be read whole.
// O_NOFOLLOW and O_NONBLOCK: a link is refused, and a FIFO does not hold us up.
Result<bool> copy_file(int from_folder, int to_folder, const char* name, uid_t owner,
                       uint64_t& bytes_left) {
  const Descriptor from(
      openat(from_folder, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC | O_NOCTTY));
  struct stat about = {};
  if (!from.is_open() || fstat(from.get(), &about) != 0 || !S_ISREG(about.st_mode)) return false;
  if (static_cast<uint64_t>(about.st_size) > bytes_left) return false;
  // A new file, never an existing one's content: what stands there may be mapped by someone.
  unlinkat(to_folder, name, 0);
  const mode_t mode = (about.st_mode & 0100) ? 0700 : 0600;
  const Descriptor to(
      openat(to_folder, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode));
  if (!to.is_open()) {
    return fail(ErrorKind::io, "{}: cannot be written: {}", name, strerror(errno));
  }
  char buffer[1 << 16];
  for (;;) {
    const ssize_t n = read(from.get(), buffer, sizeof(buffer));
    if (n == 0) break;
    if (n < 0 || static_cast<uint64_t>(n) > bytes_left) {
      unlinkat(to_folder, name, 0);
      return false;
    }
    bytes_left -= static_cast<uint64_t>(n);
    for (ssize_t done = 0; done < n;) {
      const ssize_t written = write(to.get(), buffer + done, static_cast<size_t>(n - done));
      if (written < 0 && errno == EINTR) continue;
      if (written < 0) {
        const int error = errno;
        unlinkat(to_folder, name, 0);
        return fail(ErrorKind::io, "{}: cannot be written: {}", name, strerror(error));
      }
      done += written;
    }
  }
  if (geteuid() == 0 && fchown(to.get(), owner, owner) != 0) {
    return fail(ErrorKind::io, "{}: cannot be given to the box: {}", name, strerror(errno));
  }
  return true;
}

Result<std::vector<std::string>> copy_files(const std::string& from, const std::string& to,
                                            uid_t owner, const SandboxLimits& limits) {
  const Folder from_folder = open_folder_at(AT_FDCWD, from.c_str());
  const Folder to_folder = open_folder_at(AT_FDCWD, to.c_str());
  if (!from_folder || !to_folder) {
    return fail(ErrorKind::io, "{}: cannot be opened as a folder: {}", from_folder ? to : from,
                strerror(errno));
  }
  std::vector<std::string> refused;
  uint64_t bytes_left = limits.file_bytes;
  int32_t n_files = 0;
  while (const dirent* entry = readdir(from_folder.get())) {
    if (is_dots(entry->d_name)) continue;
    bool taken = false;
    if (is_plain_name(entry->d_name) && n_files < limits.files) {
      TRY(taken, copy_file(dirfd(from_folder.get()), dirfd(to_folder.get()), entry->d_name, owner,
                           bytes_left));
    }
    if (taken) {
      ++n_files;
    } else if (refused.size() < 100) {
      refused.push_back(replace_invalid_utf8(entry->d_name));
    }
  }
  return refused;
}

void add_use(int parent, const char* name, int depth, FolderUse& use) {
  const Folder folder = open_folder_at(parent, name);
  if (!folder) return;
  while (const dirent* entry = readdir(folder.get())) {
    if (is_dots(entry->d_name)) continue;
    struct stat about = {};
    if (fstatat(dirfd(folder.get()), entry->d_name, &about, AT_SYMLINK_NOFOLLOW) != 0) continue;
    ++use.files;
    if (S_ISREG(about.st_mode)) use.bytes += static_cast<uint64_t>(about.st_blocks) * 512;
    if (S_ISDIR(about.st_mode) && depth < 8) {
      add_use(dirfd(folder.get()), entry->d_name, depth + 1, use);
    }
  }
}

// Unlinks what is in `name` of `top` and moves its folders up beside it, so that no depth costs us
// a stack or a descriptor.
void flatten(int top, const char* name, uint64_t& n_moved) {
  fchmodat(top, name, 0700, 0);
  const Folder folder = open_folder_at(top, name);
  if (!folder) return;
  const int here = dirfd(folder.get());
  while (const dirent* entry = readdir(folder.get())) {
    if (is_dots(entry->d_name) || unlinkat(here, entry->d_name, 0) == 0) continue;
    fchmodat(here, entry->d_name, 0700, 0);
    if (unlinkat(here, entry->d_name, AT_REMOVEDIR) == 0) continue;
    renameat(here, entry->d_name, top, fmt::format(".jiang-{}", n_moved++).c_str());
  }
}

}  // namespace

Status copy_into_box(const std::string& from, const std::string& to, uid_t owner,
                     const SandboxLimits& limits) {
  TRY(const auto refused, copy_files(from, to, owner, limits));
  if (!refused.empty()) {
    return fail(
        ErrorKind::invalid_argument,
        "{}/{}: cannot go into the box: only regular files of at most {} bytes and {} files "
        "together can",
        from, refused[0], limits.file_bytes, limits.files);
  }
  return ok();
}

Result<std::vector<std::string>> copy_out_of_box(const std::string& from, const std::string& to,
                                                 const SandboxLimits& limits) {
  return copy_files(from, to, geteuid(), limits);
}

FolderUse folder_use(const std::string& folder) {
  FolderUse use;
  add_use(AT_FDCWD, folder.c_str(), 0, use);
  return use;
}

Status remove_folder(const std::string& folder) {
  uint64_t n_moved = 0;
  // Each round removes at least one level; a round that finds nothing to do is the last.
  for (bool is_empty = false; !is_empty;) {
    is_empty = true;
    const uint64_t n_before = n_moved;
    const Folder top = open_folder_at(AT_FDCWD, folder.c_str());
    if (!top) return fail(ErrorKind::io, "{}: {}", folder, strerror(errno));
    bool removed = false;
    while (const dirent* entry = readdir(top.get())) {
      if (is_dots(entry->d_name)) continue;
      is_empty = false;
      if (unlinkat(dirfd(top.get()), entry->d_name, 0) == 0) {
        removed = true;
        continue;
      }
      flatten(dirfd(top.get()), entry->d_name, n_moved);
      if (unlinkat(dirfd(top.get()), entry->d_name, AT_REMOVEDIR) == 0) removed = true;
    }
    if (!is_empty && !removed && n_moved == n_before) break;
  }
  if (rmdir(folder.c_str()) == 0) return ok();
  return fail(ErrorKind::io, "{}: cannot be removed: {}", folder, strerror(errno));
}

}  // namespace jiang
