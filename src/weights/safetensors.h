// One safetensors file: its header, checked against the size of the file.
// https://github.com/huggingface/safetensors#format
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "quant/weight_format.h"
#include "tensor/shape.h"

namespace jiang {

struct SafetensorsLimits {
  uint64_t header_bytes = 100'000'000;  // as the reference implementation
  size_t tensors = 131072;
};

struct SafetensorsEntry {
  std::string name;
  std::string dtype;             // "BF16"
  std::vector<uint64_t> shape;   // outermost first
  std::optional<Format> format;  // none: well-formed, but nothing jiang computes with
  std::span<const std::byte> bytes;
};

// In the order of the data. The tensors fill the file's data exactly: no overlap, no hole, nothing
// after them. The entries' bytes point into `bytes`; they need not be aligned.
Result<std::vector<SafetensorsEntry>> parse_safetensors(std::span<const std::byte> bytes,
                                                        std::string_view where,
                                                        const SafetensorsLimits& limits = {});

}  // namespace jiang
