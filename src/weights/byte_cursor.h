// ByteCursor: reads little-endian values from bytes nobody trusts. Every read is checked against
// the end; a failed read says what was wanted, where, and how much was left.
#pragma once

#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "base/result.h"

namespace jiang {

class ByteCursor {
 public:
  // `where` names the file in errors; both are borrowed.
  ByteCursor(std::span<const std::byte> bytes, std::string_view where)
      : bytes_(bytes), where_(where) {}

  uint64_t position() const { return position_; }
  uint64_t left() const { return bytes_.size() - position_; }

  // A number, as it lies in memory: little-endian hosts only (checked in gguf_file.cpp).
  template <class T>
  Result<T> number(std::string_view what) {
    TRY(const auto bytes, take(sizeof(T), what));
    T value;
    std::memcpy(&value, bytes.data(), sizeof(T));
    return value;
  }

  // A uint64 length and that many bytes; a view into the file.
  Result<std::string_view> string(std::string_view what) {
    TRY(const auto length, number<uint64_t>(what));
    TRY(const auto bytes, take(length, what));
    return std::string_view(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  }

  Result<std::span<const std::byte>> take(uint64_t count, std::string_view what) {
    if (count > left()) {
      return fail(ErrorKind::bad_file, "{}: truncated at byte {}: {} needs {} bytes, {} are left",
                  where_, position_, what, count, left());
    }
    const auto taken = bytes_.subspan(position_, count);
    position_ += count;
    return taken;
  }

  // Before anything is allocated for `count` elements of at least `least_bytes` each.
  Status expect_room(uint64_t count, uint64_t least_bytes, std::string_view what) const {
    if (count <= left() / least_bytes) return ok();
    return fail(ErrorKind::bad_file,
                "{}: truncated at byte {}: {} {} cannot fit in the {} bytes left", where_,
                position_, count, what, left());
  }

 private:
  std::span<const std::byte> bytes_;
  std::string_view where_;
  size_t position_ = 0;
};

}  // namespace jiang
