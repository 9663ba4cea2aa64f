#include "ops/cpu_ops.h"

#include <atomic>
#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include "base/check.h"
#include "kernels/table.h"
#include "kernels/training.h"
#include "ops/arena.h"
#include "ops/matmul.h"
#include "ops/paged_attention.h"
#include "ops/rope_angles.h"

namespace jiang {
namespace {

// Below this many elements waking the other threads costs more than they save.
constexpr int64_t kWorthSplitting = 16384;
constexpr size_t kActivationKinds = 2;

// In pieces of a length that the compiler knows, and so turns into vectors.
void add_elements(float* __restrict to, const float* __restrict x, const float* __restrict y,
                  int64_t n) {
  constexpr int64_t kPiece = 16;
  for (; n >= kPiece; n -= kPiece, to += kPiece, x += kPiece, y += kPiece) {
    for (int64_t i = 0; i < kPiece; ++i) to[i] = x[i] + y[i];
  }
  for (int64_t i = 0; i < n; ++i) to[i] = x[i] + y[i];
}

class CpuOps final : public Ops {
 public:
  CpuOps(ThreadPool& pool, Arena arena, LinearObserver* observer)
      : pool_(&pool), arena_(std::move(arena)), observer_(observer), rows_(kernels::row_table()) {}
  // Only counts what the arena must hold.
  explicit CpuOps(Arena::CountOnly count) : arena_(count), rows_(kernels::row_table()) {}

  size_t peak() const { return arena_.peak(); }

  size_t mark() const override { return arena_.mark(); }
  void release(size_t mark) override { arena_.release(mark); }

  TensorView keep(size_t mark, TensorView x) override {
    arena_.release(mark);
    const TensorView out = arena_.matrix(x.rows, x.cols);
    if (counting()) return out;
    // Row by row, front to back: `out` may begin before x and overlap it.
    for (int64_t i = 0; i < x.rows; ++i) std::memmove(out.row(i), x.row(i), row_bytes(x));
    return out;
  }

  TensorView copy(TensorView x) override {
    const TensorView out = arena_.matrix(x.rows, x.cols);
    if (counting()) return out;
    for (int64_t i = 0; i < x.rows; ++i) std::memcpy(out.row(i), x.row(i), row_bytes(x));
    return out;
  }

  void set_adapters(std::span<const AdapterMix* const> of_rows) override { mixes_ = of_rows; }

  TensorView embedding(std::span<const TokenId> ids, const WeightMatrix& table,
                       float scale) override {
    const TensorView out = arena_.matrix(static_cast<int64_t>(ids.size()), table.cols);
    if (counting()) return out;
    for (const TokenId id : ids)
      JIANG_CHECK(id >= 0 && id < table.rows, "a token id beyond the embedding table");
    by_rows(out, [&](int64_t i) {
      table.dequantize_row(ids[static_cast<size_t>(i)], out.row(i));
      if (scale == 1) return;
      for (int64_t c = 0; c < out.cols; ++c) out.row(i)[c] *= scale;
    });
    return out;
  }

  TensorView linear(TensorView x, const Linear& linear) override {
    const Linear* one[] = {&linear};
    TensorView out[1];
    linear_many(x, one, out);
    return out[0];
  }

  void linear_many(TensorView x, std::span<const Linear* const> linears,
                   std::span<TensorView> outs) override {
    JIANG_CHECK(linears.size() <= 4 && linears.size() == outs.size(), "one to four projections");
    bool is_used[kActivationKinds] = {};
    for (size_t i = 0; i < linears.size(); ++i) {
      JIANG_CHECK(linears[i]->in_features() == x.cols,
                  linears[i]->name + ": input of another width");
      outs[i] = arena_.matrix(x.rows, linears[i]->out_features());
      is_used[static_cast<size_t>(activation_kind(linears[i]->weight))] = true;
      if (observer_) observer_->observe(*linears[i], x);
    }
    // Prepared once for all projections that take x in the same form, and forgotten after them.
    for (size_t kind_index = 0; kind_index < kActivationKinds; ++kind_index) {
      if (!is_used[kind_index]) continue;
      const auto kind = static_cast<ActivationKind>(kind_index);
      const size_t before = arena_.mark();
      std::byte* memory = arena_.bytes(prepared_bytes(kind, x.rows, x.cols));
      if (!counting() && x.rows > 0) {
        const PreparedActivations prepared = prepare_activations(kind, x, memory, *pool_);
        Projection projections[4];
        size_t n = 0;
        for (size_t i = 0; i < linears.size(); ++i) {
          const Linear& linear = *linears[i];
          if (activation_kind(linear.weight) == kind)
            projections[n++] = {outs[i], &linear.weight, linear.bias};
        }
        matmul_many({projections, n}, prepared, *pool_);
      }
      arena_.release(before);
    }
    if (counting() || mixes_.empty()) return;
    for (size_t i = 0; i < linears.size(); ++i) {
      if (!linears[i]->adapters.empty()) adapt(outs[i], x, *linears[i]);
    }
  }

