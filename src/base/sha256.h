// SHA-256 of bytes as they come, by OpenSSL.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"

namespace jiang {

class Sha256 {
 public:
  Sha256();
  ~Sha256();
  Sha256(Sha256&&) noexcept;
  Sha256& operator=(Sha256&&) noexcept;

  void update(std::span<const std::byte> bytes);
  void update(std::string_view text);
  // 64 lower-case hex digits. The object can then only be destroyed or assigned to.
  std::string hex();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

std::string sha256_hex(std::string_view text);
// Of a whole regular file, read in pieces.
Result<std::string> sha256_of_file(const std::string& path);
// 64 hex digits, in either case.
bool is_sha256_hex(std::string_view text);
// The id that git gives to a file's content ("blob SIZE\0" and the bytes), 40 hex digits: what a
// hub tells of files that are not kept in large-file storage.
Result<std::string> git_blob_id_of_file(const std::string& path);

}  // namespace jiang
