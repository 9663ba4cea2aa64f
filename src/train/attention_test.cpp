// Attention in bf16 against attention in f32: several blocks of queries and keys, their tails,
// windows, caps, shared K/V heads, packed sequences.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <random>

#include "train/attention_gradient.h"
#include "train/attention_gradient_bf16.h"

namespace jiang {
namespace {

struct Case {
  const char* name;
  AttentionParams params;
};
constexpr Case kCases[] = {
    {"plain", {.n_heads = 4, .n_kv_heads = 2, .head_dim = 64, .scale = 0.125f}},
    {"odd_head", {.n_heads = 2, .n_kv_heads = 2, .head_dim = 40, .scale = 0.2f}},
    {"capped", {.n_heads = 2, .n_kv_heads = 1, .head_dim = 32, .scale = 0.2f, .softcap = 3}},
    {"window", {.n_heads = 2, .n_kv_heads = 1, .head_dim = 32, .scale = 0.2f, .window = 37}},
    {"wide_window", {.n_heads = 1, .n_kv_heads = 1, .head_dim = 16, .scale = 0.2f, .window = 150}},
};
// Rows of the packed sequences: blocks of 64 and 128, and what is left.
constexpr int32_t kRows[] = {1, 300, 64, 129};
constexpr int64_t kAllRows = 494;

Tensor filled(int64_t rows, int64_t cols, uint32_t seed) {
  Tensor x(rows, cols);
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(0, 1);
  for (int64_t i = 0; i < rows * cols; ++i) x.view().data[i] = normal(random);
  return x;
}

struct Results {
  Tensor out, log_sums, dq, dk, dv;
};

template <class Attention>
Results run_attention(const AttentionParams& params, ThreadPool& pool) {
  const int64_t width = int64_t{params.n_heads} * params.head_dim;
  const int64_t kv_width = int64_t{params.n_kv_heads} * params.head_dim;
  const Tensor q = filled(kAllRows, width, 1), k = filled(kAllRows, kv_width, 2),
               v = filled(kAllRows, kv_width, 3), dout = filled(kAllRows, width, 4);
  std::vector<SequenceRows> sequences;
  int32_t first = 0;
  for (const int32_t n : kRows) {
    sequences.push_back({first, n, 0, {}});
    first += n;
  }
  Results r{Tensor(kAllRows, width), Tensor(params.n_heads, kAllRows), filled(kAllRows, width, 5),
            filled(kAllRows, kv_width, 6), filled(kAllRows, kv_width, 7)};
  Attention attention;
  attention.forward(pool, r.out.view(), r.log_sums.view(), q.view(), k.view(), v.view(), sequences,
                    params);
  attention.backward(pool, r.dq.view(), r.dk.view(), r.dv.view(), dout.view(), r.out.view(),
                     r.log_sums.view(), q.view(), k.view(), v.view(), sequences, params);
  return r;
}

double distance(TensorView a, TensorView b) {
  double error = 0, size = 0;
  for (int64_t i = 0; i < a.rows * a.cols; ++i) {
    error +=
        (static_cast<double>(a.data[i]) - b.data[i]) * (static_cast<double>(a.data[i]) - b.data[i]);
    size += static_cast<double>(b.data[i]) * b.data[i];
  }
  return std::sqrt(error / size);
}

class Bf16AttentionCases : public ::testing::TestWithParam<Case> {};
INSTANTIATE_TEST_SUITE_P(Cases, Bf16AttentionCases, ::testing::ValuesIn(kCases),
                         [](const auto& of) { return std::string(of.param.name); });

// Two factors that are off by 2^-8 each at most: 2^-7 of a product of sums were they all of one
// sign. Scores are summed over head_dim of them and meet three more products; as most errors
// cancel, twice the bound of one product is enough for all.
TEST_P(Bf16AttentionCases, IsNearAttentionInF32AndOneForAnyThreads) {
  ThreadPool one(1), three(3);
  const Results f32 = run_attention<TrainingAttention>(GetParam().params, one);
  const Results bf16 = run_attention<Bf16Attention>(GetParam().params, one);
  const Results threads = run_attention<Bf16Attention>(GetParam().params, three);
  const Tensor Results::*const parts[] = {&Results::out, &Results::log_sums, &Results::dq,
                                          &Results::dk, &Results::dv};
  const char* const names[] = {"out", "log_sums", "dq", "dk", "dv"};
  for (size_t i = 0; i < std::size(parts); ++i) {
    const TensorView x = (bf16.*parts[i]).view();
    EXPECT_LT(distance(x, (f32.*parts[i]).view()), 0x1p-6) << names[i];
    EXPECT_EQ(std::memcmp(x.data, (threads.*parts[i]).view().data,
                          static_cast<size_t>(x.rows * x.cols) * sizeof(float)),
              0)
        << names[i];
  }
}

}  // namespace
}  // namespace jiang
