#include "ops/packed_matrix.h"

#include <algorithm>
#include <cstring>

#include "base/check.h"
#include "quant/block_io.h"
#include "quant/codebook_blocks.h"
#include "quant/k_blocks.h"
#include "quant/linear_blocks.h"

namespace jiang {
namespace {

using kernels::kGroupBlocks;
using kernels::kLineBytes;
using kernels::kPanelRows;
using kernels::Packed;
using kernels::Scales;

// What one row contributes to one group of up to 256 k: a code per weight as kernels/packed.h
// defines it, and the scales, of which a layout uses those that its header has.
struct GroupRow {
  uint8_t codes[256];
  f16_bits d[8], m[8];     // per 32; per 256 formats use [0]
  uint8_t sc[16], mn[16];  // integer scales and minima (sc may hold an int8)
};

// Blocks of 32: `take` reads one of them into codes and the scales of block b.
template <class Block, class Take>
void take_blocks(GroupRow& row, const std::byte* from, int n_blocks, Take take) {
  for (int b = 0; b < n_blocks; ++b) {
    const auto block = load_block<Block>(from, b);
    uint8_t* codes = row.codes + b * kSimpleBlock;
    take(codes, block);
    row.d[b] = block.d;
    if constexpr (requires { block.m; }) row.m[b] = block.m;
  }
}

void take_q8_0(GroupRow& row, const std::byte* from, int n) {
  take_blocks<BlockQ8_0>(row, from, n, [](uint8_t* codes, const BlockQ8_0& block) {
    for (int j = 0; j < kSimpleBlock; ++j) codes[j] = static_cast<uint8_t>(block.qs[j] + 128);
  });
}

void take_q5_0(GroupRow& row, const std::byte* from, int n) {
  take_blocks<BlockQ5_0>(row, from, n, [](uint8_t* codes, const BlockQ5_0& block) {
    unpack_codes(codes, block);
    for (int j = 0; j < kSimpleBlock; ++j) codes[j] = static_cast<uint8_t>(codes[j] - 16 + 128);
  });
}

// Q4_0, Q4_1, Q5_1, IQ4_NL: codes as they are.
template <class Block>
void take_plain(GroupRow& row, const std::byte* from, int n) {
  take_blocks<Block>(row, from, n,
                     [](uint8_t* codes, const Block& block) { unpack_codes(codes, block); });
}

void take_mxfp4(GroupRow& row, const std::byte* from, int n) {
  for (int b = 0; b < n; ++b) {
    const auto block = load_block<BlockMXFP4>(from, b);
    unpack_nibbles(row.codes + b * kSimpleBlock, block.qs);
    row.d[b] = f32_to_bf16(mxfp4_scale(block.e));  // a power of two: exact
  }
}

// Q4_K, Q5_K
template <class Block>
void take_k32(GroupRow& row, const std::byte* from, int) {
  const auto block = load_block<Block>(from, 0);
  unpack_codes(row.codes, block);
  unpack_scales_mins(row.sc, row.mn, block.scales);
  row.d[0] = block.d;
  row.m[0] = block.dmin;
}

void take_q6_k(GroupRow& row, const std::byte* from, int) {
  const auto block = load_block<BlockQ6_K>(from, 0);
  unpack_codes(row.codes, block);
  std::memcpy(row.sc, block.scales, sizeof row.sc);
  row.d[0] = block.d;
}

void take_q3_k(GroupRow& row, const std::byte* from, int) {
  const auto block = load_block<BlockQ3_K>(from, 0);
  unpack_codes(row.codes, block);
  for (uint8_t& code : row.codes) code = static_cast<uint8_t>(code - 4 + 32);
  unpack_scales_q3(row.sc, block.scales);
  for (uint8_t& sc : row.sc) sc = static_cast<uint8_t>(sc - 32);
  row.d[0] = block.d;
}

void take_q2_k(GroupRow& row, const std::byte* from, int) {
  const auto block = load_block<BlockQ2_K>(from, 0);
  unpack_codes(row.codes, block);
  for (int s = 0; s < 16; ++s) {
    row.sc[s] = block.scales[s] & 15;
    row.mn[s] = block.scales[s] >> 4;
  }
  row.d[0] = block.d;
  row.m[0] = block.dmin;
}

void take_iq4_xs(GroupRow& row, const std::byte* from, int) {
  const auto block = load_block<BlockIQ4_XS>(from, 0);
  for (int s = 0; s < 8; ++s) {
    unpack_nibbles(row.codes + s * kSimpleBlock, block.qs + 16 * s);
    row.sc[s] = static_cast<uint8_t>(iq4_xs_scale(block, s));
  }
  row.d[0] = block.d;
}

struct Import {
  Packed layout;
  int32_t block_size;
  int32_t block_bytes;
  void (*take)(GroupRow& row, const std::byte* from, int n_blocks);  // nullptr: floats
};

// In the order of Format.
constexpr Import kImports[kFormatCount] = {
    {Packed::f32, 1, 4, nullptr},
    {Packed::f16, 1, 2, nullptr},
    {Packed::bf16, 1, 2, nullptr},
    {Packed::q8_0, 32, sizeof(BlockQ8_0), take_q8_0},
    {Packed::q4_0, 32, sizeof(BlockQ4_0), take_plain<BlockQ4_0>},
    {Packed::q4_1, 32, sizeof(BlockQ4_1), take_plain<BlockQ4_1>},
    {Packed::q8_0, 32, sizeof(BlockQ5_0), take_q5_0},
    {Packed::q5_1, 32, sizeof(BlockQ5_1), take_plain<BlockQ5_1>},
    {Packed::q2_k, 256, sizeof(BlockQ2_K), take_q2_k},
    {Packed::q3_k, 256, sizeof(BlockQ3_K), take_q3_k},
    {Packed::q4_k, 256, sizeof(BlockQ4_K), take_k32<BlockQ4_K>},
    {Packed::q5_k, 256, sizeof(BlockQ5_K), take_k32<BlockQ5_K>},
    {Packed::q6_k, 256, sizeof(BlockQ6_K), take_q6_k},
    {Packed::iq4_nl, 32, sizeof(BlockIQ4_NL), take_plain<BlockIQ4_NL>},
    {Packed::iq4_xs, 256, sizeof(BlockIQ4_XS), take_iq4_xs},
    {Packed::mxfp4, 32, sizeof(BlockMXFP4), take_mxfp4},
};

uint32_t load_u32(const uint8_t* from) {
  uint32_t value;
  std::memcpy(&value, from, sizeof value);
  return value;
}
void store_u32(uint8_t* to, uint32_t value) { std::memcpy(to, &value, sizeof value); }

// The 32 codes of row r, four bytes at a time: no step mixes the bytes of a word.
void put_codes(uint8_t* block, int lines, int r, const uint8_t* codes) {
  constexpr uint32_t kNibbles = 0x0f0f0f0f, kPairs = 0x03030303;
  uint8_t* at = block + r * 4;
  if (lines == 8) {
    for (int s = 0; s < 8; ++s) store_u32(at + s * kLineBytes, load_u32(codes + 4 * s));
    return;
  }
  for (int n = 0; n < 4; ++n) {
    const uint32_t low = load_u32(codes + 8 * n), high = load_u32(codes + 8 * n + 4);
    store_u32(at + n * kLineBytes, (low & kNibbles) | (high & kNibbles) << 4);
  }
  if (lines == 4) return;
  for (int h = 0; h < 2; ++h) {
    uint32_t word = 0;
    for (int i = 0; i < 4; ++i) word |= (load_u32(codes + 16 * h + 4 * i) >> 4 & kPairs) << (2 * i);
    store_u32(at + (4 + h) * kLineBytes, word);
  }
}

void put_u16(uint8_t* header, int index, uint16_t value) {
  std::memcpy(header + index * 2, &value, 2);
}

// Writes row r of a group. The memory was zero.
void put_scales(uint8_t* header, Scales scales, int n_blocks, int r, const GroupRow& row) {
  if (scales == Scales::f16 || scales == Scales::bf16) {
    for (int b = 0; b < n_blocks; ++b) put_u16(header, b * 16 + r, row.d[b]);
  } else if (scales == Scales::f16_min) {
    for (int b = 0; b < n_blocks; ++b) {
      put_u16(header, b * 32 + r, row.d[b]);
      put_u16(header, b * 32 + 16 + r, row.m[b]);
    }
  } else {
    const bool has_min = scales == Scales::k32_min || scales == Scales::k16_min;
    const int n = scales == Scales::k16 || scales == Scales::k16_min ? 16 : 8;
    put_u16(header, r, row.d[0]);
    if (has_min) put_u16(header, 16 + r, row.m[0]);
    uint8_t* sc = header + (has_min ? 64 : 32);
    for (int i = 0; i < n; ++i) sc[i * 16 + r] = row.sc[i];
    for (int i = 0; has_min && i < n; ++i) sc[(n + i) * 16 + r] = row.mn[i];
  }
}

void pack_integer_panel(std::byte* panel, const Import& import, const std::byte* rows,
                        int64_t n_rows, int64_t cols) {
  const int lines = kernels::code_lines(import.layout);
  const Scales scales = kernels::scales_of(import.layout);
  const int64_t row_bytes = cols / import.block_size * import.block_bytes;
  GroupRow row;
  for (int64_t k = 0; k < cols; k += kSimpleBlock * kGroupBlocks) {
    const int n_blocks =
        static_cast<int>(std::min<int64_t>(kGroupBlocks, (cols - k) / kSimpleBlock));
    auto* header = reinterpret_cast<uint8_t*>(panel);
    uint8_t* codes = header + kernels::header_bytes(scales, n_blocks);
    for (int r = 0; r < n_rows; ++r) {
      import.take(row, rows + r * row_bytes + k / import.block_size * import.block_bytes, n_blocks);
      put_scales(header, scales, n_blocks, r, row);
      for (int b = 0; b < n_blocks; ++b)
        put_codes(codes + b * lines * kLineBytes, lines, r, row.codes + b * kSimpleBlock);
    }
    panel += kernels::header_bytes(scales, n_blocks) + n_blocks * lines * kLineBytes;
  }
}

template <class T>
void pack_float_panel(std::byte* panel, const std::byte* rows, int64_t n_rows, int64_t cols) {
  for (int64_t r = 0; r < n_rows; ++r) {
    for (int64_t k = 0; k < cols; ++k) {
      std::memcpy(panel + (k * kPanelRows + r) * static_cast<int64_t>(sizeof(T)),
                  rows + (r * cols + k) * static_cast<int64_t>(sizeof(T)), sizeof(T));
    }
  }
}

}  // namespace

size_t PackedMatrix::bytes_of(Format format, int64_t rows, int64_t cols) {
  const int64_t n_panels = (rows + kPanelRows - 1) / kPanelRows;
  const Packed layout = kImports[static_cast<size_t>(format)].layout;
  return static_cast<size_t>(n_panels * kernels::panel_bytes(layout, cols));
}

PackedMatrix PackedMatrix::over(Format format, int64_t rows, int64_t cols, const std::byte* packed,
                                std::shared_ptr<const void> owner) {
  JIANG_CHECK(reinterpret_cast<uintptr_t>(packed) % kLineBytes == 0, "packed weights are aligned");
  PackedMatrix matrix;
  matrix.format_ = format;
  matrix.layout_ = kImports[static_cast<size_t>(format)].layout;
  matrix.rows_ = rows;
  matrix.cols_ = cols;
  matrix.mapped_ = packed;
  matrix.owner_ = std::move(owner);
  return matrix;
}

PackedMatrix PackedMatrix::pack(const WeightMatrix& weights, ThreadPool& pool) {
  const Import& import = kImports[static_cast<size_t>(weights.format)];
  JIANG_CHECK(weights.cols % import.block_size == 0, "rows are whole blocks");
  PackedMatrix packed;
  packed.format_ = weights.format;
  packed.layout_ = import.layout;
  packed.rows_ = weights.rows;
  packed.cols_ = weights.cols;
  const int64_t n_panels = (weights.rows + kPanelRows - 1) / kPanelRows;
  const int64_t panel_bytes = kernels::panel_bytes(import.layout, weights.cols);
  packed.storage_ = AlignedBuffer(packed.bytes());

  const int64_t row_bytes = weights.cols / import.block_size * import.block_bytes;
  pool.parallel_for(static_cast<size_t>(n_panels), 1, [&](size_t begin, size_t end) {
    for (auto p = static_cast<int64_t>(begin); p < static_cast<int64_t>(end); ++p) {
      std::byte* panel = packed.storage_.data() + p * panel_bytes;
      const std::byte* rows = weights.data + p * kPanelRows * row_bytes;
      const int64_t n_rows = std::min<int64_t>(kPanelRows, weights.rows - p * kPanelRows);
      if (import.take) {
        pack_integer_panel(panel, import, rows, n_rows, weights.cols);
      } else if (import.layout == Packed::f32) {
        pack_float_panel<uint32_t>(panel, rows, n_rows, weights.cols);
      } else {
        pack_float_panel<uint16_t>(panel, rows, n_rows, weights.cols);
      }
    }
  });
  return packed;
}

}  // namespace jiang
