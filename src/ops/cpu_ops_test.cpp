// The verbs other than linear, each against its definition in f64, at the ISA level of the process.
#include "ops/cpu_ops.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <functional>
#include <numeric>

#include "base/check.h"
#include "ops/arena.h"

namespace jiang {
namespace {

// Widths that no vector length divides, and more elements than one thread takes.
constexpr int64_t kRows = 37, kCols = 523;

class CpuOpsTest : public ::testing::Test {
 protected:
  Tensor random(int64_t rows, int64_t cols, float spread = 1) {
    Tensor t(rows, cols);
    for (int64_t i = 0; i < rows * cols; ++i) {
      state_ = state_ * 6364136223846793005u + 1442695040888963407u;
      t.view().data[i] = spread * (static_cast<float>(state_ >> 40) / 8388608.0f - 1.0f);
    }
    return t;
  }
  static std::vector<float> floats(TensorView x) { return {x.row(0), x.row(0) + x.cols}; }

  void expect_each(TensorView out, const std::function<double(int64_t row, int64_t col)>& expected,
                   double bound) {
    for (int64_t i = 0; i < out.rows; ++i) {
      for (int64_t c = 0; c < out.cols; ++c) {
        const double e = expected(i, c);
        ASSERT_NEAR(out.row(i)[c], e, bound * std::max(1.0, std::abs(e)))
            << "at " << i << ", " << c;
      }
    }
  }

