// Matmul over every format and ISA level, against floats and against itself.
#include "ops/matmul.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <random>
#include <vector>

#include "kernels/blocks.h"
#include "kernels/table.h"

namespace jiang {
namespace {

// Bytes of a random matrix of any format: random codes, scales of ordinary size.
struct RandomMatrix {
  std::vector<std::byte> bytes;
  WeightMatrix view;

  RandomMatrix(Format format, int64_t rows, int64_t cols, uint32_t seed) {
    const WeightFormat& f = weight_format(format);
    view = {.format = format, .rows = rows, .cols = cols, .data = nullptr};
    bytes.resize(static_cast<size_t>(rows) * *f.row_bytes(cols));
    std::mt19937 random(seed);
    for (std::byte& b : bytes) b = static_cast<std::byte>(random());
    fix_scales(f, random);
    view.data = bytes.data();
  }

 private:
  // Replaces what would be read as a scale: random bits would be infinities now and then.
  void fix_scales(const WeightFormat& f, std::mt19937& random) {
    std::uniform_real_distribution<float> uniform(-0.05f, 0.05f);
    const auto put_f16 = [&](size_t at) {
      // Sign, an exponent that means 2^-8 .. 2^-5, any mantissa.
      const uint32_t r = random();
      const auto half =
          static_cast<uint16_t>((r & 0x8000) | (7 + (r >> 20 & 3)) << 10 | (r & 0x3ff));
      std::memcpy(&bytes[at], &half, 2);
    };
    for (size_t at = 0; at < bytes.size(); at += static_cast<size_t>(f.block_bytes)) {
      const float value = uniform(random);
      uint32_t bits;
      std::memcpy(&bits, &value, 4);
      const auto bf16 = static_cast<uint16_t>(bits >> 16);
      switch (f.id) {
        case Format::f32:
          std::memcpy(&bytes[at], &value, 4);
          break;
        case Format::bf16:
          std::memcpy(&bytes[at], &bf16, 2);
          break;
        case Format::f16:
          put_f16(at);
          break;
        case Format::q4_1:
        case Format::q5_1:
        case Format::q4_k:
        case Format::q5_k:
          put_f16(at), put_f16(at + 2);
          break;
        case Format::q2_k:
          put_f16(at + 80), put_f16(at + 82);
          break;
        case Format::q3_k:
          put_f16(at + 108);
          break;
        case Format::q6_k:
          put_f16(at + 208);
          break;
        case Format::mxfp4:
          bytes[at] = static_cast<std::byte>(118 + random() % 4);
          break;
        default:
          put_f16(at);
          break;
      }
    }
  }
};

Tensor random_tensor(int64_t rows, int64_t cols, uint32_t seed) {
  Tensor x(rows, cols);
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  for (int64_t i = 0; i < rows * cols; ++i) x.view().data[i] = normal(random);
  return x;
}

Tensor multiply(TensorView x, const PackedMatrix& weights, ThreadPool& pool,
                std::span<const float> bias = {}) {
  Tensor out(x.rows, weights.rows());
  const ActivationKind kind = activation_kind(weights);
  const AlignedBuffer memory(prepared_bytes(kind, x.rows, x.cols));
  matmul(out.view(), prepare_activations(kind, x, memory.data(), pool), weights, bias, pool);
  return out;
}

int64_t test_cols(Format format) {
  const int block = weight_format(format).block_size;
  return block == 1 ? 77 : block == 32 ? 32 * 11 : 512;
}

class MatmulOf : public testing::TestWithParam<Format> {};

// The products are formed from x rounded to 8 bits (integer kinds): each of the 32 activations of
// a block is off by at most scale / 2, and scale = amax / 127.
TEST_P(MatmulOf, AgreesWithDequantisedWeights) {
  ThreadPool pool(2);
  const int64_t rows = 37, cols = test_cols(GetParam()), tokens = 5;
  const RandomMatrix weights(GetParam(), rows, cols, 1);
  const Tensor x = random_tensor(tokens, cols, 2);
  const PackedMatrix packed = PackedMatrix::pack(weights.view, pool);
  const Tensor out = multiply(x.view(), packed, pool);
  const bool is_int8 = activation_kind(packed) == ActivationKind::int8;
  std::vector<float> w(static_cast<size_t>(cols));
  for (int64_t r = 0; r < rows; ++r) {
    weights.view.dequantize_row(r, w.data());
    for (int64_t t = 0; t < tokens; ++t) {
      const float* a = x.view().row(t);
      double expected = 0, bound = 0;
      for (int64_t k = 0; k < cols; ++k) {
        const double wk = w[static_cast<size_t>(k)];
        float amax = 0;
        for (int64_t i = k / 32 * 32; is_int8 && i < k / 32 * 32 + 32; ++i)
          amax = std::max(amax, std::fabs(a[i]));
        expected += wk * a[k];
        // Rounding to 8 bits, and float sums of cols terms.
        bound += std::fabs(wk) *
                 (amax / 127 * 0.5001 + std::fabs(a[k]) * 1.2e-7 * static_cast<double>(cols));
        // A minimum and its codes cancel in part: the codes' own magnitude rounds too.
        bound += is_int8 ? 1e-5 * std::fabs(a[k]) : 0;
      }
      ASSERT_NEAR(out.view().row(t)[r], expected, bound) << "row " << r << " token " << t;
    }
  }
}

// Decision 5: a token's result depends on nothing but the token.
TEST_P(MatmulOf, RowIsTheSameForAnyBatchAndThreadCount) {
  const int64_t rows = 100, cols = test_cols(GetParam());
  const RandomMatrix weights(GetParam(), rows, cols, 3);
  const Tensor x = random_tensor(40, cols, 4);
  ThreadPool one(1);
  const PackedMatrix packed = PackedMatrix::pack(weights.view, one);
  std::vector<Tensor> alone;
  for (int64_t t = 0; t < 40; ++t) alone.push_back(multiply(x.view().rows_from(t, 1), packed, one));
  for (const int n_threads : {1, 2, 3, 4}) {
    ThreadPool pool(n_threads);
    for (const int64_t m :
         {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 31, 33, 40}) {
      const int64_t first = (40 - m) / 2;
      const Tensor out = multiply(x.view().rows_from(first, m), packed, pool);
      for (int64_t t = 0; t < m; ++t) {
        ASSERT_EQ(std::memcmp(out.view().row(t), alone[static_cast<size_t>(first + t)].view().data,
                              static_cast<size_t>(rows) * sizeof(float)),
                  0)
            << n_threads << " threads, " << m << " tokens, token " << t;
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(EveryFormat, MatmulOf,
                         testing::Values(Format::f32, Format::f16, Format::bf16, Format::q8_0,
                                         Format::q4_0, Format::q4_1, Format::q5_0, Format::q5_1,
                                         Format::q2_k, Format::q3_k, Format::q4_k, Format::q5_k,
                                         Format::q6_k, Format::iq4_nl, Format::iq4_xs,
                                         Format::mxfp4),
                         [](const auto& format) {
                           return std::string(weight_format(format.param).name);
                         });

TEST(Matmul, ManySharesActivationsAndAddsBiases) {
  ThreadPool pool(3);
  const RandomMatrix a(Format::q4_0, 50, 256, 1), b(Format::q6_k, 16, 256, 2),
      c(Format::q8_0, 7, 256, 3);
  const Tensor x = random_tensor(19, 256, 4);
  const PackedMatrix pa = PackedMatrix::pack(a.view, pool), pb = PackedMatrix::pack(b.view, pool),
                     pc = PackedMatrix::pack(c.view, pool);
  std::vector<float> bias(16);
  for (size_t i = 0; i < bias.size(); ++i) bias[i] = static_cast<float>(i);
  Tensor oa(19, 50), ob(19, 16), oc(19, 7);
  const Projection projections[] = {
      {oa.view(), &pa, {}}, {ob.view(), &pb, bias}, {oc.view(), &pc, {}}};
  const AlignedBuffer memory(prepared_bytes(ActivationKind::int8, 19, 256));
  matmul_many(projections, prepare_activations(ActivationKind::int8, x.view(), memory.data(), pool),
              pool);
  const Tensor ea = multiply(x.view(), pa, pool), eb = multiply(x.view(), pb, pool),
               ec = multiply(x.view(), pc, pool);
  EXPECT_EQ(std::memcmp(oa.view().data, ea.view().data, 19 * 50 * 4), 0);
  EXPECT_EQ(std::memcmp(oc.view().data, ec.view().data, 19 * 7 * 4), 0);
  for (int64_t t = 0; t < 19; ++t) {
    for (int64_t r = 0; r < 16; ++r)
      EXPECT_EQ(ob.view().row(t)[r], eb.view().row(t)[r] + bias[static_cast<size_t>(r)]);
  }
}

TEST(Matmul, OutputMayBeColumnsOfAWiderTensor) {
  ThreadPool pool(2);
  const RandomMatrix weights(Format::q4_0, 21, 64, 1);
  const PackedMatrix packed = PackedMatrix::pack(weights.view, pool);
  const Tensor x = random_tensor(3, 64, 2), expected = multiply(x.view(), packed, pool);
  Tensor wide(3, 40);
  for (int64_t i = 0; i < 3 * 40; ++i) wide.view().data[i] = -7;
  const AlignedBuffer memory(prepared_bytes(ActivationKind::int8, 3, 64));
  matmul(wide.view().columns(5, 21),
         prepare_activations(ActivationKind::int8, x.view(), memory.data(), pool), packed, {},
         pool);
  for (int64_t t = 0; t < 3; ++t) {
    for (int64_t c = 0; c < 40; ++c) {
      EXPECT_EQ(wide.view().row(t)[c], c >= 5 && c < 26 ? expected.view().row(t)[c - 5] : -7);
    }
  }
}

TEST(Matmul, NonFiniteActivationsShowInTheResult) {
  ThreadPool pool(1);
  const RandomMatrix weights(Format::q4_0, 20, 64, 1);
  const PackedMatrix packed = PackedMatrix::pack(weights.view, pool);
  for (const float bad : {INFINITY, -INFINITY, NAN}) {
    Tensor x = random_tensor(2, 64, 2);
    x.view().row(1)[40] = bad;
    const Tensor out = multiply(x.view(), packed, pool);
    for (int64_t r = 0; r < 20; ++r) {
      EXPECT_TRUE(std::isfinite(out.view().row(0)[r]));
      EXPECT_FALSE(std::isfinite(out.view().row(1)[r]));
    }
  }
}

}  // namespace
}  // namespace jiang
