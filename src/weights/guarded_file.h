// GuardedFile: a mapping that survives its file being truncated by someone else.
//
// Reading a mapped page that its file no longer has kills a process with SIGBUS. For these
// mappings a process-wide SIGBUS handler (installed at the first open, passing on every other
// SIGBUS) puts zeros there instead, and still_whole() is false from then on. So: read, then ask
// still_whole() before believing what was read. There is no window in between.
//
// A file that is overwritten in place with as many bytes is not noticed.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>

#include "base/file.h"
#include "base/result.h"

namespace jiang {

class GuardedFile {
 public:
  static Result<GuardedFile> open(const std::string& path);
  GuardedFile() = default;
  GuardedFile(GuardedFile&& other) noexcept { *this = std::move(other); }
  GuardedFile& operator=(GuardedFile&& other) noexcept;
  ~GuardedFile();

  std::span<const std::byte> bytes() const { return file_.bytes(); }
  const std::string& path() const { return file_.path(); }
  bool still_whole() const;
  std::string identity() const { return file_.identity(); }
  double unchanged_seconds() const { return file_.unchanged_seconds(); }
  void forget(std::span<const std::byte> part) const { file_.forget(part); }

 private:
  MappedFile file_;
  int slot_ = -1;  // in the handler's table
};

}  // namespace jiang
