// Matmuls and the rounding of activations at every ISA level that the CPU has, against the scalar
// ones: layout, shape, slices, codes, scales and activations come from the bytes.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <vector>

#include "kernels/table.h"

namespace {

using namespace jiang::kernels;

// The input, again and again, a little different each time, so that a short one fills a matrix.
class Bytes {
 public:
  Bytes(const uint8_t* data, size_t size) : data_(data), size_(size) {}

  uint8_t next() {
    const auto round = static_cast<uint8_t>(at_ / size_ * 151);
    return static_cast<uint8_t>(data_[at_++ % size_] + round);
  }
  int64_t within(int64_t low, int64_t high) { return low + next() % (high - low + 1); }

 private:
  const uint8_t* data_;
  size_t size_;
  size_t at_ = 0;
};

struct Free {
  void operator()(uint8_t* memory) const { std::free(memory); }
};
typedef std::unique_ptr<uint8_t, Free> Aligned;

Aligned aligned(int64_t n) {
  const auto rounded = static_cast<size_t>((n + 63) / 64 * 64);
  Aligned memory(static_cast<uint8_t*>(std::aligned_alloc(64, rounded)));
  std::memset(memory.get(), 0, rounded);
  return memory;
}

// Codes of the 8-bit layouts are limited; everything else may be any bits.
Aligned make_panels(Packed kind, int64_t rows, int64_t cols, Bytes& bytes) {
  const int64_t n_panels = (rows + kPanelRows - 1) / kPanelRows;
  Aligned panels = aligned(n_panels * panel_bytes(kind, cols));
  uint8_t* at = panels.get();
  for (int64_t p = 0; p < n_panels; ++p) {
    for (int64_t left = cols / kBlock; left > 0; left -= kGroupBlocks) {
      const int64_t n = std::min<int64_t>(left, kGroupBlocks);
      const int64_t header = header_bytes(scales_of(kind), n),
                    codes = n * code_lines(kind) * kLineBytes;
      for (int64_t i = 0; i < header; ++i) *at++ = bytes.next();
      for (int64_t i = 0; i < codes; ++i)
        *at++ = static_cast<uint8_t>(bytes.next() & largest_code(kind));
    }
  }
  return panels;
}

// A float of any kind, most of them ordinary.
float make_float(Bytes& bytes) {
  const uint8_t form = bytes.next();
  const float small = static_cast<float>(static_cast<int8_t>(bytes.next())) / 16;
  if (form < 240) return small;
  const uint32_t bits = uint32_t{form} << 27 ^ uint32_t { bytes.next() } << 20 ^ bytes.next();
  float any;
  std::memcpy(&any, &bits, 4);
  return any;
}

void expect_same(const std::vector<float>& a, const std::vector<float>& b) {
  for (size_t i = 0; i < a.size(); ++i) {
    if (std::isnan(a[i]) && std::isnan(b[i])) continue;  // which NaN is the instruction's choice
    if (std::memcmp(&a[i], &b[i], 4) != 0) std::abort();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 8) return 0;
  Bytes bytes(data, size);
  const auto kind =
      static_cast<Packed>(bytes.within(static_cast<int64_t>(Packed::q4_0), kPackedCount - 1));
  const bool whole_groups = scales_of(kind) >= Scales::k32;
  const int64_t rows = bytes.within(1, 37);
  const int64_t cols = whole_groups ? 256 * bytes.within(1, 3) : kBlock * bytes.within(1, 19);
  const int n_tokens = static_cast<int>(bytes.within(1, kTileTokens));
  const int64_t slice = bytes.next() % 2 ? cols : 256;
  const Aligned panels = make_panels(kind, rows, cols, bytes);

  const int64_t x_bytes = cols / kBlock * n_tokens * static_cast<int64_t>(sizeof(ActivationBlock));
  const Aligned x = aligned(x_bytes);
  std::vector<float> row(static_cast<size_t>(cols));
  for (int t = 0; t < n_tokens; ++t) {
    for (float& value : row) value = make_float(bytes);
    const auto quantize_to = [&](const Table& table, uint8_t* to) {
      table.quantize(reinterpret_cast<ActivationBlock*>(to) + t, n_tokens, row.data(), cols);
    };
    quantize_to(*table_of(Level::scalar), x.get());
    for (int level = 1; level < kLevelCount; ++level) {
      const Table* table = table_of(static_cast<Level>(level));
      if (!table) continue;
      const Aligned other = aligned(x_bytes);
      std::memcpy(other.get(), x.get(), static_cast<size_t>(x_bytes));
      quantize_to(*table, other.get());
      if (std::memcmp(other.get(), x.get(), static_cast<size_t>(x_bytes)) != 0) std::abort();
    }
  }

  std::vector<float> expected;
  for (int level = 0; level < kLevelCount; ++level) {
    const Table* table = table_of(static_cast<Level>(level));
    if (!table) continue;
    std::vector<float> out(static_cast<size_t>(n_tokens * rows), -7.0f);
    for (int64_t k = 0; k < cols; k += slice) {
      const MatmulTile tile = {
          .out = out.data(),
          .out_stride = rows,
          .x = x.get() + k / kBlock * n_tokens * static_cast<int64_t>(sizeof(ActivationBlock)),
          .panels = panels.get() + panel_bytes(kind, k),
          .panel_bytes = panel_bytes(kind, cols),
          .cols = std::min(slice, cols - k),
          .n_rows = rows,
          .n_tokens = n_tokens,
          .resume = k > 0};
      table->matmul[static_cast<int>(kind)](&tile);
    }
    if (level == 0) expected = out;
    expect_same(expected, out);
    // All tokens of a tile, where the level takes them together.
    const auto tiles = table->matmul_tiles[static_cast<int>(kind)];
    if (!tiles || n_tokens != kTileTokens) continue;
    std::fill(out.begin(), out.end(), -7.0f);
    const MatmulTile tile = {.out = out.data(),
                             .out_stride = rows,
                             .x = x.get(),
                             .panels = panels.get(),
                             .panel_bytes = panel_bytes(kind, cols),
                             .cols = cols,
                             .n_rows = rows,
                             .n_tokens = n_tokens,
                             .resume = false,
                             .tile_bytes = x_bytes};
    tiles(&tile);
    expect_same(expected, out);
  }
  return 0;
}