  TensorView rms_norm(TensorView x, std::span<const float> weight, float eps) override {
    const TensorView out = arena_.matrix(x.rows, x.cols);
    const auto n = static_cast<int64_t>(weight.size());
    JIANG_CHECK(n > 0 && x.cols % n == 0, "the norm's weight does not divide the row");
    if (counting()) return out;
    by_rows(out, [&](int64_t i) {
      for (int64_t c = 0; c < x.cols; c += n) {
        rows_.rms_norm(out.row(i) + c, x.row(i) + c, weight.data(), n, eps);
      }
    });
    return out;
  }

  TensorView layer_norm(TensorView x, std::span<const float> weight, std::span<const float> bias,
                        float eps) override {
    const TensorView out = arena_.matrix(x.rows, x.cols);
    JIANG_CHECK(x.cols == static_cast<int64_t>(weight.size()) && weight.size() == bias.size(),
                "the norm's weight and bias are as wide as the row");
    if (counting()) return out;
    by_rows(out, [&](int64_t i) {
      rows_.layer_norm(out.row(i), x.row(i), weight.data(), bias.data(), x.cols, eps);
    });
    return out;
  }

  TensorView rope(TensorView x, int32_t head_dim, std::span<const int32_t> positions,
                  const RopeTable& table) override {
    const TensorView out = arena_.matrix(x.rows, x.cols);
    const int64_t pairs = table.rotary_dim / 2;
    JIANG_CHECK(x.cols % head_dim == 0 && table.rotary_dim <= head_dim, "heads of another width");
    JIANG_CHECK(static_cast<int64_t>(table.inv_freq.size()) == pairs, "one frequency per pair");
    JIANG_CHECK(static_cast<int64_t>(positions.size()) == x.rows, "one position per row");
    if (counting()) return out;
    const RopeAngles& angles = angles_.get(positions, table);
    const auto turn = table.interleaved ? rows_.rope_pairs : rows_.rope_halves;
    const size_t rest_bytes = static_cast<size_t>(head_dim - table.rotary_dim) * sizeof(float);
    by_rows(out, [&](int64_t i) {
      const float* cos = angles.cos.data() + i * pairs;
      const float* sin = angles.sin.data() + i * pairs;
      for (int64_t c = 0; c < x.cols; c += head_dim) {
        turn(out.row(i) + c, x.row(i) + c, cos, sin, pairs);
        if (rest_bytes) {
          std::memcpy(out.row(i) + c + table.rotary_dim, x.row(i) + c + table.rotary_dim,
                      rest_bytes);
        }
      }
    });
    return out;
  }

  TensorView attention(TensorView q, TensorView k, TensorView v, const KvLayer* cache,
                       std::span<const SequenceRows> sequences,
                       const AttentionParams& params) override {
    const TensorView out = arena_.matrix(q.rows, q.cols);
    if (counting()) return out;
    if (cache) attention_.store(*pool_, rows_, k, v, *cache, sequences);
    attention_.attend(*pool_, rows_, out, q, k, v, cache, sequences, params);
    return out;
  }

  TensorView activation(TensorView x, Activation kind) override {
    const TensorView out = arena_.matrix(x.rows, x.cols);
    if (counting()) return out;
    by_elements(out, [&](int64_t i, int64_t first, int64_t n) {
      activate(out.row(i) + first, x.row(i) + first, n, kind);
    });
    return out;
  }

  TensorView gated(TensorView gate, TensorView up, Activation kind) override {
    check_same_shape(gate, up);
    const TensorView out = arena_.matrix(gate.rows, gate.cols);
    if (counting()) return out;
    by_elements(out, [&](int64_t i, int64_t first, int64_t n) {
      float* to = out.row(i) + first;
      const float* u = up.row(i) + first;
      if (kind == Activation::silu) return rows_.silu_mul(to, gate.row(i) + first, u, n);
      if (kind == Activation::gelu_tanh) return rows_.gelu_tanh_mul(to, gate.row(i) + first, u, n);
      activate(to, gate.row(i) + first, n, kind);
      for (int64_t c = 0; c < n; ++c) to[c] *= u[c];
    });
    return out;
  }

  TensorView add(TensorView a, TensorView b) override {
    check_same_shape(a, b);
    const TensorView out = arena_.matrix(a.rows, a.cols);
    if (counting()) return out;
    by_elements(out, [&](int64_t i, int64_t first, int64_t n) {
      add_elements(out.row(i) + first, a.row(i) + first, b.row(i) + first, n);
    });
    return out;
  }

  TensorView add_row(TensorView x, std::span<const float> row) override {
    JIANG_CHECK(x.cols == static_cast<int64_t>(row.size()), "the row is as wide as the matrix");
    const TensorView out = arena_.matrix(x.rows, x.cols);
    if (counting()) return out;
    by_elements(out, [&](int64_t i, int64_t first, int64_t n) {
      add_elements(out.row(i) + first, x.row(i) + first, row.data() + first, n);
    });
    return out;
  }

