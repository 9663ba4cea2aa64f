// matmul_bench [FORMAT...]: GMAC/s and GB/s of matmul on the shapes of a 1.5B model, for several
// numbers of tokens. THREADS (2) of them work; COPIES (24) of each matrix take turns, so that
// memory far beyond the caches is streamed, as in decoding.
#include <time.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "kernels/table.h"
#include "ops/matmul.h"
#include "ops/probes.h"

using namespace jiang;

namespace {

// Wall clock; with one thread its CPU time, which a busy machine disturbs less.
double now(bool one_thread) {
  timespec time;
  clock_gettime(one_thread ? CLOCK_THREAD_CPUTIME_ID : CLOCK_MONOTONIC, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

// Random bytes with scales that stay finite: every byte pair read as an f16 is small.
std::vector<std::byte> random_bytes(size_t n) {
  std::vector<std::byte> bytes(n);
  uint32_t state = 1;
  for (std::byte& b : bytes)
    b = static_cast<std::byte>((state = state * 1664525 + 1013904223) >> 26);
  return bytes;
}

void bench(const WeightFormat& format, int64_t rows, int64_t cols, int copies, ThreadPool& pool) {
  const std::vector<std::byte> bytes =
      random_bytes(static_cast<size_t>(rows) * *format.row_bytes(cols));
  std::vector<PackedMatrix> weights;
  for (int i = 0; i < copies; ++i) {
    weights.push_back(PackedMatrix::pack(
        {.format = format.id, .rows = rows, .cols = cols, .data = bytes.data()}, pool));
  }
  for (const int64_t m : {1, 2, 4, 8, 16, 128, 512}) {
    const int used = m > 16 ? std::min(copies, 2) : copies;
    Tensor x(m, cols), out(m, rows);
    for (int64_t i = 0; i < m * cols; ++i)
      x.view().data[i] = static_cast<float>(i * 7919 % 1000) / 500 - 1;
    const ActivationKind kind = activation_kind(weights[0]);
    const AlignedBuffer memory(prepared_bytes(kind, m, cols));
    std::vector<double> times;
    for (int repeat = 0; repeat < 5; ++repeat) {
      const double start = now(pool.size() == 1);
      for (int i = 0; i < used; ++i) {
        matmul(out.view(), prepare_activations(kind, x.view(), memory.data(), pool),
               weights[static_cast<size_t>(i)], {}, pool);
      }
      times.push_back((now(pool.size() == 1) - start) / used);
    }
    std::sort(times.begin(), times.end());
    const double t = times[times.size() / 2],
                 macs = static_cast<double>(m) * static_cast<double>(rows * cols);
    std::printf("%-7s %5ldx%-5ld M=%-4ld %8.1f us %7.1f GMAC/s %6.1f GB/s\n", format.name, rows,
                cols, m, t * 1e6, macs / t / 1e9,
                static_cast<double>(weights[0].bytes()) / t / 1e9);
  }
}

}  // namespace

int main(int argc, char** argv) {
  const char* threads = std::getenv("THREADS");
  const char* copies_of = std::getenv("COPIES");
  const int copies = copies_of ? std::atoi(copies_of) : 24;
  ThreadPool pool(threads ? std::atoi(threads) : 2);
  std::printf("isa %s, %d threads, read %.1f GB/s, dot products %.0f GMAC/s\n",
              kernels::level_name(kernels::level()), pool.size(), measure_read_gb_per_s(pool),
              measure_dot_gop_per_s(pool) / 2);
  std::vector<std::string> names(argv + 1, argv + argc);
  if (names.empty()) names = {"q4_0", "q8_0", "q4_k", "q6_k", "bf16", "f16", "f32"};
  for (const std::string& name : names) {
    const WeightFormat* format = find_weight_format(name);
    if (!format) return std::fprintf(stderr, "no format %s\n", name.c_str()), 2;
    bench(*format, 8960, 1536, copies, pool);
    bench(*format, 1536, 8960, copies, pool);
  }
}