  uint64_t state_ = 1;
  ThreadPool pool_{3};
  std::unique_ptr<Ops> ops_ = make_cpu_ops(pool_, size_t{64} << 20);
};

TEST_F(CpuOpsTest, ElementWiseVerbs) {
  const Tensor a = random(kRows, kCols, 6), b = random(kRows, kCols);
  const TensorView x = a.view(), y = b.view();
  expect_each(
      ops_->add(x, y), [&](auto i, auto c) { return x.row(i)[c] + y.row(i)[c]; }, 1e-6);
  expect_each(
      ops_->scale(x, 3), [&](auto i, auto c) { return 3 * x.row(i)[c]; }, 1e-6);
  expect_each(
      ops_->softcap(x, 2), [&](auto i, auto c) { return 2 * std::tanh(double{x.row(i)[c]} / 2); },
      2e-6);
  const auto row = floats(y);
  expect_each(
      ops_->add_row(x, row),
      [&](auto i, auto c) { return x.row(i)[c] + row[static_cast<size_t>(c)]; }, 1e-6);
  expect_each(
      ops_->copy(x), [&](auto i, auto c) { return x.row(i)[c]; }, 0);
}

double activate(Activation kind, double v) {
  switch (kind) {
    case Activation::silu:
      return v / (1 + std::exp(-v));
    case Activation::gelu_tanh:
      return 0.5 * v * (1 + std::tanh(std::sqrt(2 / M_PI) * (v + 0.044715 * v * v * v)));
    case Activation::gelu_erf:
      return 0.5 * v * (1 + std::erf(v / M_SQRT2));
    case Activation::relu:
      return v > 0 ? v : 0;
  }
  return 0;
}

TEST_F(CpuOpsTest, ActivationsAndGates) {
  const Tensor a = random(kRows, kCols, 8), b = random(kRows, kCols);
  const TensorView x = a.view(), y = b.view();
  for (const Activation kind :
       {Activation::silu, Activation::gelu_tanh, Activation::gelu_erf, Activation::relu}) {
    const size_t mark = ops_->mark();
    expect_each(
        ops_->activation(x, kind), [&](auto i, auto c) { return activate(kind, x.row(i)[c]); },
        2e-6);
    expect_each(
        ops_->gated(x, y, kind),
        [&](auto i, auto c) { return activate(kind, x.row(i)[c]) * y.row(i)[c]; }, 2e-6);
    ops_->release(mark);
  }
}

TEST_F(CpuOpsTest, NormsOverRowsAndHeads) {
  const Tensor a = random(kRows, 4 * 48), w = random(1, 48), b = random(1, 4 * 48);
  const TensorView x = a.view();
  const auto weight = floats(w.view());
  expect_each(
      ops_->rms_norm(x, weight, 1e-5f),
      [&](auto i, auto c) {
        const float* head = x.row(i) + c / 48 * 48;
        double squares = 0;
        for (int j = 0; j < 48; ++j) squares += double{head[j]} * head[j];
        return x.row(i)[c] / std::sqrt(squares / 48 + 1e-5) * weight[static_cast<size_t>(c % 48)];
      },
      2e-6);
  const auto bias = floats(b.view());
  expect_each(
      ops_->layer_norm(x, bias, bias, 1e-5f),
      [&](auto i, auto c) {
        const double n = static_cast<double>(x.cols);
        double mean = 0, variance = 0;
        for (int64_t j = 0; j < x.cols; ++j) mean += x.row(i)[j] / n;
        for (int64_t j = 0; j < x.cols; ++j)
          variance += (x.row(i)[j] - mean) * (x.row(i)[j] - mean) / n;
        const double w1 = bias[static_cast<size_t>(c)];
        return (x.row(i)[c] - mean) / std::sqrt(variance + 1e-5) * w1 + w1;
      },
      2e-6);
}

TEST_F(CpuOpsTest, LayerNormOfALargeMeanKeepsItsDigits) {
  Tensor a(1, 256);
  for (int64_t c = 0; c < 256; ++c) a.view().data[c] = 4096.0f + static_cast<float>(c % 2);
  const std::vector<float> ones(256, 1.0f), zeros(256, 0.0f);
  expect_each(
      ops_->layer_norm(a.view(), ones, zeros, 1e-12f), [](auto, auto c) { return c % 2 ? 1 : -1; },
      1e-5);
}

TEST_F(CpuOpsTest, RopeTurnsTheFirstPairsAndLeavesTheRest) {
  const Tensor a = random(5, 2 * 20);
  const TensorView x = a.view();
  const std::vector<int32_t> positions = {0, 1, 2, 1000, 100000};
  for (const bool pairs : {false, true}) {
    RopeTable table{.inv_freq = {1.0f, 0.3f, 0.01f},
                    .attention_factor = 1.25f,
                    .rotary_dim = 6,
                    .interleaved = pairs};
    expect_each(
        ops_->rope(x, 20, positions, table),
        [&](int64_t i, int64_t c) -> double {
          const int64_t d = c % 20;
          const float* head = x.row(i) + c / 20 * 20;
          if (d >= 6) return head[d];
          const int64_t pair = pairs ? d / 2 : d % 3;
          const bool is_second = pairs ? d % 2 : d >= 3;
          const double angle =
              positions[static_cast<size_t>(i)] * double{table.inv_freq[static_cast<size_t>(pair)]};
          const double first = head[pairs ? 2 * pair : pair],
                       second = head[pairs ? 2 * pair + 1 : pair + 3];
          return 1.25 * (is_second ? second * std::cos(angle) + first * std::sin(angle)
                                   : first * std::cos(angle) - second * std::sin(angle));
        },
        1e-6);
  }
}

TEST_F(CpuOpsTest, RopeFollowsItsTableNotItsAddress) {
  const Tensor a = random(1, 4);
  std::vector<int32_t> positions = {3};
  RopeTable table{.inv_freq = {1.0f, 0.5f}, .rotary_dim = 4};
  const float before = ops_->rope(a.view(), 4, positions, table).data[0];
  table.inv_freq[0] = 2.0f;
  const float after = ops_->rope(a.view(), 4, positions, table).data[0];
  positions[0] = 4;
  EXPECT_NE(before, after);
  EXPECT_NE(ops_->rope(a.view(), 4, positions, table).data[0], after);
}

TEST_F(CpuOpsTest, SelectRowsAndEmbedding) {
  const Tensor a = random(6, 33);
  const TensorView x = a.view();
  const std::vector<int32_t> rows = {5, 0, 5};
  expect_each(
      ops_->select_rows(x, rows),
      [&](auto i, auto c) { return x.row(rows[static_cast<size_t>(i)])[c]; }, 0);
  const WeightMatrix table{Format::f32, 6, 33, reinterpret_cast<const std::byte*>(x.data)};
  expect_each(
      ops_->embedding(rows, table, 2),
      [&](auto i, auto c) { return 2 * x.row(rows[static_cast<size_t>(i)])[c]; }, 0);
  const std::vector<TokenId> beyond = {6}, negative = {-1};
  EXPECT_THROW(ops_->embedding(beyond, table, 1), BugError);
  EXPECT_THROW(ops_->embedding(negative, table, 1), BugError);
  EXPECT_THROW(ops_->select_rows(x, std::vector<int32_t>{6}), BugError);
}

// ---- attention without a cache: three sequences, grouped heads

TEST_F(CpuOpsTest, AttentionOverOwnRows) {
  constexpr int32_t kHeads = 6, kKvHeads = 2, kDim = 24;
  const std::vector<SequenceRows> sequences = {{0, 1, 0, {}}, {1, 70, 0, {}}, {71, 33, 0, {}}};
  const Tensor tq = random(104, kHeads * kDim, 2), tk = random(104, kKvHeads * kDim, 2),
               tv = random(104, kKvHeads * kDim);
  const TensorView q = tq.view(), k = tk.view(), v = tv.view();
  for (const bool causal : {true, false}) {
    for (const int32_t window : {0, 20}) {
      for (const float softcap : {0.0f, 3.0f}) {
        if (!causal && window > 0) continue;
        const AttentionParams params{.n_heads = kHeads,
                                     .n_kv_heads = kKvHeads,
                                     .head_dim = kDim,
                                     .scale = 0.3f,
                                     .softcap = softcap,
                                     .window = window,
                                     .causal = causal};
        const size_t mark = ops_->mark();
        const TensorView out = ops_->attention(q, k, v, nullptr, sequences, params);
        for (const SequenceRows& s : sequences) {
          for (int32_t t = 0; t < s.n_rows; t += 7) {
            for (int32_t h = 0; h < kHeads; ++h) {
              const int64_t kv = h / 3 * kDim;
              const int32_t last = causal ? t + 1 : s.n_rows,
                            first = window ? std::max(0, t + 1 - window) : 0;
              std::vector<double> p, mixture(kDim, 0.0);
              for (int32_t j = first; j < last; ++j) {
                double score = 0;
                for (int d = 0; d < kDim; ++d)
                  score +=
                      double{q.row(s.first_row + t)[h * kDim + d]} * k.row(s.first_row + j)[kv + d];
                score *= params.scale;
                p.push_back(std::exp(softcap > 0 ? softcap * std::tanh(score / softcap) : score));
              }
              const double total = std::accumulate(p.begin(), p.end(), 0.0);
              for (int32_t j = first; j < last; ++j) {
                for (int d = 0; d < kDim; ++d) {
                  mixture[static_cast<size_t>(d)] +=
                      p[static_cast<size_t>(j - first)] / total * v.row(s.first_row + j)[kv + d];
                }
              }
              for (int d = 0; d < kDim; ++d) {
                ASSERT_NEAR(out.row(s.first_row + t)[h * kDim + d], mixture[static_cast<size_t>(d)],
                            5e-6)
                    << "causal " << causal << " window " << window << " softcap " << softcap
                    << " row " << t;
              }
            }
          }
        }
        ops_->release(mark);
      }
    }
  }
}

TEST_F(CpuOpsTest, NanInAKeyIsSeenByItsRowsOnly) {
  Tensor tq = random(40, 32), tk = random(40, 32), tv = random(40, 32);
  tk.view().row(35)[0] = NAN;
  const std::vector<SequenceRows> sequences = {{0, 40, 0, {}}};
  const AttentionParams params{.n_heads = 1, .n_kv_heads = 1, .head_dim = 32, .scale = 1};
  const TensorView out =
      ops_->attention(tq.view(), tk.view(), tv.view(), nullptr, sequences, params);
  for (int64_t i = 0; i < 40; ++i) EXPECT_EQ(std::isnan(out.row(i)[5]), i >= 35) << i;
}

// ---- an int8 cache: attention over it is attention over rounded keys and values

class Int8Cache : public CpuOpsTest {
 protected:
  static constexpr int32_t kTokens = 70, kDim = 40;  // blocks and scales end in the middle

