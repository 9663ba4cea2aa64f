// gemm_bench [THREADS]: the three products of training at the shapes of a small decoder, in f32 and
// in bf16, packing included, beside what the same threads multiply at most, measured in the same
// run.
#include <fmt/format.h>

#include <cstdlib>
#include <vector>

#include "multiply_add_limit.h"
#include "ops/gemm.h"
#include "ops/gemm_bf16.h"

namespace {

using namespace jiang;
using bench::seconds;

void fill(TensorView x) {
  uint32_t state = 1;
  for (int64_t i = 0; i < x.rows * x.cols; ++i) {
    state = state * 1664525u + 1013904223u;
    x.data[i] = static_cast<float>(state >> 8) / 16777216.0f - 0.5f;
  }
}

template <class Run>
double rate_of(double flops, Run run) {
  run();
  double best = 0;
  for (int pass = 0; pass < 5; ++pass) {
    const int repeats = static_cast<int>(std::max(1.0, 4e9 / flops));
    const double start = seconds();
    for (int i = 0; i < repeats; ++i) run();
    best = std::max(best, flops * repeats / (seconds() - start) / 1e9);
  }
  return best;
}

}  // namespace

int main(int argc, char** argv) {
  ThreadPool pool(argc > 1 ? std::atoi(argv[1]) : 2);
  const bench::Limits limits = bench::print_limits(pool);
  GemmMemory memory;
  const struct {
    int64_t tokens, in, out;
  } shapes[] = {{2048, 256, 256},  {2048, 256, 768}, {2048, 768, 256}, {1024, 384, 1024},
                {1024, 1024, 384}, {512, 256, 6144}, {4096, 768, 3072}};
  for (const auto& s : shapes) {
    Tensor x(s.tokens, s.in), w(s.out, s.in), y(s.tokens, s.out), dw(s.out, s.in),
        dx(s.tokens, s.in);
    fill(x.view());
    fill(w.view());
    fill(y.view());
    const double flops = 2.0 * static_cast<double>(s.tokens * s.in * s.out);
    const auto line = [&](const char* name, double limit, double forward, double input,
                          double weight) {
      fmt::print(
          "{:5} tokens {:5} -> {:5} {:4}: y = x W^T {:5.0f} ({:2.0f} %)  dx = dy W {:5.0f} "
          "({:2.0f} %)  dW = dy^T x {:5.0f} ({:2.0f} %)\n",
          s.tokens, s.in, s.out, name, forward, 100 * forward / limit, input, 100 * input / limit,
          weight, 100 * weight / limit);
    };
    line("f32", limits.f32,
         rate_of(flops,
                 [&] {
                   gemm(y.view(), plain(x.view()), transposed(w.view()), GemmMode::overwrite,
                        memory, pool);
                 }),
         rate_of(flops,
                 [&] {
                   gemm(dx.view(), plain(y.view()), plain(w.view()), GemmMode::overwrite, memory,
                        pool);
                 }),
         rate_of(flops, [&] {
           gemm(dw.view(), transposed(y.view()), plain(x.view()), GemmMode::accumulate, memory,
                pool);
         }));
    Bf16Factor left, right;
    const auto both = [&](TensorView c, GemmOperand a, GemmOperand b, GemmMode mode) {
      return rate_of(flops, [&] {
        left.pack(FactorSide::left, a, pool);
        right.pack(FactorSide::right, b, pool);
        multiply(c, left, right, mode, pool);
      });
    };
    line("bf16", limits.bf16,
         both(y.view(), plain(x.view()), transposed(w.view()), GemmMode::overwrite),
         both(dx.view(), plain(y.view()), plain(w.view()), GemmMode::overwrite),
         both(dw.view(), transposed(y.view()), plain(x.view()), GemmMode::accumulate));
    // The same without packing: what a factor that is used again costs.
    const auto product_alone = [&](TensorView c, GemmOperand a, GemmOperand b, GemmMode mode) {
      left.pack(FactorSide::left, a, pool);
      right.pack(FactorSide::right, b, pool);
      return rate_of(flops, [&] { multiply(c, left, right, mode, pool); });
    };
    line("only", limits.bf16,
         product_alone(y.view(), plain(x.view()), transposed(w.view()), GemmMode::overwrite),
         product_alone(dx.view(), plain(y.view()), plain(w.view()), GemmMode::overwrite),
         product_alone(dw.view(), transposed(y.view()), plain(x.view()), GemmMode::accumulate));
  }
  return 0;
}
