// Every training kernel of every level this machine has, against the scalar one, at every tail
// length.
#include "kernels/training.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <vector>

namespace jiang::kernels {
namespace {

using Values = std::vector<float>;

Values random_values(size_t n, uint32_t seed, float scale = 2) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(0, scale);
  Values values(n);
  for (float& value : values) value = normal(random);
  return values;
}

constexpr float kUlp = 6e-8f;

void expect_close(const Values& a, const Values& b, float relative, float absolute,
                  const char* what) {
  ASSERT_EQ(a.size(), b.size());
  for (size_t i = 0; i < a.size(); ++i) {
    ASSERT_LE(std::abs(a[i] - b[i]), relative * std::abs(b[i]) + absolute)
        << what << ", element " << i << " of " << a.size();
  }
}

class Training : public ::testing::TestWithParam<Level> {
 protected:
  void SetUp() override {
    table_ = training_table_of(GetParam());
    if (!table_) GTEST_SKIP() << "this CPU has no " << level_name(GetParam());
  }
  const TrainingTable& scalar() const { return *training_table_of(Level::scalar); }
  const TrainingTable* table_ = nullptr;
};

INSTANTIATE_TEST_SUITE_P(Levels, Training,
                         ::testing::Values(Level::scalar, Level::avx2, Level::avx_vnni,
                                           Level::avx512, Level::avx512_vnni));

// Every number of rows and columns of a tile, unpacked and transposed operands, sums in slices.
TEST_P(Training, GemmPanelsAgreeWithPlainSumsForEveryTail) {
  const int64_t rows = 2 * table_->gemm_rows + 1;
  for (int64_t m = 1; m <= rows; ++m) {
    for (int64_t n = 1; n <= table_->gemm_cols; n += n < 4 ? 1 : 3) {
      const int64_t k = 7 + (m * n) % 90, cut = k / 3;
      const Values a = random_values(static_cast<size_t>(m * k), 1);
      const Values b = random_values(static_cast<size_t>(k * n), 2);
      Values c = random_values(static_cast<size_t>(m * n), 3), expected = c;
      for (int64_t i = 0; i < m; ++i) {
        for (int64_t j = 0; j < n; ++j) {
          double sum = expected[static_cast<size_t>(i * n + j)];
          for (int64_t x = 0; x < k; ++x)
            sum += static_cast<double>(a[static_cast<size_t>(i * k + x)]) *
                   b[static_cast<size_t>(x * n + j)];
          expected[static_cast<size_t>(i * n + j)] = static_cast<float>(sum);
        }
      }
      Values transposed(a.size());
      for (int64_t i = 0; i < m; ++i) {
        for (int64_t x = 0; x < k; ++x)
          transposed[static_cast<size_t>(x * m + i)] = a[static_cast<size_t>(i * k + x)];
      }
      GemmPanel panel{};
      panel.c_stride = n;
      panel.b_stride = n;
      panel.m = m;
      panel.n = n;
      panel.resume = true;
      const auto run = [&](Values& out, const float* from, int64_t row, int64_t next) {
        panel.c = out.data();
        panel.a_row = row;
        panel.a_k = next;
        panel.a_group = row * table_->gemm_rows;
        for (const int64_t first : {int64_t{0}, cut}) {
          panel.a = from + first * next;
          panel.b = b.data() + first * n;
          panel.k = first == 0 ? cut : k - cut;
          table_->gemm_panel(&panel);
        }
      };
      Values other = c;
      run(c, a.data(), k, 1);
      run(other, transposed.data(), 1, m);
      expect_close(c, expected, 1e-5f, 2e-4f, "gemm");
      ASSERT_EQ(c, other) << m << " x " << n;  // to the bit
    }
  }
}

TEST_P(Training, PackedColumnsAreTheTransposeForEveryTail) {
  const int64_t cols = table_->gemm_cols;
  for (int64_t n_k = 1; n_k <= 70; n_k += 3) {
    for (int64_t n = 1; n <= cols; ++n) {
      const int64_t stride = n_k + 5;
      const Values b = random_values(static_cast<size_t>(cols * stride), 4);
      Values out(static_cast<size_t>(n_k * cols), 99.0f);
      table_->pack_columns(out.data(), b.data(), stride, n_k, n);
      for (int64_t k = 0; k < n_k; ++k) {
        for (int64_t j = 0; j < cols; ++j) {
          ASSERT_EQ(out[static_cast<size_t>(k * cols + j)],
                    j < n ? b[static_cast<size_t>(j * stride + k)] : 0.0f);
        }
      }
    }
  }
}

TEST_P(Training, RowsAgreeAtEveryLength) {
  for (size_t n = 1; n <= 70; ++n) {
    const auto length = static_cast<int64_t>(n);
    const auto seed = static_cast<uint32_t>(n);
    const Values x = random_values(n, seed), y = random_values(n, seed + 100),
                 w = random_values(n, seed + 200);
    Values a = random_values(n, seed + 300), b = a;
    table_->add_scaled(a.data(), x.data(), 0.7f, length);
    scalar().add_scaled(b.data(), x.data(), 0.7f, length);
    expect_close(a, b, 4 * kUlp, 8 * kUlp, "add_scaled");
    table_->add_product(a.data(), x.data(), y.data(), 0.7f, length);
    scalar().add_product(b.data(), x.data(), y.data(), 0.7f, length);
    expect_close(a, b, 8 * kUlp, 64 * kUlp, "add_product");
    EXPECT_NEAR(table_->dot(x.data(), y.data(), length), scalar().dot(x.data(), y.data(), length),
                static_cast<float>(n) * 32 * kUlp);

    for (const bool adds : {false, true}) {
      Values da = y, db = y;
      const float ra = table_->rms_norm_backward(da.data(), adds ? da.data() : nullptr, y.data(),
                                                 x.data(), w.data(), length, 1e-6f);
      const float rb = scalar().rms_norm_backward(db.data(), adds ? db.data() : nullptr, y.data(),
                                                  x.data(), w.data(), length, 1e-6f);
      if (adds) {
        // In place: what is added and what is written are one row, dy is another.
        da = y, db = y;
        Values dy = w;
        table_->rms_norm_backward(da.data(), da.data(), dy.data(), x.data(), w.data(), length,
                                  1e-6f);
        scalar().rms_norm_backward(db.data(), db.data(), dy.data(), x.data(), w.data(), length,
                                   1e-6f);
      }
      EXPECT_NEAR(ra, rb, 16 * kUlp * rb);
      expect_close(da, db, 64 * kUlp, 1e-5f, "rms_norm_backward");
    }

    Values ga(n), gb(n), ua(n), ub(n);
    table_->silu_mul_backward(ga.data(), ua.data(), y.data(), x.data(), w.data(), length);
    scalar().silu_mul_backward(gb.data(), ub.data(), y.data(), x.data(), w.data(), length);
    expect_close(ga, gb, 32 * kUlp, 64 * kUlp, "dgate");
    expect_close(ua, ub, 32 * kUlp, 64 * kUlp, "dup");

    for (const float cap : {0.0f, 5.0f}) {
      const int64_t begin = length / 5, end = length - length / 7;
      Values pa = x, pb = x, sa(n), sb(n), qa = x, qb = x;
      const float la = table_->attention_softmax(pa.data(), length, begin, end, 0.3f, cap);
      const float lb = scalar().attention_softmax(pb.data(), length, begin, end, 0.3f, cap);
      EXPECT_NEAR(la, lb, 1e-5f);
      expect_close(pa, pb, 64 * kUlp, 16 * kUlp, "softmax");
      table_->attention_probabilities(qa.data(), length, begin, end, 0.3f, cap, la, sa.data());
      scalar().attention_probabilities(qb.data(), length, begin, end, 0.3f, cap, lb, sb.data());
      expect_close(qa, pb, 128 * kUlp, 32 * kUlp, "probabilities");
      if (cap > 0) expect_close(sa, sb, 64 * kUlp, 64 * kUlp, "slope");
      table_->attention_backward(qa.data(), pa.data(), y.data(), 0.2f, 0.3f, length);
      scalar().attention_backward(qb.data(), pb.data(), y.data(), 0.2f, 0.3f, length);
      expect_close(qa, qb, 128 * kUlp, 32 * kUlp, "attention_backward");
    }

    Values la = x, lb = x;
    const int64_t target = length / 2;
    EXPECT_NEAR(table_->negative_log_likelihood(x.data(), length, target),
                scalar().negative_log_likelihood(x.data(), length, target), 1e-5f);
    EXPECT_NEAR(table_->cross_entropy(la.data(), length, target, 0.25f),
                scalar().cross_entropy(lb.data(), length, target, 0.25f), 1e-5f);
    expect_close(la, lb, 64 * kUlp, 16 * kUlp, "cross_entropy");

    const AdamwStep step{.learning_rate = 1e-2f,
                         .beta1 = 0.9f,
                         .beta2 = 0.95f,
                         .eps = 1e-8f,
                         .decay = 1e-3f,
                         .correction1 = 0.19f,
                         .correction2_root = 0.31f,
                         .grad_scale = 0.5f};
    Values wa = w, wb = w, ma = y, mb = y, va(n), vb(n);
    for (size_t i = 0; i < n; ++i) va[i] = vb[i] = x[i] * x[i];
    table_->adamw(wa.data(), x.data(), ma.data(), va.data(), length, &step);
    scalar().adamw(wb.data(), x.data(), mb.data(), vb.data(), length, &step);
    expect_close(wa, wb, 16 * kUlp, 16 * kUlp, "adamw");
    expect_close(ma, mb, 16 * kUlp, 16 * kUlp, "mean");
    expect_close(va, vb, 16 * kUlp, 16 * kUlp, "square");
  }
}

}  // namespace
}  // namespace jiang::kernels