  // Attention of the last row over the whole cache, after `change` had k and v (kTokens, kDim).
  std::vector<float> attend(const std::function<void(TensorView k, TensorView v)>& change) {
    Tensor q = random(kTokens, kDim), k = random(kTokens, kDim), v = random(kTokens, kDim);
    change(k.view(), v.view());
    AlignedBuffer memory(2 * 3 * kv_part_bytes(KvType::int8, kDim));
    // Whatever lay there before must not matter.
    std::memset(memory.data(), 0xff, memory.size());
    const std::vector<int32_t> blocks = {2, 0, 1};
    const std::vector<SequenceRows> sequences = {{0, kTokens, 0, blocks}};
    const KvLayer cache{
        .data = memory.data(), .type = KvType::int8, .n_kv_heads = 1, .head_dim = kDim};
    const TensorView out =
        ops_->attention(q.view(), k.view(), v.view(), &cache, sequences,
                        {.n_heads = 1, .n_kv_heads = 1, .head_dim = kDim, .scale = 0.2f});
    return {out.row(kTokens - 1), out.row(kTokens - 1) + kDim};
  }
};

TEST_F(Int8Cache, ValuesThatAreWholeStepsComeBackExactly) {
  // One value for all tokens, so that the weights do not matter: multiples of a power of two.
  const auto out = attend([](TensorView, TensorView v) {
    for (int64_t t = 0; t < v.rows; ++t) {
      for (int64_t d = 0; d < v.cols; ++d)
        v.row(t)[d] = 0.5f * static_cast<float>(d % 32 == 0 ? -127 : d);
    }
  });
  for (int64_t d = 0; d < kDim; ++d)
    EXPECT_NEAR(out[static_cast<size_t>(d)], 0.5f * static_cast<float>(d % 32 == 0 ? -127 : d),
                1e-4f);
}

TEST_F(Int8Cache, TinyValuesAreZeroAndImpossibleOnesAreSeen) {
  for (const float value : {1e-9f, 0.0f}) {
    const auto out = attend([&](TensorView, TensorView v) {
      for (int64_t t = 0; t < v.rows; ++t) std::fill_n(v.row(t), v.cols, value);
    });
    EXPECT_EQ(out, std::vector<float>(kDim, 0.0f));
  }
  for (const float value : {NAN, INFINITY, 1e8f}) {
    const auto by_key = attend([&](TensorView k, TensorView) { k.row(3)[1] = value; });
    EXPECT_FALSE(std::isfinite(by_key[0])) << value;
    const auto by_value = attend([&](TensorView, TensorView v) { v.row(3)[1] = value; });
    EXPECT_FALSE(std::isfinite(by_value[2])) << value;
    EXPECT_TRUE(std::isfinite(by_value[35])) << "another scale";
  }
}

// ---- the arena

TEST_F(CpuOpsTest, KeepMovesAResultToTheMark) {
  const size_t mark = ops_->mark();
  const Tensor a = random(3, 1000);
  ops_->copy(a.view());
  const TensorView second = ops_->copy(a.view());
  const TensorView kept = ops_->keep(mark, second);
  EXPECT_LT(kept.data, second.data);
  expect_each(
      kept, [&](auto i, auto c) { return a.view().row(i)[c]; }, 0);
}

TEST_F(CpuOpsTest, ArenaBeyondItsSizeIsABug) {
  const auto small = make_cpu_ops(pool_, 4096);
  const Tensor a = random(1, 1024);
  EXPECT_NO_THROW(small->copy(a.view()));
  EXPECT_THROW(small->copy(a.view()), BugError);
}

TEST_F(CpuOpsTest, MeasuringCountsWhatAPassTakes) {
  const Tensor a = random(3, 100);
  const auto pass = [&](Ops& ops) {
    const size_t mark = ops.mark();
    const TensorView x = ops.copy(a.view());
    ops.release(mark);
    ops.add(ops.copy(x), x);
  };
  const size_t bytes = measure_arena(pass);
  EXPECT_EQ(bytes, 2 * 1216u);  // 1200 rounded up to whole cache lines, twice
  const auto exact = make_cpu_ops(pool_, bytes);
  EXPECT_NO_THROW(pass(*exact));
}

TEST(ReservedMemory, ComesZeroedAndMayBeEmpty) {
  const ReservedMemory memory(size_t{1} << 30);  // touched in one place only
  EXPECT_EQ(memory.data()[size_t{1} << 29], std::byte{0});
  EXPECT_EQ(ReservedMemory(0).size(), 0u);
  EXPECT_THROW(ReservedMemory(SIZE_MAX / 2), std::bad_alloc);
}

}  // namespace
}  // namespace jiang
