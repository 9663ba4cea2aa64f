// A JIANG_HOME for one test, removed with it.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>

#include "base/file.h"
#include "base/json_value.h"
#include "storage/storage.h"

namespace jiang {

class TemporaryHome {
 public:
  TemporaryHome() {
    std::string name = (std::filesystem::temp_directory_path() / "jiang-storage-XXXXXX").string();
    path_ = ::mkdtemp(name.data());
  }
  ~TemporaryHome() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TemporaryHome(const TemporaryHome&) = delete;
  TemporaryHome& operator=(const TemporaryHome&) = delete;
  const std::string& path() const { return path_; }
  std::string database() const { return path_ + "/data.db"; }

 private:
  std::string path_;
};

inline std::unique_ptr<Storage> open_storage(const TemporaryHome& home) {
  auto storage = Storage::open(home.path());
  if (!storage) {
    ADD_FAILURE() << storage.error().message;
    std::abort();
  }
  return *std::move(storage);
}

}  // namespace jiang
