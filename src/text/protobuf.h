// A reader for protobuf's wire format: fields one after the other, every length checked against
// what is left. Enough for sentencepiece's models.
#pragma once

#include <cstdint>
#include <cstring>
#include <optional>
#include <string_view>

namespace jiang {

class ProtobufReader {
 public:
  explicit ProtobufReader(std::string_view bytes) : bytes_(bytes) {}

  struct Field {
    uint32_t number = 0;
    uint64_t integer = 0;    // varint and fixed-width fields
    std::string_view bytes;  // length-delimited fields
    bool is_bytes = false;
    bool is_fixed32 = false;

    float as_float() const {
      const auto bits = static_cast<uint32_t>(integer);
      float value = 0;
      std::memcpy(&value, &bits, sizeof value);
      return value;
    }
  };

  // nullopt at the end, or where the bytes are no protobuf: then is_bad().
  std::optional<Field> next() {
    if (bytes_.empty()) return std::nullopt;
    const auto key = varint();
    if (!key || (*key >> 3) == 0 || (*key >> 3) > 0x1FFFFFFF) return bad();
    Field field;
    field.number = static_cast<uint32_t>(*key >> 3);
    switch (*key & 7) {
      case 0: {
        const auto value = varint();
        if (!value) return bad();
        field.integer = *value;
        return field;
      }
      case 1:
        return fixed(field, 8);
      case 5:
        field.is_fixed32 = true;
        return fixed(field, 4);
      case 2: {
        const auto length = varint();
        if (!length || *length > bytes_.size()) return bad();
        field.is_bytes = true;
        field.bytes = bytes_.substr(0, static_cast<size_t>(*length));
        bytes_.remove_prefix(static_cast<size_t>(*length));
        return field;
      }
      default:
        return bad();
    }
  }

  bool is_bad() const { return is_bad_; }

 private:
  std::optional<Field> bad() {
    is_bad_ = true;
    bytes_ = {};
    return std::nullopt;
  }

  std::optional<uint64_t> varint() {
    uint64_t value = 0;
    for (int shift = 0; shift < 64 && !bytes_.empty(); shift += 7) {
      const auto byte = static_cast<uint8_t>(bytes_[0]);
      bytes_.remove_prefix(1);
      value |= static_cast<uint64_t>(byte & 0x7F) << shift;
      if (byte < 0x80) return value;
    }
    return std::nullopt;
  }

  std::optional<Field> fixed(Field field, size_t n) {
    if (bytes_.size() < n) return bad();
    for (size_t i = 0; i < n; ++i) {
      field.integer |= static_cast<uint64_t>(static_cast<uint8_t>(bytes_[i])) << (8 * i);
    }
    bytes_.remove_prefix(n);
    return field;
  }

  std::string_view bytes_;
  bool is_bad_ = false;
};

}  // namespace jiang
