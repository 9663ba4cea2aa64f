// WeightFormat: what a format of weights is and how its bytes turn into floats and back. One row
// per format in formats.cpp; nothing else in the program switches over formats.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"

namespace jiang {

class ColumnProducts;

enum class Format : uint8_t {
  f32,
  f16,
  bf16,
  q8_0,
  q4_0,
  q4_1,
  q5_0,
  q5_1,
  q2_k,
  q3_k,
  q4_k,
  q5_k,
  q6_k,
  iq4_nl,
  iq4_xs,
  mxfp4,
};
inline constexpr int kFormatCount = 16;

struct WeightFormat {
  Format id;
  const char* name;    // "q4_0", as on the command line
  uint32_t ggml_type;  // its number in GGUF files
  int32_t block_size;  // weights per block
  int32_t block_bytes;

  // n weights, n a multiple of block_size. Exact: these define what the format means.
  void (*dequantize)(float* out, const void* blocks, int64_t n);
  // One row of n weights with a search for the scales of least weighted error. `importance` (n), or
  // nullptr, is the mean square of the activation that each weight meets. nullptr if jiang
  // cannot write the format.
  void (*quantize)(void* out, const float* x, int64_t n, const float* importance);

  // Chooses codes and scales of a quantised row anew, so that the errors of columns that move
  // together make up for each other. `blocks` (n weights) is what quantize() found for x (n); of
  // that and what is found, the one of less r H r^T is kept. nullptr: the format has no such
  // search.
  void (*compensate)(void* blocks, const float* x, int64_t n, const ColumnProducts& products);

  bool is_float() const { return block_size == 1; }
  double bits_per_weight() const { return 8.0 * block_bytes / block_size; }
  // Bytes of a row of `cols` weights; nullopt if block_size does not divide it.
  std::optional<uint64_t> row_bytes(int64_t cols) const;
};

std::span<const WeightFormat> weight_formats();  // in the order of Format
const WeightFormat& weight_format(Format id);
const WeightFormat* find_weight_format(std::string_view name);  // any case
const WeightFormat* find_ggml_type(uint32_t ggml_type);
// The name of any ggml type number, also of those that jiang cannot read; "type 99" beyond.
std::string ggml_type_name(uint32_t ggml_type);

}  // namespace jiang
