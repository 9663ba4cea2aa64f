// PartFile: the file that a download grows in, under a lock between processes, until it gets the
// name that promises what it holds.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"

namespace jiang {

// Errors name the file; a full disk says that what was fetched is kept.
class PartFile {
 public:
  explicit PartFile(std::string path) : path_(std::move(path)) {}
  PartFile(const PartFile&) = delete;
  PartFile& operator=(const PartFile&) = delete;
  ~PartFile() { close(); }

  const std::string& path() const { return path_; }

  // Opens or makes it, and locks it. While another process has it, asks `wait` each time whether to
  // go on; it sleeps there as long as it likes.
  Status lock(const std::function<Status()>& wait);

  // What follows is for the one who has the lock. Thread-safe, but for the last two.
  struct Size {
    uint64_t bytes = 0;
    uint64_t bytes_on_disk = 0;  // less where it has holes
  };
  Result<Size> size() const;
  Status empty();
  // Makes it `bytes` long and takes the space now, so that it cannot be missing later; some file
  // systems cannot promise.
  Status reserve(uint64_t bytes);
  Status write_at(uint64_t offset, std::string_view bytes);
  // At least a byte; the end of the file is an error.
  Result<size_t> read_at(uint64_t offset, std::span<std::byte> out) const;
  Status flush_bytes() const;
  Status flush() const;
  // Read-only and under its name in the same folder, both on the disk; the lock goes.
  Status publish(const std::string& folder, const std::string& target);
  void remove();

 private:
  Error io_error(std::string_view doing) const;
  void close();

  const std::string path_;
  int descriptor_ = -1;
};

}  // namespace jiang
