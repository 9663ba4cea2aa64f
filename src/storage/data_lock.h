// DataLock: one process per data folder. Held by flock, so a process that dies lets go of it.
#pragma once

#include <string>

#include "base/result.h"

namespace jiang {

class DataLock {
 public:
  // The error names the process that holds it.
  static Result<DataLock> take(const std::string& path);
  DataLock(DataLock&& other) noexcept;
  DataLock& operator=(DataLock&&) = delete;
  ~DataLock();

 private:
  explicit DataLock(int descriptor) : descriptor_(descriptor) {}
  int descriptor_;
};

}  // namespace jiang