  TensorView scale(TensorView x, float factor) override {
    const TensorView out = arena_.matrix(x.rows, x.cols);
    if (counting()) return out;
    by_elements(out, [&](int64_t i, int64_t first, int64_t n) {
      float* __restrict to = out.row(i) + first;
      const float* from = x.row(i) + first;
      for (int64_t c = 0; c < n; ++c) to[c] = from[c] * factor;
    });
    return out;
  }

  TensorView softcap(TensorView x, float cap) override {
    const TensorView out = arena_.matrix(x.rows, x.cols);
    if (counting()) return out;
    by_elements(out, [&](int64_t i, int64_t first, int64_t n) {
      rows_.softcap(out.row(i) + first, x.row(i) + first, n, cap);
    });
    return out;
  }

  TensorView select_rows(TensorView x, std::span<const int32_t> rows) override {
    const TensorView out = arena_.matrix(static_cast<int64_t>(rows.size()), x.cols);
    if (counting()) return out;
    for (size_t i = 0; i < rows.size(); ++i) {
      JIANG_CHECK(rows[i] >= 0 && rows[i] < x.rows, "a row beyond the matrix");
      std::memcpy(out.row(static_cast<int64_t>(i)), x.row(rows[i]), row_bytes(x));
    }
    return out;
  }

 private:
  // A row's sums are its own: the same for every batch that it runs in.
  void adapt(TensorView y, TensorView x, const Linear& linear) {
    JIANG_CHECK(static_cast<int64_t>(mixes_.size()) == x.rows, "one mix of adapters per row");
    const kernels::TrainingTable& table = kernels::training_table();
    by_rows(y, [&](int64_t i) {
      const AdapterMix* mix = mixes_[static_cast<size_t>(i)];
      if (!mix) return;
      for (const AdapterMix::Part& part : mix->parts) {
        const LinearAdapter& adapter = linear.adapters[static_cast<size_t>(part.adapter)];
        for (int64_t r = 0; r < adapter.rank; ++r) {
          const float h = table.dot(adapter.a.data() + r * x.cols, x.row(i), x.cols);
          table.add_scaled(y.row(i), adapter.b_columns.data() + r * y.cols, h * part.scale, y.cols);
        }
      }
    });
  }

  bool counting() const { return pool_ == nullptr; }
  static size_t row_bytes(TensorView x) { return static_cast<size_t>(x.cols) * sizeof(float); }

  static void check_same_shape(TensorView a, TensorView b) {
    JIANG_CHECK(a.rows == b.rows && a.cols == b.cols, "matrices of different shapes");
  }

  void activate(float* out, const float* x, int64_t n, Activation kind) const {
    switch (kind) {
      case Activation::silu:
        return rows_.silu(out, x, n);
      case Activation::gelu_tanh:
        return rows_.gelu_tanh(out, x, n);
      case Activation::gelu_erf:
        return rows_.gelu_erf(out, x, n);
      case Activation::relu:
        for (int64_t i = 0; i < n; ++i) out[i] = x[i] > 0 ? x[i] : x[i] - x[i];  // NaN stays NaN
        return;
    }
  }

  // work(row) for each row of `out`.
  template <class F>
  void by_rows(TensorView out, const F& work) {
    const auto range = [&](size_t begin, size_t end) {
      for (size_t i = begin; i < end; ++i) work(static_cast<int64_t>(i));
    };
    if (out.rows * out.cols < kWorthSplitting) return range(0, static_cast<size_t>(out.rows));
    pool_->parallel_for(static_cast<size_t>(out.rows), 1, range);
  }

  // work(row, first column, columns) until every element of `out` was met: one row is split too.
  template <class F>
  void by_elements(TensorView out, const F& work) {
    const auto range = [&](size_t begin, size_t end) {
      for (auto at = static_cast<int64_t>(begin); at < static_cast<int64_t>(end);) {
        const int64_t row = at / out.cols;
        const int64_t first = at % out.cols;
        const int64_t n = std::min(out.cols - first, static_cast<int64_t>(end) - at);
        work(row, first, n);
        at += n;
      }
    };
    const auto elements = static_cast<size_t>(out.rows * out.cols);
    if (out.rows * out.cols < kWorthSplitting) return range(0, elements);
    pool_->parallel_for(elements, 64, range);
  }

  ThreadPool* pool_ = nullptr;
  Arena arena_;
  LinearObserver* observer_ = nullptr;
  const kernels::RowTable& rows_;
  std::span<const AdapterMix* const> mixes_;
  RopeAngleCache angles_;
  PagedAttention attention_;
};

}  // namespace

std::unique_ptr<Ops> make_cpu_ops(ThreadPool& pool, size_t arena_bytes, LinearObserver* observer) {
  return std::make_unique<CpuOps>(pool, Arena(arena_bytes), observer);
}

size_t measure_arena(FunctionRef<void(Ops&)> pass) {
  CpuOps ops{Arena::CountOnly{}};
  pass(ops);
  return ops.peak();
}

}  // namespace jiang
