// The table, the 16-bit floats, and what the bytes of each format mean.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <vector>

#include "kernels/blocks.h"
#include "quant/float16.h"
#include "quant/weight_format.h"
#include "quant/weight_matrix.h"

namespace jiang {
namespace {

TEST(Float16, EveryHalfSurvivesTheRoundTrip) {
  for (uint32_t bits = 0; bits < 0x10000; ++bits) {
    const auto half = static_cast<uint16_t>(bits);
    const float value = f16_to_f32(half);
    if (std::isnan(value)) {
      EXPECT_TRUE(std::isnan(f16_to_f32(f32_to_f16(value))));
    } else {
      ASSERT_EQ(f32_to_f16(value), half) << std::hex << bits;
    }
  }
}

TEST(Float16, RoundsToNearestAndTiesToEven) {
  // Between neighbours: everything below the middle goes down, above goes up, the middle to even.
  for (uint32_t bits = 0; bits < 0x7bff; ++bits) {
    const float low = f16_to_f32(static_cast<uint16_t>(bits));
    const float high = f16_to_f32(static_cast<uint16_t>(bits + 1));
    const float middle = low + (high - low) / 2;  // exact: 11 bits of 24
    const uint32_t even = bits % 2 == 0 ? bits : bits + 1;
    ASSERT_EQ(f32_to_f16(middle), even) << bits;
    ASSERT_EQ(f32_to_f16(std::nextafter(middle, low)), bits) << bits;
    ASSERT_EQ(f32_to_f16(std::nextafter(middle, high)), bits + 1) << bits;
  }
}

TEST(Float16, KnownValues) {
  EXPECT_EQ(f32_to_f16(1.0f), 0x3c00);
  EXPECT_EQ(f32_to_f16(-2.0f), 0xc000);
  EXPECT_EQ(f32_to_f16(65504.0f), 0x7bff);
  EXPECT_EQ(f32_to_f16(65519.996f), 0x7bff);
  EXPECT_EQ(f32_to_f16(65520.0f), 0x7c00);
  EXPECT_EQ(f32_to_f16(0x1p-24f), 0x0001);
  EXPECT_EQ(f32_to_f16(0x1p-25f), 0x0000);  // a tie, to even
  EXPECT_EQ(f32_to_f16(-0.0f), 0x8000);
  EXPECT_EQ(f32_to_f16(std::numeric_limits<float>::infinity()), 0x7c00);
  EXPECT_EQ(f16_to_f32(0x0001), 0x1p-24f);
  EXPECT_EQ(f16_to_f32(0xfc00), -std::numeric_limits<float>::infinity());
  EXPECT_TRUE(std::isnan(f16_to_f32(0x7c01)));
}

TEST(Bfloat16, RoundTripsAndRoundsToEven) {
  for (uint32_t bits = 0; bits < 0x10000; ++bits) {
    const float value = bf16_to_f32(static_cast<uint16_t>(bits));
    if (std::isnan(value)) continue;
    ASSERT_EQ(f32_to_bf16(value), bits);
  }
  EXPECT_EQ(f32_to_bf16(std::bit_cast<float>(0x3f808000u)), 0x3f80);
  EXPECT_EQ(f32_to_bf16(std::bit_cast<float>(0x3f818000u)), 0x3f82);
  EXPECT_EQ(f32_to_bf16(std::bit_cast<float>(0x3f808001u)), 0x3f81);
  EXPECT_EQ(f32_to_bf16(std::numeric_limits<float>::max()), 0x7f80);
  EXPECT_TRUE(std::isnan(bf16_to_f32(f32_to_bf16(std::bit_cast<float>(0x7f800001u)))));
}

TEST(Formats, AreFoundByNameAndNumber) {
  ASSERT_EQ(weight_formats().size(), static_cast<size_t>(kFormatCount));
  for (const WeightFormat& format : weight_formats()) {
    EXPECT_EQ(find_weight_format(format.name), &format);
    EXPECT_EQ(find_ggml_type(format.ggml_type), &format);
    EXPECT_EQ(&weight_format(format.id), &format);
    EXPECT_EQ(ggml_type_name(format.ggml_type), format.name);
  }
  EXPECT_EQ(find_weight_format("Q4_K"), &weight_format(Format::q4_k));
  EXPECT_EQ(find_weight_format("q4_2"), nullptr);
  EXPECT_EQ(find_weight_format(""), nullptr);
  EXPECT_EQ(find_ggml_type(16), nullptr);
  EXPECT_EQ(ggml_type_name(16), "iq2_xxs");
  EXPECT_EQ(ggml_type_name(12345), "type 12345");
}

TEST(Formats, RowBytesNeedWholeBlocks) {
  EXPECT_EQ(weight_format(Format::q4_k).row_bytes(512), 288u);
  EXPECT_EQ(weight_format(Format::q4_k).row_bytes(896), std::nullopt);
  EXPECT_EQ(weight_format(Format::q4_0).row_bytes(896), 504u);
  EXPECT_EQ(weight_format(Format::q4_0).row_bytes(-32), std::nullopt);
  EXPECT_EQ(weight_format(Format::f32).row_bytes(0), 0u);
  EXPECT_DOUBLE_EQ(weight_format(Format::q4_k).bits_per_weight(), 4.5);
  EXPECT_DOUBLE_EQ(weight_format(Format::iq4_xs).bits_per_weight(), 4.25);
}

// Blocks of random bytes with sane scales, read by formulas written out per weight: the layouts
// as the GGUF files of llama.cpp have them, one weight at a time.
class Layout : public testing::Test {
 protected:
  template <class Block>
  std::vector<unsigned char> random_blocks(int count) {
    std::vector<unsigned char> bytes(sizeof(Block) * static_cast<size_t>(count) + 1);
    for (auto& byte : bytes) byte = static_cast<unsigned char>(random_());
    return bytes;
  }
  // Blocks lie one byte off alignment, as they may in a file.
  template <class Block, class Fix, class Value>
  void check(Format id, Fix&& fix, Value&& value) {
    constexpr int kCount = 3;
    const WeightFormat& format = weight_format(id);
    ASSERT_EQ(static_cast<size_t>(format.block_bytes), sizeof(Block));
    auto bytes = random_blocks<Block>(kCount);
    Block blocks[kCount];
    for (int b = 0; b < kCount; ++b) {
      std::memcpy(&blocks[b], bytes.data() + 1 + sizeof(Block) * static_cast<size_t>(b),
                  sizeof(Block));
      fix(blocks[b]);
      std::memcpy(bytes.data() + 1 + sizeof(Block) * static_cast<size_t>(b), &blocks[b],
                  sizeof(Block));
    }
    std::vector<float> out(static_cast<size_t>(kCount * format.block_size));
    format.dequantize(out.data(), bytes.data() + 1, static_cast<int64_t>(out.size()));
    for (int b = 0; b < kCount; ++b) {
      for (int i = 0; i < format.block_size; ++i) {
        const float found = out[static_cast<size_t>(b * format.block_size + i)];
        ASSERT_EQ(found, value(blocks[b], i)) << format.name << " block " << b << " weight " << i;
      }
    }
  }
  std::mt19937 random_{1};
};

uint16_t half(float value) { return f32_to_f16(value); }

TEST_F(Layout, SimpleBlocks) {
  check<BlockQ8_0>(
      Format::q8_0, [](auto& b) { b.d = half(0.5f); },
      [](const auto& b, int i) { return b.qs[i] * 0.5f; });
  auto nibble = [](const uint8_t* qs, int i) { return i < 16 ? qs[i] & 15 : qs[i - 16] >> 4; };
  auto high = [](const uint8_t* qh, int i) {
    uint32_t word = 0;
    std::memcpy(&word, qh, 4);
    return static_cast<int>(word >> i & 1) << 4;
  };
  check<BlockQ4_0>(
      Format::q4_0, [](auto& b) { b.d = half(-0.25f); },
      [&](const auto& b, int i) { return (nibble(b.qs, i) - 8) * -0.25f; });
  check<BlockQ4_1>(
      Format::q4_1, [](auto& b) { b.d = half(0.25f), b.m = half(-3.5f); },
      [&](const auto& b, int i) { return nibble(b.qs, i) * 0.25f - 3.5f; });
  check<BlockQ5_0>(
      Format::q5_0, [](auto& b) { b.d = half(2.0f); },
      [&](const auto& b, int i) { return ((nibble(b.qs, i) | high(b.qh, i)) - 16) * 2.0f; });
  check<BlockQ5_1>(
      Format::q5_1, [](auto& b) { b.d = half(2.0f), b.m = half(0.75f); },
      [&](const auto& b, int i) { return (nibble(b.qs, i) | high(b.qh, i)) * 2.0f + 0.75f; });
  check<BlockIQ4_NL>(
      Format::iq4_nl, [](auto& b) { b.d = half(0.125f); },
      [&](const auto& b, int i) { return kCodebookIq4nl[nibble(b.qs, i)] * 0.125f; });
  check<BlockMXFP4>(
      Format::mxfp4, [](auto& b) { b.e = static_cast<uint8_t>(b.e % 200 + 1); },
      [&](const auto& b, int i) {
        return std::ldexp(static_cast<float>(kCodebookMxfp4[nibble(b.qs, i)]), b.e - 128);
      });
}

// The scale and minimum of sub-block j of Q4_K and Q5_K.
void scale_min_k4(int j, const uint8_t* q, int* scale, int* min) {
  *scale = j < 4 ? q[j] & 63 : (q[j + 4] & 15) | (q[j - 4] >> 6) << 4;
  *min = j < 4 ? q[j + 4] & 63 : (q[j + 4] >> 4) | (q[j] >> 6) << 4;
}

TEST_F(Layout, SuperBlocks) {
  auto fix = [](auto& b) {
    b.d = half(0.5f);
    if constexpr (requires { b.dmin; }) b.dmin = half(0.25f);
  };
  check<BlockQ2_K>(Format::q2_k, fix, [](const auto& b, int i) {
    const int code = b.qs[i / 128 * 32 + i % 32] >> (2 * (i % 128 / 32)) & 3;
    return 0.5f * (b.scales[i / 16] & 15) * code - 0.25f * (b.scales[i / 16] >> 4);
  });
  check<BlockQ3_K>(Format::q3_k, fix, [](const auto& b, int i) {
    const int s = i / 16;
    const int low = s < 8 ? b.scales[s] & 15 : b.scales[s - 8] >> 4;
    const int scale = (low | (b.scales[8 + s % 4] >> (2 * (s / 4)) & 3) << 4) - 32;
    int code = b.qs[i / 128 * 32 + i % 32] >> (2 * (i % 128 / 32)) & 3;
    if (!(b.hmask[i % 32] & 1 << i / 32)) code -= 4;
    return 0.5f * static_cast<float>(scale) * static_cast<float>(code);
  });
  check<BlockQ4_K>(Format::q4_k, fix, [](const auto& b, int i) {
    int scale = 0, min = 0;
    scale_min_k4(i / 32, b.scales, &scale, &min);
    const int byte = b.qs[i / 64 * 32 + i % 32];
    return 0.5f * scale * (i % 64 < 32 ? byte & 15 : byte >> 4) - 0.25f * min;
  });
  check<BlockQ5_K>(Format::q5_k, fix, [](const auto& b, int i) {
    int scale = 0, min = 0;
    scale_min_k4(i / 32, b.scales, &scale, &min);
    const int byte = b.qs[i / 64 * 32 + i % 32];
    const int code = (i % 64 < 32 ? byte & 15 : byte >> 4) + (b.qh[i % 32] >> (i / 32) & 1) * 16;
    return 0.5f * scale * code - 0.25f * min;
  });
  check<BlockQ6_K>(Format::q6_k, fix, [](const auto& b, int i) {
    const int half_of_block = i / 128, part = i % 128 / 32, l = i % 32;
    const int byte = b.ql[64 * half_of_block + 32 * (part % 2) + l];
    const int low = part < 2 ? byte & 15 : byte >> 4;
    const int code = (low | (b.qh[32 * half_of_block + l] >> (2 * part) & 3) << 4) - 32;
    return 0.5f * b.scales[i / 16] * static_cast<float>(code);
  });
  check<BlockIQ4_XS>(Format::iq4_xs, fix, [](const auto& b, int i) {
    const int s = i / 32;
    const int scale =
        ((b.scales_l[s / 2] >> (4 * (s % 2)) & 15) | (b.scales_h >> (2 * s) & 3) << 4) - 32;
    const int byte = b.qs[16 * s + i % 16];
    return 0.5f * static_cast<float>(scale) * kCodebookIq4nl[i % 32 < 16 ? byte & 15 : byte >> 4];
  });
}

TEST(WeightMatrix, RowsAreDequantisedOneByOne) {
  const uint16_t halves[] = {half(1), half(2), half(3), half(4)};
  const WeightMatrix matrix{Format::f16, 2, 2, reinterpret_cast<const std::byte*>(halves)};
  float row[2];
  matrix.dequantize_row(1, row);
  EXPECT_EQ(row[0], 3.0f);
  EXPECT_EQ(row[1], 4.0f);
}

}  // namespace
}  // namespace jiang
