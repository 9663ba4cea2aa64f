#include <algorithm>
#include <array>
#include <cctype>
#include <string>

#include "base/check.h"
#include "base/checked.h"
#include "quant/codecs.h"
#include "quant/weight_format.h"

namespace jiang {
namespace {

// clang-format off
constexpr std::array<WeightFormat, kFormatCount> kFormats = {{
    {Format::f32,    "f32",     0,   1,   4, dequantize_f32,    quantize_f32,    nullptr},
    {Format::f16,    "f16",     1,   1,   2, dequantize_f16,    quantize_f16,    nullptr},
    {Format::bf16,   "bf16",   30,   1,   2, dequantize_bf16,   quantize_bf16,   nullptr},
    {Format::q8_0,   "q8_0",    8,  32,  34, dequantize_q8_0,   quantize_q8_0,   nullptr},
    {Format::q4_0,   "q4_0",    2,  32,  18, dequantize_q4_0,   quantize_q4_0,   compensate_q4_0},
    {Format::q4_1,   "q4_1",    3,  32,  20, dequantize_q4_1,   quantize_q4_1,   compensate_q4_1},
    {Format::q5_0,   "q5_0",    6,  32,  22, dequantize_q5_0,   quantize_q5_0,   compensate_q5_0},
    {Format::q5_1,   "q5_1",    7,  32,  24, dequantize_q5_1,   quantize_q5_1,   compensate_q5_1},
    {Format::q2_k,   "q2_k",   10, 256,  84, dequantize_q2_k,   quantize_q2_k,   compensate_q2_k},
    {Format::q3_k,   "q3_k",   11, 256, 110, dequantize_q3_k,   quantize_q3_k,   compensate_q3_k},
    {Format::q4_k,   "q4_k",   12, 256, 144, dequantize_q4_k,   quantize_q4_k,   compensate_q4_k},
    {Format::q5_k,   "q5_k",   13, 256, 176, dequantize_q5_k,   quantize_q5_k,   compensate_q5_k},
    {Format::q6_k,   "q6_k",   14, 256, 210, dequantize_q6_k,   quantize_q6_k,   compensate_q6_k},
    {Format::iq4_nl, "iq4_nl", 20,  32,  18, dequantize_iq4_nl, quantize_iq4_nl, compensate_iq4_nl},
    {Format::iq4_xs, "iq4_xs", 23, 256, 136, dequantize_iq4_xs, quantize_iq4_xs, compensate_iq4_xs},
    {Format::mxfp4,  "mxfp4",  39,  32,  17, dequantize_mxfp4,  quantize_mxfp4,  nullptr},
}};
// clang-format on

constexpr bool is_in_order() {
  for (size_t i = 0; i < kFormats.size(); ++i) {
    if (kFormats[i].id != static_cast<Format>(i)) return false;
  }
  return true;
}
static_assert(is_in_order(), "rows stand in the order of enum Format");

// Names of the numbers in ggml.h, also of types that are gone or that jiang does not read.
struct TypeName {
  uint32_t ggml_type;
  const char* name;
};
constexpr TypeName kOtherTypes[] = {
    {4, "q4_2"},    {5, "q4_3"},        {9, "q8_1"},        {15, "q8_k"},       {16, "iq2_xxs"},
    {17, "iq2_xs"}, {18, "iq3_xxs"},    {19, "iq1_s"},      {21, "iq3_s"},      {22, "iq2_s"},
    {24, "i8"},     {25, "i16"},        {26, "i32"},        {27, "i64"},        {28, "f64"},
    {29, "iq1_m"},  {31, "q4_0_4_4"},   {32, "q4_0_4_8"},   {33, "q4_0_8_8"},   {34, "tq1_0"},
    {35, "tq2_0"},  {36, "iq4_nl_4_4"}, {37, "iq4_nl_4_8"}, {38, "iq4_nl_8_8"}, {40, "nvfp4"},
};

bool equal_any_case(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](unsigned char x, unsigned char y) {
    return std::tolower(x) == std::tolower(y);
  });
}

}  // namespace

std::optional<uint64_t> WeightFormat::row_bytes(int64_t cols) const {
  if (cols < 0 || cols % block_size != 0) return std::nullopt;
  return checked_mul(static_cast<uint64_t>(cols / block_size), static_cast<uint64_t>(block_bytes));
}

std::span<const WeightFormat> weight_formats() { return kFormats; }

const WeightFormat& weight_format(Format id) {
  const auto i = static_cast<size_t>(id);
  JIANG_CHECK(i < kFormats.size(), "no such weight format: " + std::to_string(i));
  return kFormats[i];
}

const WeightFormat* find_weight_format(std::string_view name) {
  for (const WeightFormat& format : kFormats) {
    if (equal_any_case(format.name, name)) return &format;
  }
  return nullptr;
}

const WeightFormat* find_ggml_type(uint32_t ggml_type) {
  for (const WeightFormat& format : kFormats) {
    if (format.ggml_type == ggml_type) return &format;
  }
  return nullptr;
}

std::string ggml_type_name(uint32_t ggml_type) {
  if (const WeightFormat* format = find_ggml_type(ggml_type)) return format->name;
  for (const TypeName& type : kOtherTypes) {
    if (type.ggml_type == ggml_type) return type.name;
  }
  return "type " + std::to_string(ggml_type);
}

}  // namespace jiang
