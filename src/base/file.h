// Files: read whole (bounded), mapped read-only, and written so that a reader sees the old file
// or the whole new one, never half.
#pragma once

#include <cstddef>
#include <functional>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"

namespace jiang {

// A regular file's bytes. FIFOs, devices and directories are refused, and so is a file of more
// than `max_bytes`.
Result<std::string> read_file(const std::string& path, size_t max_bytes);
// Everything from an open descriptor (a pipe, a terminal) until end of file.
Result<std::string> read_descriptor(int descriptor, std::string_view name, size_t max_bytes);
Status write_file(const std::string& path, std::string_view bytes);  // by AtomicFile

bool is_directory(const std::string& path);
bool is_regular_file(const std::string& path);

// A read-only mapping of a regular file; owner of the mapping. Moving keeps addresses.
//
// A file that another process truncates while it is mapped would kill us with SIGBUS on access:
// call still_whole() before a piece of work; it compares the size with the one at open.
class MappedFile {
 public:
  static Result<MappedFile> open(const std::string& path);
  MappedFile() = default;
  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;
  ~MappedFile();

  std::span<const std::byte> bytes() const { return {data_, size_}; }
  const std::string& path() const { return path_; }
  bool still_whole() const;
  // Changes when the file's bytes may have: device, inode, size, times of change. For caches.
  std::string identity() const;
  // Since the latest of those times; 0 where it lies ahead, or where other machines may write the
  // file and this one learns of it later (NFS, SMB, FUSE ...).
  double unchanged_seconds() const;
  // Lets the pages that lie wholly within `part` leave this process's memory; reading them again
  // fetches them from the file. A part that is not of this file is left alone.
  void forget(std::span<const std::byte> part) const;

 private:
  const std::byte* data_ = nullptr;
  size_t size_ = 0;
  int descriptor_ = -1;
  std::string path_;
};

// Writes PATH.part-PID, then fsync, rename, fsync of the folder on commit(). Without commit()
// the destructor removes the temporary file, and PATH is as it was.
class AtomicFile {
 public:
  static Result<AtomicFile> create(const std::string& path);
  AtomicFile(AtomicFile&& other) noexcept;
  AtomicFile& operator=(AtomicFile&&) = delete;
  ~AtomicFile();

  Status write(std::span<const std::byte> bytes);
  Status write(std::string_view text);
  Status write_at(size_t offset, std::span<const std::byte> bytes);
  size_t size() const { return size_; }  // bytes written by write() so far
  Status commit();

 private:
  AtomicFile() = default;
  std::string path_;
  std::string temporary_;
  int descriptor_ = -1;
  size_t size_ = 0;
};

}  // namespace jiang
