#include "train/dropout.h"

namespace jiang {
namespace {

template <class F>
void each_element(TensorView x, float rate, uint64_t seed, ThreadPool& pool, F use) {
  const auto threshold = static_cast<uint32_t>(static_cast<double>(rate) * 4294967296.0);
  const float factor = 1.0f / (1.0f - rate);
  pool.parallel_for(static_cast<size_t>(x.rows), 8, [&](size_t begin, size_t end) {
    for (size_t i = begin; i < end; ++i) {
      const uint64_t row_seed = mix_bits(seed + i);
      for (int64_t c = 0; c < x.cols; ++c) {
        const auto draw = static_cast<uint32_t>(mix_bits(row_seed + static_cast<uint64_t>(c)));
        use(static_cast<int64_t>(i), c, draw < threshold ? 0.0f : factor);
      }
    }
  });
}

}  // namespace

void drop_out(TensorView out, TensorView x, float rate, uint64_t seed, ThreadPool& pool) {
  each_element(x, rate, seed, pool,
               [&](int64_t i, int64_t c, float factor) { out.row(i)[c] = x.row(i)[c] * factor; });
}

void add_dropped(TensorView dx, TensorView dy, float rate, uint64_t seed, ThreadPool& pool) {
  each_element(dy, rate, seed, pool,
               [&](int64_t i, int64_t c, float factor) { dx.row(i)[c] += dy.row(i)[c] * factor; });
}

}  // namespace jiang
