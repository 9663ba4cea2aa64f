// The way back from packed panels to floats (kernels/packed.h has the layouts): gradients that pass
// through frozen weights need the weights' columns, which no packed kernel multiplies by.
#include <algorithm>
#include <cstring>

#include "base/check.h"
#include "kernels/blocks.h"
#include "ops/packed_matrix.h"
#include "quant/float16.h"

namespace jiang {
namespace {

using kernels::kBlock;
using kernels::kGroupBlocks;
using kernels::kLineBytes;
using kernels::kPanelRows;
using kernels::Packed;
using kernels::Scales;

uint16_t get_u16(const uint8_t* header, int index) {
  uint16_t value;
  std::memcpy(&value, header + index * 2, 2);
  return value;
}

// The code of row r at k of a block, as packed.h defines it.
int code_at(const uint8_t* block, int lines, int r, int k) {
  if (lines == 8) return block[k / 4 * kLineBytes + r * 4 + k % 4];
  const uint8_t pair = block[k / 8 * kLineBytes + r * 4 + k % 4];
  const int nibble = k % 8 < 4 ? pair & 15 : pair >> 4;
  if (lines == 4) return nibble;
  const uint8_t high = block[(4 + k / 16) * kLineBytes + r * 4 + k % 4];
  return nibble | (high >> (2 * (k % 16 / 4)) & 3) << 4;
}

// What code 0, 1, 2 ... of the layout counts for.
int level_of(Packed layout, int code) {
  switch (layout) {
    case Packed::q4_0:
      return code - 8;
    case Packed::iq4_nl:
    case Packed::iq4_xs:
      return kCodebookIq4nl[code];
    case Packed::mxfp4:
      return kCodebookMxfp4[code];
    case Packed::q6_k:
    case Packed::q3_k:
      return code - 32;
    case Packed::q8_0:
      return code - 128;
    default:
      return code;
  }
}

struct Scale {
  float d, m;  // value = level * d + m
};

// Of row r at k of a group of n blocks.
Scale scale_at(const uint8_t* header, Scales scales, int r, int k) {
  const int b = k / kBlock;
  switch (scales) {
    case Scales::f16:
      return {f16_to_f32(get_u16(header, b * 16 + r)), 0};
    case Scales::bf16:
      return {bf16_to_f32(get_u16(header, b * 16 + r)), 0};
    case Scales::f16_min:
      return {f16_to_f32(get_u16(header, b * 32 + r)),
              f16_to_f32(get_u16(header, b * 32 + 16 + r))};
    default:
      break;
  }
  const bool has_min = scales == Scales::k32_min || scales == Scales::k16_min;
  const int n = scales == Scales::k16 || scales == Scales::k16_min ? 16 : 8;
  const int i = k / (256 / n);
  const uint8_t* sc = header + (has_min ? 64 : 32);
  const float d = f16_to_f32(get_u16(header, r));
  if (!has_min) return {d * static_cast<float>(static_cast<int8_t>(sc[i * 16 + r])), 0};
  const float dmin = f16_to_f32(get_u16(header, 16 + r));
  return {d * static_cast<float>(sc[i * 16 + r]), -dmin * static_cast<float>(sc[(n + i) * 16 + r])};
}

void unpack_integer_panel(TensorView out, const std::byte* panel, Packed layout) {
  const int lines = kernels::code_lines(layout);
  const Scales scales = kernels::scales_of(layout);
  float levels[256];
  for (int code = 0; code < (lines == 8 ? 256 : lines == 6 ? 64 : 16); ++code)
    levels[code] = static_cast<float>(level_of(layout, code));
  constexpr int kScaleRun = 16;  // weights that share a scale in every format
  for (int64_t first = 0; first < out.cols; first += kBlock * kGroupBlocks) {
    const int n_blocks =
        static_cast<int>(std::min<int64_t>(kGroupBlocks, (out.cols - first) / kBlock));
    const auto* header = reinterpret_cast<const uint8_t*>(panel);
    const uint8_t* codes = header + kernels::header_bytes(scales, n_blocks);
    for (int r = 0; r < out.rows; ++r) {
      float* to = out.row(r) + first;
      for (int k = 0; k < n_blocks * kBlock; k += kScaleRun) {
        const Scale scale = scale_at(header, scales, r, k);
        const uint8_t* block = codes + k / kBlock * lines * kLineBytes;
        for (int j = 0; j < kScaleRun; ++j)
          to[k + j] = levels[code_at(block, lines, r, k % kBlock + j)] * scale.d + scale.m;
      }
    }
    panel += kernels::header_bytes(scales, n_blocks) + n_blocks * lines * kLineBytes;
  }
}

}  // namespace

void PackedMatrix::unpack_rows(TensorView out, int64_t first) const {
  JIANG_CHECK(first % kPanelRows == 0 && first + out.rows <= rows_ && out.cols == cols_,
              "whole panels of this matrix");
  const int64_t panel_bytes = kernels::panel_bytes(layout_, cols_);
  for (int64_t row = 0; row < out.rows; row += kPanelRows) {
    const std::byte* panel = storage_.data() + (first + row) / kPanelRows * panel_bytes;
    const TensorView part = out.rows_from(row, std::min<int64_t>(kPanelRows, out.rows - row));
    if (!kernels::is_float_kind(layout_)) {
      unpack_integer_panel(part, panel, layout_);
      continue;
    }
    for (int64_t r = 0; r < part.rows; ++r) {
      for (int64_t k = 0; k < cols_; ++k) {
        const int64_t index = k * kPanelRows + r;
        if (layout_ == Packed::f32) {
          std::memcpy(part.row(r) + k, panel + index * 4, 4);
          continue;
        }
        uint16_t bits;
        std::memcpy(&bits, panel + index * 2, 2);
        part.row(r)[k] = layout_ == Packed::f16 ? f16_to_f32(bits) : bf16_to_f32(bits);
      }
    }
  }
}

}  // namespace jiang
