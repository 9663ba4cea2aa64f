// GGUF files by hand, byte for byte: small honest ones, and any wrong one. Independent of the
// program's own writer and reader.
#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

namespace jiang {

// Little-endian numbers and length-prefixed strings, one after another.
class ByteWriter {
 public:
  std::string bytes;

  template <class T>
  ByteWriter& number(std::type_identity_t<T> value) {
    bytes.append(reinterpret_cast<const char*>(&value), sizeof value);
    return *this;
  }
  ByteWriter& u32(uint32_t value) { return number<uint32_t>(value); }
  ByteWriter& u64(uint64_t value) { return number<uint64_t>(value); }
  ByteWriter& string(std::string_view text) {
    u64(text.size());
    bytes.append(text);
    return *this;
  }
  ByteWriter& pad_to(size_t alignment) {
    while (bytes.size() % alignment) bytes.push_back('\0');
    return *this;
  }
};

// Value types of GGUF.
enum : uint32_t {
  kGgufUint8 = 0,
  kGgufInt8,
  kGgufUint16,
  kGgufInt16,
  kGgufUint32,
  kGgufInt32,
  kGgufFloat32,
  kGgufBool,
  kGgufString,
  kGgufArray,
  kGgufUint64,
  kGgufInt64,
  kGgufFloat64,
};

class GgufBytes {
 public:
  uint32_t version = 3;
  uint64_t alignment = 32;
  uint64_t extra_tensors = 0;  // claimed beyond those that are there
  uint64_t extra_keys = 0;

  template <class T>
  GgufBytes& key(std::string_view name, uint32_t type, std::type_identity_t<T> value) {
    keys_.string(name).u32(type);
    keys_.template number<T>(value);
    ++n_keys_;
    return *this;
  }
  GgufBytes& u32(std::string_view name, uint32_t value) {
    return key<uint32_t>(name, kGgufUint32, value);
  }
  GgufBytes& i32(std::string_view name, int32_t value) {
    return key<int32_t>(name, kGgufInt32, value);
  }
  GgufBytes& u16(std::string_view name, uint16_t value) {
    return key<uint16_t>(name, kGgufUint16, value);
  }
  GgufBytes& f32(std::string_view name, float value) {
    return key<float>(name, kGgufFloat32, value);
  }
  GgufBytes& boolean(std::string_view name, bool value) {
    return key<uint8_t>(name, kGgufBool, value);
  }
  GgufBytes& string(std::string_view name, std::string_view value) {
    keys_.string(name).u32(kGgufString).string(value);
    ++n_keys_;
    return *this;
  }
  GgufBytes& strings(std::string_view name, const std::vector<std::string>& values) {
    keys_.string(name).u32(kGgufArray).u32(kGgufString).u64(values.size());
    for (const auto& value : values) keys_.string(value);
    ++n_keys_;
    return *this;
  }
  template <class T>
  GgufBytes& array(std::string_view name, uint32_t type, const std::vector<T>& values) {
    keys_.string(name).u32(kGgufArray).u32(type).u64(values.size());
    for (const T value : values) keys_.template number<T>(value);
    ++n_keys_;
    return *this;
  }
  // A key and whatever follows it.
  GgufBytes& raw_key(std::string_view name, std::string_view rest) {
    keys_.string(name).bytes.append(rest);
    ++n_keys_;
    return *this;
  }

  // `dims` as GGUF lists them, innermost first; the offset is the next one due.
  GgufBytes& tensor(std::string_view name, const std::vector<uint64_t>& dims, uint32_t type,
                    std::string_view data) {
    return tensor_at(name, dims, type, data_.bytes.size(), data);
  }
  GgufBytes& tensor_at(std::string_view name, const std::vector<uint64_t>& dims, uint32_t type,
                       uint64_t offset, std::string_view data) {
    table_.string(name).u32(static_cast<uint32_t>(dims.size()));
    for (const uint64_t dim : dims) table_.u64(dim);
    table_.u32(type).u64(offset);
    data_.bytes.append(data);
    data_.pad_to(alignment);
    ++n_tensors_;
    return *this;
  }
  // Zeros, as F32.
  GgufBytes& zeros(std::string_view name, const std::vector<uint64_t>& dims) {
    uint64_t count = 1;
    for (const uint64_t dim : dims) count *= dim;
    return tensor(name, dims, 0, std::string(count * 4, '\0'));
  }
  // Numbers, as a vector of F32.
  GgufBytes& floats(std::string_view name, const std::vector<float>& values) {
    return tensor(name, {values.size()}, 0,
                  {reinterpret_cast<const char*>(values.data()), values.size() * 4});
  }

  // Everything before the tensors' data, unpadded.
  std::string header() const {
    ByteWriter out;
    out.bytes = "GGUF";
    out.u32(version).u64(n_tensors_ + extra_tensors).u64(n_keys_ + extra_keys);
    out.bytes += keys_.bytes + table_.bytes;
    return out.bytes;
  }
  std::string bytes() const {
    ByteWriter out;
    out.bytes = header();
    if (n_tensors_ > 0) out.pad_to(alignment);
    return out.bytes + data_.bytes;
  }

 private:
  ByteWriter keys_, table_, data_;
  uint64_t n_keys_ = 0;
  uint64_t n_tensors_ = 0;
};

// The keys that every decoder of this architecture needs: 2 layers, 4 heads, 2 of them for k and v.
inline GgufBytes tiny_gguf(const std::string& architecture) {
  GgufBytes file;
  file.string("general.architecture", architecture)
      .u32(architecture + ".context_length", 128)
      .u32(architecture + ".embedding_length", 64)
      .u32(architecture + ".block_count", 2)
      .u32(architecture + ".feed_forward_length", 96)
      .u32(architecture + ".attention.head_count", 4)
      .u32(architecture + ".attention.head_count_kv", 2)
      .f32(architecture + ".attention.layer_norm_rms_epsilon", 1e-5f);
  return file;
}

}  // namespace jiang
