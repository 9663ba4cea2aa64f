// The writers of the formats: how large an error may be, what odd rows become.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "quant/weight_format.h"

namespace jiang {
namespace {

using Row = std::vector<float>;

std::vector<const WeightFormat*> block_formats() {
  std::vector<const WeightFormat*> formats;
  for (const WeightFormat& format : weight_formats()) {
    if (format.block_size > 1) formats.push_back(&format);
  }
  return formats;
}

Row round_trip(const WeightFormat& format, const Row& x, const float* importance = nullptr) {
  const auto n = static_cast<int64_t>(x.size());
  // One byte off alignment and one byte beyond, which must stay as it is.
  std::vector<unsigned char> bytes(static_cast<size_t>(*format.row_bytes(n)) + 2, 0xee);
  format.quantize(bytes.data() + 1, x.data(), n, importance);
  EXPECT_EQ(bytes.front(), 0xee);
  EXPECT_EQ(bytes.back(), 0xee);
  Row out(x.size());
  format.dequantize(out.data(), bytes.data() + 1, n);
  return out;
}

double relative_mse(const Row& x, const Row& y) {
  double error = 0, power = 0;
  for (size_t i = 0; i < x.size(); ++i) {
    error += (double{x[i]} - y[i]) * (double{x[i]} - y[i]);
    power += double{x[i]} * x[i];
  }
  return error / power;
}

// What the quantisers minimise, relative to zeros: errors count by sqrt(sigma^2 + x^2).
double relative_weighted_error(const Row& x, const Row& y) {
  double sigma2 = 0, error = 0, power = 0;
  for (const float v : x) sigma2 += double{v} * v / static_cast<double>(x.size());
  for (size_t i = 0; i < x.size(); ++i) {
    const double w = std::sqrt(sigma2 + double{x[i]} * x[i]);
    error += w * (double{x[i]} - y[i]) * (double{x[i]} - y[i]);
    power += w * x[i] * x[i];
  }
  return error / power;
}

enum class Kind { gauss, heavy_tails, outliers, one_sided };
Row random_row(Kind kind, size_t n, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  std::student_t_distribution<float> student(4);
  Row x(n);
  for (size_t i = 0; i < n; ++i) {
    x[i] = 0.02f * (kind == Kind::heavy_tails ? student(random) : normal(random));
    if (kind == Kind::outliers && i % 97 == 0) x[i] *= 30;
    if (kind == Kind::one_sided) x[i] = std::fabs(x[i]) + 0.05f;
  }
  return x;
}

// Plain rounding: the scale (and minimum) that just holds the block's extremes, sub-block scales
// rounded to the format's whole numbers.
struct Plain {
  int sub_block, low, high;  // codes
  bool has_min;
  int most_scale;  // 0: the scale is not a multiple of anything
};
Plain plain_rounding(Format id) {
  switch (id) {
    case Format::q8_0:
      return {32, -127, 127, false, 0};
    case Format::q4_0:
      return {32, -8, 7, false, 0};
    case Format::q4_1:
      return {32, 0, 15, true, 0};
    case Format::q5_0:
      return {32, -16, 15, false, 0};
    case Format::q5_1:
      return {32, 0, 31, true, 0};
    case Format::q2_k:
      return {16, 0, 3, true, 15};
    case Format::q3_k:
      return {16, -4, 3, false, 31};
    case Format::q4_k:
      return {32, 0, 15, true, 63};
    case Format::q5_k:
      return {32, 0, 31, true, 63};
    case Format::q6_k:
      return {16, -32, 31, false, 127};
    default:
      return {32, -8, 7, false, 0};  // codebooks are compared with q4_0
  }
}

Row round_plainly(const Plain& plain, const Row& x) {
  const auto sub = static_cast<size_t>(plain.sub_block);
  const size_t super = plain.most_scale ? 256 : sub;
  Row out(x.size());
  for (size_t from = 0; from < x.size(); from += super) {
    std::vector<float> scales, mins;
    float most_scale = 0, most_min = 0;
    for (size_t s = from; s < from + super; s += sub) {
      float low = 0, high = x[s], peak = 0;
      if (plain.most_scale == 0) low = x[s];
      for (size_t i = s; i < s + sub; ++i) {
        low = std::min(low, x[i]);
        high = std::max(high, x[i]);
        if (std::fabs(x[i]) > std::fabs(peak)) peak = x[i];
      }
      const float edge =
          plain.low == -plain.high ? std::fabs(peak) / 127 : peak / static_cast<float>(plain.low);
      scales.push_back(plain.has_min ? (high - low) / static_cast<float>(plain.high) : edge);
      mins.push_back(plain.has_min ? -low : 0);
      if (std::fabs(scales.back()) > std::fabs(most_scale)) most_scale = scales.back();
      most_min = std::max(most_min, mins.back());
    }
    for (size_t s = 0; s < super / sub; ++s) {
      float scale = scales[s], min = mins[s];
      if (plain.most_scale) {
        const float unit = most_scale / static_cast<float>(plain.most_scale);
        const float min_unit = most_min / static_cast<float>(plain.most_scale);
        scale = unit != 0 ? std::round(scale / unit) * unit : 0;
        min = min_unit != 0 ? std::round(min / min_unit) * min_unit : 0;
      }
      for (size_t i = from + s * sub; i < from + (s + 1) * sub; ++i) {
        const float code = scale != 0 ? std::round((x[i] + min) / scale) : 0;
        out[i] = scale * std::clamp(code, static_cast<float>(plain.low),
                                    static_cast<float>(plain.high)) -
                 min;
      }
    }
  }
  return out;
}

TEST(Quantize, IsNeverWorseThanPlainRounding) {
  for (const WeightFormat* format : block_formats()) {
    // Powers of two for scales cost MXFP4 more than its codebook gains.
    if (format->id == Format::mxfp4) continue;
    const Plain plain = plain_rounding(format->id);
    for (const Kind kind : {Kind::gauss, Kind::heavy_tails, Kind::outliers, Kind::one_sided}) {
      const bool is_codebook = format->id == Format::iq4_nl || format->id == Format::iq4_xs;
      if (is_codebook && kind == Kind::one_sided) continue;  // the codebook's coarse ends
      for (unsigned seed = 0; seed < 3; ++seed) {
        const Row x = random_row(kind, 2048, seed);
        const Row ours = round_trip(*format, x), theirs = round_plainly(plain, x);
        EXPECT_LE(relative_weighted_error(x, ours), relative_weighted_error(x, theirs))
            << format->name << " kind " << static_cast<int>(kind) << " seed " << seed;
        if (kind == Kind::outliers) continue;  // there the plain square error is another goal
        EXPECT_LE(relative_mse(x, ours), relative_mse(x, theirs))
            << format->name << " kind " << static_cast<int>(kind) << " seed " << seed;
      }
    }
  }
}

// For Gaussian weights plain rounding to 2^b levels over the +-2.1 sigma that 32 weights span has
// an error of about (4.2 / 2^b)^2 / 12; a search must come below it. MXFP4: see above.
TEST(Quantize, ErrorOnGaussianRowsIsThatOfItsBits) {
  const struct {
    Format id;
    double bound;
  } kBounds[] = {{Format::q8_0, 2.5e-5}, {Format::q4_0, 6.9e-3},   {Format::q4_1, 5.2e-3},
                 {Format::q5_0, 1.7e-3}, {Format::q5_1, 1.3e-3},   {Format::q2_k, 7.3e-2},
                 {Format::q3_k, 2.2e-2}, {Format::q4_k, 5.2e-3},   {Format::q5_k, 1.3e-3},
                 {Format::q6_k, 2.9e-4}, {Format::iq4_nl, 5.7e-3}, {Format::iq4_xs, 5.7e-3},
                 {Format::mxfp4, 1.3e-2}};
  const Row x = random_row(Kind::gauss, 32768, 7);
  for (const auto& [id, bound] : kBounds) {
    const double error = relative_mse(x, round_trip(weight_format(id), x));
    EXPECT_LT(error, bound) << weight_format(id).name;
    EXPECT_GT(error, bound / 2) << weight_format(id).name << ": too good to be true";
  }
}

TEST(Quantize, NumbersOnTheGridComeBackExactly) {
  std::mt19937 random(3);
  for (const Format id :
       {Format::q8_0, Format::q4_0, Format::q5_0, Format::q4_1, Format::q5_1, Format::mxfp4}) {
    const Plain plain = plain_rounding(id);
    Row x(256);
    for (size_t i = 0; i < x.size(); ++i) {
      const int span = plain.high - plain.low + 1;
      int code = plain.low + static_cast<int>(random() % static_cast<unsigned>(span));
      if (i % 32 == 5) code = plain.low;
      if (i % 32 == 9) code = plain.high;
      if (id == Format::mxfp4) code = (code % 5) * 2;
      x[i] = static_cast<float>(code) * 0.125f + (plain.has_min ? -1.5f : 0);
    }
    EXPECT_EQ(round_trip(weight_format(id), x), x) << weight_format(id).name;
  }
}

TEST(Quantize, ZeroRowsStayZero) {
  for (const WeightFormat& format : weight_formats()) {
    EXPECT_EQ(round_trip(format, Row(512, 0.0f)), Row(512, 0.0f)) << format.name;
  }
}

TEST(Quantize, ConstantRowsKeepTheirValue) {
  for (const WeightFormat* format : block_formats()) {
    for (const float value : {0.37f, -0.37f, 1000.0f, -0.01f}) {
      const Row y = round_trip(*format, Row(256, value));
      // Powers of two times the codebook: at worst half way between 4 and 6.
      const double bound = format->id == Format::mxfp4  ? 0.2
                           : format->id == Format::q2_k ? 0.03
                                                        : 0.004;
      for (const float v : y) ASSERT_NEAR(v, value, std::fabs(value) * bound) << format->name;
    }
  }
}

TEST(Quantize, OddNumbersGiveDefinedFiniteRows) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const float inf = std::numeric_limits<float>::infinity();
  const float most = std::numeric_limits<float>::max();
  const float tiny = std::numeric_limits<float>::denorm_min();
  for (const WeightFormat* format : block_formats()) {
    for (const float odd : {nan, inf, -inf, most, -most, tiny, -tiny}) {
      Row x = random_row(Kind::gauss, 256, 1);
      x[17] = odd;
      for (const float v : round_trip(*format, x))
        ASSERT_TRUE(std::isfinite(v)) << format->name << " " << odd;
      for (const float v : round_trip(*format, Row(256, odd))) {
        ASSERT_TRUE(std::isfinite(v)) << format->name << " all " << odd;
      }
    }
    // NaN counts as zero.
    Row with_nan = random_row(Kind::gauss, 256, 1), with_zero = with_nan;
    with_nan[3] = nan;
    with_zero[3] = 0;
    EXPECT_EQ(round_trip(*format, with_nan), round_trip(*format, with_zero)) << format->name;
    // All NaN is all zero; all infinite is all +-65504 as well as the format can.
    EXPECT_EQ(round_trip(*format, Row(256, nan)), Row(256, 0.0f)) << format->name;
    for (const float v : round_trip(*format, Row(256, -inf))) {
      ASSERT_NEAR(v, -65504, 65504 * 0.2) << format->name;
    }
  }
}

// f16 scales have a last bit of 2^-24; smaller weights become zero or one such step, never noise.
TEST(Quantize, TinyRowsLoseAtMostTheLastBitOfTheScale) {
  for (const WeightFormat* format : block_formats()) {
    for (const float size : {1e-3f, 1e-5f, 1e-6f, 3e-8f, 1e-20f, 1e-42f}) {
      Row x = random_row(Kind::gauss, 256, 4);
      for (float& v : x) v *= size / 0.02f;
      const Row y = round_trip(*format, x);
      for (size_t i = 0; i < x.size(); ++i) {
        ASSERT_LE(std::fabs(y[i] - x[i]), std::fabs(x[i]) + size + 0x1p-24f)
            << format->name << " " << size;
      }
      // As in any block, the whole row is no worse than zeros.
      if (size < 1e-30f) continue;  // squares vanish
      EXPECT_LE(relative_mse(x, y), 1.0) << format->name << " " << size;
    }
  }
}

TEST(Quantize, ImportanceMovesTheErrorToWhereItMattersLess) {
  for (const WeightFormat* format : block_formats()) {
    if (format->id == Format::mxfp4) continue;  // one of four scales: too coarse to show it
    const Row x = random_row(Kind::heavy_tails, 4096, 5);
    Row importance(x.size());
    for (size_t i = 0; i < x.size(); ++i) importance[i] = i % 8 == 0 ? 1.0f : 1e-3f;
    auto important_error = [&](const Row& y) {
      double error = 0;
      for (size_t i = 0; i < x.size(); i += 8) error += std::pow(double{x[i]} - y[i], 2);
      return error;
    };
    EXPECT_LT(important_error(round_trip(*format, x, importance.data())),
              0.9 * important_error(round_trip(*format, x)))
        << format->name;
  }
}

TEST(Quantize, ImportanceOnlyMattersRelatively) {
  const Row x = random_row(Kind::gauss, 512, 6);
  const Row none(x.size(), 0.0f), same(x.size(), 3.0f), vast(x.size(), 1e38f),
      least(x.size(), 1e-40f);
  for (const WeightFormat* format : block_formats()) {
    const Row without = round_trip(*format, x);
    EXPECT_EQ(round_trip(*format, x, none.data()), without) << format->name;
    for (const Row* row : {&same, &vast, &least}) {
      EXPECT_NEAR(relative_mse(x, round_trip(*format, x, row->data())), relative_mse(x, without),
                  0.02 * relative_mse(x, without))
          << format->name;
    }
  }
}

// FNV-1a over the blocks of a row made of integers: what one machine writes, every machine writes.
TEST(Quantize, BytesAreTheSameOnEveryMachine) {
  std::mt19937 random(12);
  Row x(1024), importance(1024);
  for (size_t i = 0; i < x.size(); ++i) {
    x[i] = (static_cast<float>(random() >> 8) - static_cast<float>(random() >> 8)) * 0x1p-28f;
    importance[i] = static_cast<float>(random() >> 8) * 0x1p-20f;
  }
  const struct {
    Format id;
    uint64_t plain, weighed;
  } kExpected[] = {
      {Format::q8_0, 0x50c23016990f0aa, 0xeb8950221298af1},
      {Format::q4_0, 0x520c1b104a6f0c2c, 0x3c8686bcfe6e82a2},
      {Format::q4_1, 0x7aace9d801f43f63, 0xb63f2f72ded89039},
      {Format::q5_0, 0x8e9c2d3fc1b640ba, 0x32c33ba24084ffb8},
      {Format::q5_1, 0x8b8ee134ca5b9e1c, 0xc20d66f7ce66d7ad},
      {Format::q2_k, 0x612fb4de854587e4, 0x517a599c5614078d},
      {Format::q3_k, 0xa2f8091227f349ad, 0x512ab47509322210},
      {Format::q4_k, 0xb75b9a9499b71ceb, 0x884e163e56294ddf},
      {Format::q5_k, 0x168030124aaf4d0f, 0x2e6091650236caa3},
      {Format::q6_k, 0x51fb2f87ca425a29, 0xb4bb017d728609e3},
      {Format::iq4_nl, 0xe8163ec654c25f01, 0xfd596ba92d6face6},
      {Format::iq4_xs, 0xcc1d47833da27f29, 0x5832e0197aea8032},
      {Format::mxfp4, 0xdf2dfea2744ef0fc, 0xdf2dfea2744ef0fc},
  };
  for (const auto& [id, plain, weighed] : kExpected) {
    const WeightFormat& format = weight_format(id);
    uint64_t hashes[2];
    for (const bool has_importance : {false, true}) {
      std::vector<unsigned char> bytes(*format.row_bytes(1024));
      format.quantize(bytes.data(), x.data(), 1024, has_importance ? importance.data() : nullptr);
      uint64_t hash = 0xcbf29ce484222325;
      for (const unsigned char byte : bytes) hash = (hash ^ byte) * 0x100000001b3;
      hashes[has_importance] = hash;
    }
    EXPECT_EQ(hashes[0], plain) << format.name << std::hex << " 0x" << hashes[0];
    EXPECT_EQ(hashes[1], weighed) << format.name << std::hex << " 0x" << hashes[1];
  }
}

TEST(Dequantize, TakesAnyBytes) {
  std::mt19937 random(9);
  std::vector<unsigned char> bytes(1024 + 2);
  for (const WeightFormat& format : weight_formats()) {
    for (int round = 0; round < 20; ++round) {
      for (auto& byte : bytes) byte = static_cast<unsigned char>(random());
      Row out(256);
      format.dequantize(out.data(), bytes.data() + round % 3, 256);  // must not crash or overflow
    }
  }
}

}  // namespace
}  // namespace jiang
