// gemm_bench [THREADS]: the three products of training at the shapes of a small decoder, beside the
// multiply-add limit of the same threads measured in the same run.
#include <fmt/format.h>

#include <cstdlib>
#include <vector>

#include "kernels/training.h"
#include "multiply_add_limit.h"
#include "ops/gemm.h"

namespace {

using namespace jiang;
using bench::limit_gflops;
using bench::seconds;

void fill(TensorView x) {
  uint32_t state = 1;
  for (int64_t i = 0; i < x.rows * x.cols; ++i) {
    state = state * 1664525u + 1013904223u;
    x.data[i] = static_cast<float>(state >> 8) / 16777216.0f - 0.5f;
  }
}

}  // namespace

int main(int argc, char** argv) {
  ThreadPool pool(argc > 1 ? std::atoi(argv[1]) : 2);
  const double limit = limit_gflops(pool);
  fmt::print("{} threads, {}: {:.0f} GFLOP/s of multiply-adds at most\n", pool.size(),
             kernels::level_name(kernels::level()), limit);
  GemmMemory memory;
  const struct {
    int64_t tokens, in, out;
  } shapes[] = {{4096, 256, 256},  {4096, 256, 1024}, {1024, 384, 384}, {1024, 384, 1024},
                {1024, 1024, 384}, {1024, 512, 1536}, {512, 384, 8192}, {4096, 768, 3072}};
  for (const auto& s : shapes) {
    Tensor x(s.tokens, s.in), w(s.out, s.in), y(s.tokens, s.out), dw(s.out, s.in),
        dx(s.tokens, s.in);
    fill(x.view());
    fill(w.view());
    fill(y.view());
    const double flops = 2.0 * static_cast<double>(s.tokens * s.in * s.out);
    const auto rate = [&](auto run) {
      run();
      double best = 0;
      for (int pass = 0; pass < 5; ++pass) {
        const int repeats = static_cast<int>(std::max(1.0, 4e9 / flops));
        const double start = seconds();
        for (int i = 0; i < repeats; ++i) run();
        best = std::max(best, flops * repeats / (seconds() - start) / 1e9);
      }
      return best;
    };
    const double forward = rate([&] {
      gemm(y.view(), plain(x.view()), transposed(w.view()), GemmMode::overwrite, memory, pool);
    });
    const double input = rate([&] {
      gemm(dx.view(), plain(y.view()), plain(w.view()), GemmMode::overwrite, memory, pool);
    });
    const double weight = rate([&] {
      gemm(dw.view(), transposed(y.view()), plain(x.view()), GemmMode::accumulate, memory, pool);
    });
    fmt::print(
        "{:5} tokens {:5} -> {:5}: y = x W^T {:4.0f} ({:2.0f} %)  dx = dy W {:4.0f} ({:2.0f} %)  "
        "dW = dy^T x {:4.0f} ({:2.0f} %)\n",
        s.tokens, s.in, s.out, forward, 100 * forward / limit, input, 100 * input / limit, weight,
        100 * weight / limit);
  }
  return 0;
}
