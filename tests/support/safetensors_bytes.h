// safetensors files by hand: small honest ones, and any wrong one.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace jiang {

// The file of this header and this data.
inline std::string safetensors_bytes(std::string_view header, std::string_view data) {
  std::string bytes;
  for (int i = 0; i < 8; ++i) bytes.push_back(static_cast<char>(header.size() >> (8 * i) & 0xff));
  return bytes.append(header).append(data);
}

struct SafetensorsTensor {
  std::string name;
  std::string dtype;
  std::vector<uint64_t> shape;
  std::string data;
};

inline std::string safetensors_bytes(const std::vector<SafetensorsTensor>& tensors) {
  std::string header = "{\"__metadata__\":{\"format\":\"pt\"}";
  std::string data;
  for (const SafetensorsTensor& tensor : tensors) {
    header += ",\"" + tensor.name + "\":{\"dtype\":\"" + tensor.dtype + "\",\"shape\":[";
    for (size_t i = 0; i < tensor.shape.size(); ++i)
      header += (i ? "," : "") + std::to_string(tensor.shape[i]);
    header += "],\"data_offsets\":[" + std::to_string(data.size()) + ",";
    data += tensor.data;
    header += std::to_string(data.size()) + "]}";
  }
  return safetensors_bytes(header + "}", data);
}

// A tensor of zeros in F32.
inline SafetensorsTensor safetensors_zeros(std::string name, std::vector<uint64_t> shape) {
  uint64_t count = 4;
  for (const uint64_t dim : shape) count *= dim;
  return {std::move(name), "F32", std::move(shape), std::string(count, '\0')};
}

}  // namespace jiang
