// WorkFolder: a fresh folder for one program, removed with what is in it.
#pragma once

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <string>
#include <utility>

#include "base/result.h"
#include "sandbox/box_folder.h"

namespace jiang {

class WorkFolder {
 public:
  static Result<WorkFolder> create() {
    const char* tmp = getenv("TMPDIR");
    std::string path = std::string(tmp && *tmp ? tmp : "/tmp") + "/jiang-c-XXXXXX";
    if (!mkdtemp(path.data())) {
      return fail(ErrorKind::io, "{}: no folder could be made: {}", path, strerror(errno));
    }
    return WorkFolder(std::move(path));
  }
  WorkFolder(WorkFolder&& other) noexcept : path_(std::exchange(other.path_, {})) {}
  ~WorkFolder() {
    if (!path_.empty()) (void)remove_folder(path_);
  }
  const std::string& path() const { return path_; }

 private:
  explicit WorkFolder(std::string path) : path_(std::move(path)) {}
  std::string path_;
};

}  // namespace jiang
