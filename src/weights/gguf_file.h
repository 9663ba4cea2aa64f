// One GGUF file as it is written: its metadata and its tensor table, checked against each other and
// against the size of the file, in the file's own spelling. gguf_source.h makes a model of it.
//
// GGUF v2 and v3, little-endian: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/metadata.h"
#include "base/result.h"
#include "quant/weight_format.h"
#include "tensor/shape.h"

namespace jiang {

// What no honest file exceeds; a hostile one must not cost more than it is long.
struct GgufLimits {
  uint64_t header_bytes = uint64_t{100} << 20;  // metadata and tensor table together
  uint64_t keys = 65536;
  uint64_t tensors = 131072;
  uint64_t alignment = uint64_t{1} << 20;
};

struct GgufTensorEntry {
  std::string name;  // "blk.0.attn_q.weight"
  Format format = Format::f32;
  Shape shape;  // outermost first: GGUF's dimensions reversed
  std::span<const std::byte> bytes;
};

struct GgufFile {
  uint32_t version = 0;
  uint64_t alignment = 32;
  Metadata metadata;
  std::vector<GgufTensorEntry> tensors;
  uint64_t data_offset = 0;  // of the tensor data in the file
};

inline constexpr std::string_view kGgufMagic = "GGUF";

// Reads the file that lies in `bytes` (a mapping, usually); the entries' bytes point into it.
// `where` names it in errors. Every tensor lies within the file, aligned, none overlaps another,
// and nothing but padding lies between them or after them.
Result<GgufFile> parse_gguf(std::span<const std::byte> bytes, std::string_view where,
                            const GgufLimits& limits = {});

}  // namespace jiang
