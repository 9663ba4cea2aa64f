// Every row kernel of every level this machine has, against the scalar one, at every tail length.
#include "kernels/rows.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include "kernels/table.h"

namespace jiang::kernels {
namespace {

using Values = std::vector<float>;

Values random_values(size_t n, uint32_t seed, float scale = 3) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(0, scale);
  Values values(n);
  for (float& value : values) value = normal(random);
  return values;
}

// |a - b| <= relative * |b| + absolute, NaN equal to NaN.
void expect_close(const Values& a, const Values& b, float relative, float absolute) {
  ASSERT_EQ(a.size(), b.size());
  for (size_t i = 0; i < a.size(); ++i) {
    if (std::isnan(b[i])) {
      EXPECT_TRUE(std::isnan(a[i])) << i;
    } else {
      ASSERT_LE(std::abs(a[i] - b[i]), relative * std::abs(b[i]) + absolute)
          << "element " << i << " of " << a.size();
    }
  }
}

class Rows : public ::testing::TestWithParam<Level> {
 protected:
  void SetUp() override {
    rows_ = row_table_of(GetParam());
    if (!rows_) GTEST_SKIP() << "this CPU has no " << level_name(GetParam());
  }
  const RowTable& scalar() const { return *row_table_of(Level::scalar); }
  const RowTable* rows_ = nullptr;
};

INSTANTIATE_TEST_SUITE_P(Levels, Rows,
                         ::testing::Values(Level::avx2, Level::avx_vnni, Level::avx512,
                                           Level::avx512_vnni));

// One operation is good to 2^-24; a vector exp to 2 ulp, and sums of n terms to n / 8 roundings in
// lanes.
constexpr float kUlp = 6e-8f;

TEST_P(Rows, ElementwiseAgreeAtEveryLength) {
  for (size_t n = 1; n <= 70; ++n) {
    const Values x = random_values(n, static_cast<uint32_t>(n));
    const Values y = random_values(n, static_cast<uint32_t>(n) + 1000);
    const auto length = static_cast<int64_t>(n);
    Values a(n), b(n);
    const auto unary = [&](auto kernel) {
      (rows_->*kernel)(a.data(), x.data(), length);
      (scalar().*kernel)(b.data(), x.data(), length);
      expect_close(a, b, 16 * kUlp, 8 * kUlp);
    };
    unary(&RowTable::silu);
    unary(&RowTable::gelu_tanh);
    unary(&RowTable::gelu_erf);
    const auto binary = [&](auto kernel) {
      (rows_->*kernel)(a.data(), x.data(), y.data(), length);
      (scalar().*kernel)(b.data(), x.data(), y.data(), length);
      expect_close(a, b, 16 * kUlp, 32 * kUlp);
    };
    binary(&RowTable::silu_mul);
    binary(&RowTable::gelu_tanh_mul);
    rows_->softcap(a.data(), x.data(), length, 30.0f);
    scalar().softcap(b.data(), x.data(), length, 30.0f);
    expect_close(a, b, 16 * kUlp, 30 * 4 * kUlp);
  }
}

TEST_P(Rows, NormsAgreeAtEveryLength) {
  for (size_t n = 1; n <= 70; ++n) {
    const Values x = random_values(n, static_cast<uint32_t>(n));
    const Values w = random_values(n, 5, 1);
    const Values bias = random_values(n, 6, 1);
    const auto length = static_cast<int64_t>(n);
    Values a(n), b(n);
    rows_->rms_norm(a.data(), x.data(), w.data(), length, 1e-6f);
    scalar().rms_norm(b.data(), x.data(), w.data(), length, 1e-6f);
    expect_close(a, b, 16 * kUlp, 0);
    rows_->layer_norm(a.data(), x.data(), w.data(), bias.data(), length, 1e-2f);
    scalar().layer_norm(b.data(), x.data(), w.data(), bias.data(), length, 1e-2f);
    expect_close(a, b, 64 * kUlp, 64 * kUlp);
  }
}

TEST_P(Rows, RopeAgreesAtEveryLength) {
  for (size_t n = 1; n <= 40; ++n) {
    const Values x = random_values(2 * n, static_cast<uint32_t>(n));
    Values cos(n), sin(n), a(2 * n), b(2 * n);
    for (size_t i = 0; i < n; ++i) {
      cos[i] = std::cos(0.3f * static_cast<float>(i));
      sin[i] = std::sin(0.3f * static_cast<float>(i));
    }
    for (const auto kernel : {&RowTable::rope_halves, &RowTable::rope_pairs}) {
      (rows_->*kernel)(a.data(), x.data(), cos.data(), sin.data(), static_cast<int64_t>(n));
      (scalar().*kernel)(b.data(), x.data(), cos.data(), sin.data(), static_cast<int64_t>(n));
      EXPECT_EQ(a, b);  // two products and a sum, in the same order
    }
  }
}

TEST_P(Rows, HalfPrecisionRoundsAlike) {
  std::vector<float> x = {0.0f,           -0.0f,          1.0f,
                          65504.0f,       65519.0f,       65520.0f,
                          1e-8f,          6e-8f,          5.97e-8f,
                          -3.1e-5f,       1e30f,          std::numeric_limits<float>::infinity(),
                          -1.0009765625f, 1.00048828125f, 1.00146484375f};
  const Values more = random_values(1000, 9, 100);
  x.insert(x.end(), more.begin(), more.end());
  std::vector<uint16_t> a(x.size()), b(x.size());
  rows_->f32_to_f16(a.data(), x.data(), static_cast<int64_t>(x.size()));
  scalar().f32_to_f16(b.data(), x.data(), static_cast<int64_t>(x.size()));
  EXPECT_EQ(a, b);
}

// One block with several queries, each with its own visible range, then a second block on top.
struct AttentionCase {
  int32_t head_dim, n_queries;
  float softcap;
};

enum class Kept { f32, f16, int8 };

void run_attention(const RowTable& rows, const AttentionCase& c, Kept kept, bool one_by_one,
                   Values& out, Values& sums) {
  const auto head_dim = static_cast<size_t>(c.head_dim);
  const auto n = static_cast<size_t>(c.n_queries);
  const Values q = random_values(n * head_dim, 1, 1);
  out.assign(n * head_dim, 0);
  std::vector<AttentionQuery> queries(n);
  for (size_t i = 0; i < n; ++i) {
    queries[i] = {q.data() + i * head_dim, out.data() + i * head_dim, -INFINITY, 0, 0, 0};
  }
  for (uint32_t b = 0; b < 3; ++b) {
    const Values k = random_values(head_dim * kAttentionBlock, 10 + b, 1);
    const Values v = random_values(head_dim * kAttentionBlock, 20 + b, 1);
    std::vector<uint16_t> k16(k.size()), v16(v.size());
    rows.f32_to_f16(k16.data(), k.data(), static_cast<int64_t>(k.size()));
    rows.f32_to_f16(v16.data(), v.data(), static_cast<int64_t>(v.size()));
    // Codes of a whole range, and a scale of its own for every token and 32 dimensions.
    std::vector<int8_t> k8(k.size()), v8(v.size());
    for (size_t i = 0; i < k.size(); ++i) {
      k8[i] = static_cast<int8_t>(k[i] * 127);
      v8[i] = static_cast<int8_t>(v[i] * 127);
    }
    const size_t n_scales = (head_dim + kKvScaleDims - 1) / kKvScaleDims * kAttentionBlock;
    std::vector<uint16_t> scales(2 * n_scales);
    const Values steps = random_values(scales.size(), 30 + b, 1.0f / 127);
    rows.f32_to_f16(scales.data(), steps.data(), static_cast<int64_t>(steps.size()));
    for (size_t i = 0; i < n; ++i) {
      queries[i].begin = b == 0 ? static_cast<int32_t>(i * 5 % 33) : 0;
      queries[i].end = b == 2 ? static_cast<int32_t>(i * 7 % 33) : kAttentionBlock;
    }
    const void* const keys[] = {k.data(), k16.data(), k8.data()};
    const void* const values[] = {v.data(), v16.data(), v8.data()};
    const AttentionBlock block = {.k = keys[static_cast<int>(kept)],
                                  .v = values[static_cast<int>(kept)],
                                  .k_scales = scales.data(),
                                  .v_scales = scales.data() + n_scales,
                                  .v_stride = c.head_dim,
                                  .head_dim = c.head_dim,
                                  .scale = 0.2f,
                                  .softcap = c.softcap};
    const auto attend = kept == Kept::f32   ? rows.attend_f32
                        : kept == Kept::f16 ? rows.attend_f16
                                            : rows.attend_int8;
    if (one_by_one) {
      for (AttentionQuery& query : queries) attend(&query, 1, &block);
    } else {
      attend(queries.data(), c.n_queries, &block);
    }
  }
  sums.clear();
  for (const AttentionQuery& query : queries) sums.push_back(query.sum);
}

TEST_P(Rows, AttentionAgreesForEveryHeadAndNumberOfQueries) {
  for (const int32_t head_dim : {1, 7, 8, 16, 32, 40, 64, 80, 128}) {
    for (const int32_t n_queries : {1, 2, 3, 4, 5, 9, 19, 31}) {
      for (const float softcap : {0.0f, 2.0f}) {
        for (const Kept kept : {Kept::f32, Kept::f16, Kept::int8}) {
          const AttentionCase c{head_dim, n_queries, softcap};
          Values a, b, sums_a, sums_b, alone, sums_alone;
          run_attention(*rows_, c, kept, false, a, sums_a);
          run_attention(scalar(), c, kept, false, b, sums_b);
          // Scores of head_dim terms of size 1, then up to 96 weighted values.
          expect_close(sums_a, sums_b, 1e-5f, 0);
          expect_close(a, b, 1e-5f, 1e-4f);
          run_attention(*rows_, c, kept, true, alone, sums_alone);
          EXPECT_EQ(a, alone);  // to the bit, whoever shares the block
          EXPECT_EQ(sums_a, sums_alone);
        }
      }
    }
  }
}

TEST_P(Rows, NotANumberIsKept) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  Values x = random_values(20, 3), out(20);
  x[7] = nan;
  rows_->silu(out.data(), x.data(), 20);
  EXPECT_TRUE(std::isnan(out[7]) && !std::isnan(out[6]));
  rows_->softcap(out.data(), x.data(), 20, 5);
  EXPECT_TRUE(std::isnan(out[7]));
  Values k(8 * kAttentionBlock, 1.0f), v(8 * kAttentionBlock, 1.0f), q(8, nan), result(8, 0.0f);
  AttentionQuery query{q.data(), result.data(), -INFINITY, 0, 0, 5};
  const AttentionBlock block{.k = k.data(),
                             .v = v.data(),
                             .k_scales = nullptr,
                             .v_scales = nullptr,
                             .v_stride = 8,
                             .head_dim = 8,
                             .scale = 1,
                             .softcap = 0};
  rows_->attend_f32(&query, 1, &block);
  EXPECT_TRUE(std::isnan(result[0]) && std::isnan(query.sum));
}

TEST_P(Rows, ExtremesSaturate) {
  const Values x = {-1e30f, -200.0f, -88.0f, 88.0f, 200.0f, 1e30f};
  Values out(x.size());
  rows_->silu(out.data(), x.data(), static_cast<int64_t>(x.size()));
  EXPECT_EQ(out[4], 200.0f);
  EXPECT_EQ(out[5], 1e30f);
  for (int i = 0; i < 3; ++i) EXPECT_NEAR(out[static_cast<size_t>(i)], 0.0f, 1e-30f);
}

}  // namespace
}  // namespace jiang::kernels
