// Error compensation between columns (weight_format.h): GPTQ's idea, arXiv 2210.17323, for blocks
// whose scales are already there and may still move.
//
// Within each block of products (256 columns), with H and the unit upper factor U of it:
//
//  1. Codes from left to right, each nearest to its weight less what the columns before it left
//     over: H = U D U^T gives r H r^T = sum_j D_j (r U)_j^2, so column j aims at making (r U)_j
//     small. This is GPTQ's rule.
//  2. Then in turn, each step only where it lessens r H r^T: whole-number scales and minima of the
//     sub-blocks, the common steps d and dmin, and codes one by one, all others held fixed.
#include "quant/block_views.h"
#include "quant/codecs.h"
#include "quant/column_products.h"
#include "quant/lanes.h"

namespace jiang {
namespace {

constexpr int kCompensationRounds = 2;

// n a multiple of 16. Four sums, so that additions need not wait for each other.
float dot(const float* a, const float* b, int n) {
  Lanes sums[4] = {splat(0), splat(0), splat(0), splat(0)};
  for (int i = 0; i < n; i += 4 * kLanes) {
    for (int k = 0; k < 4; ++k) sums[k] += load(a + i + k * kLanes) * load(b + i + k * kLanes);
  }
  return sum((sums[0] + sums[1]) + (sums[2] + sums[3]));
}

// y += factor * x
void add_scaled(float* y, const float* x, float factor, int n) {
  for (int i = 0; i < n; i += kLanes) store(y + i, load(y + i) + splat(factor) * load(x + i));
}

float as_f16(float x) { return f16_to_f32(f32_to_f16(std::clamp(x, -65504.0f, 65504.0f))); }

// A window of a row: up to 256 weights, whose blocks are worked on together.
template <class Layout>
class Window {
 public:
  Window(const float* x, const ColumnProducts::Block& h) : n_(h.n), h_(h) {
    std::copy(x, x + n_, x_);
  }

  void run(void* blocks, int64_t first_block) {
    const int count = n_ / Layout::kBlock;
    for (int b = 0; b < count; ++b) {
      Layout::read(&views_[b], load_block<typename Layout::Block>(blocks, first_block + b));
    }
    decode_all();
    measure();
    const float before = error();
    feed_back();
    measure();
    for (int round = 0; round < kCompensationRounds; ++round) {
      for (int b = 0; b < count; ++b) {
        improve_scales(views_[b], b * Layout::kBlock);
        improve_steps(views_[b], b * Layout::kBlock);
      }
      decode_all();
      measure();  // afresh, so that rounding does not add up
      improve_codes();
    }
    decode_all();
    measure();
    if (!(error() < before)) return;
    for (int b = 0; b < count; ++b) {
      typename Layout::Block block{};
      Layout::write(&block, views_[b]);
      store_block(blocks, first_block + b, block);
    }
  }

 private:
  static constexpr int kSub = Layout::kSub;
  static constexpr int kSubs = Layout::kBlock / kSub;  // of a block

  BlockView& view_of(int column) { return views_[column / Layout::kBlock]; }

  void decode_all() {
    for (int j = 0; j < n_; j += kSub) {
      const BlockView& view = view_of(j);
      const int s = j % Layout::kBlock / kSub;
      const float scale = view.d * static_cast<float>(view.scales[s]);
      const float min = view.dmin * static_cast<float>(view.mins[s]);
      for (int i = 0; i < kSub; ++i)
        y_[j + i] = scale * Layout::grid(view.codes[j % Layout::kBlock + i]) - min;
    }
  }

  // gradient_ = H (x - y)
  void measure() {
    for (int i = 0; i < n_; ++i) rest_[i] = x_[i] - y_[i];
    for (int i = 0; i < n_; ++i) gradient_[i] = dot(h_.products + i * n_, rest_, n_);
  }
  float error() const { return dot(gradient_, rest_, n_); }

  // y of columns [first, first + n) becomes y + change.
  void apply(int first, int n, const float* change) {
    for (int i = 0; i < n; ++i) {
      if (change[i] == 0) continue;
      y_[first + i] += change[i];
      add_scaled(gradient_, h_.products + (first + i) * n_, -change[i], n_);
    }
  }

  void feed_back() {
    std::copy(x_, x_ + n_, aim_);
    for (int j = 0; j < n_; ++j) {
      BlockView& view = view_of(j);
      const int s = j % Layout::kBlock / kSub;
      const float scale = view.d * static_cast<float>(view.scales[s]);
      const float min = view.dmin * static_cast<float>(view.mins[s]);
      uint8_t& code = view.codes[j % Layout::kBlock];
      if (scale != 0) code = static_cast<uint8_t>(Layout::nearest((aim_[j] + min) / scale));
      y_[j] = scale * Layout::grid(code) - min;
      // Columns after j aim at x - sum_i (y_i - x_i) U_ij.
      add_scaled(aim_, h_.feedback + j * n_, x_[j] - y_[j], n_);
    }
  }

  void improve_codes() {
    for (int j = 0; j < n_; ++j) {
      BlockView& view = view_of(j);
      const int s = j % Layout::kBlock / kSub;
      const float scale = view.d * static_cast<float>(view.scales[s]);
      const float own = h_.products[j * n_ + j];
      if (scale == 0 || !(own > 0)) continue;
      const float min = view.dmin * static_cast<float>(view.mins[s]);
      const float aim = y_[j] + gradient_[j] / own;
      const int code = Layout::nearest((aim + min) / scale);
      uint8_t& now = view.codes[j % Layout::kBlock];
      if (code == now) continue;
      const float change = scale * (Layout::grid(code) - Layout::grid(now));
      now = static_cast<uint8_t>(code);
      apply(j, 1, &change);
    }
  }

  // Adding t * direction to y of `n` columns lessens the error by t (2 direction.gradient -
  // t direction.H.direction): the best t is their quotient.
  struct Slope {
    float along = 0, curve = 0;
    float best() const { return curve > 0 ? along / curve : 0; }
    float gain(float t) const { return t * (2 * along - t * curve); }
  };
  Slope slope(int first, int n, const float* direction) const {
    Slope slope;
    slope.along = dot(direction, gradient_ + first, n);
    for (int i = 0; i < n; ++i) {
      slope.curve += direction[i] * dot(direction, h_.products + (first + i) * n_ + first, n);
    }
    return slope;
  }
  void move(int first, int n, const float* direction, float t) {
    alignas(16) float change[kSuperBlock];
    for (int i = 0; i < n; ++i) change[i] = t * direction[i];
    apply(first, n, change);
  }

  // The whole-number scales and minima of sub-blocks.
  void improve_scales(BlockView& view, int first) {
    if constexpr (Layout::kBlock == kSub) return;
    alignas(16) float direction[kSub];
    for (int s = 0; s < kSubs; ++s) {
      const int at = first + s * kSub;
      auto improve = [&](int& number, int least, int most) {
        const Slope line = slope(at, kSub, direction);
        const int wanted =
            number + static_cast<int>(std::lrint(std::clamp(line.best(), -64.0f, 64.0f)));
        const int next = std::clamp(wanted, least, most);
        const auto t = static_cast<float>(next - number);
        if (next == number || line.gain(t) <= 0) return;
        move(at, kSub, direction, t);
        number = next;
      };
      for (int i = 0; i < kSub; ++i) direction[i] = view.d * Layout::grid(view.codes[s * kSub + i]);
      improve(view.scales[s], Layout::kLeastScale, Layout::kMostScale);
      if constexpr (Layout::kMostMin > 0) {
        std::fill(direction, direction + kSub, -view.dmin);
        improve(view.mins[s], Layout::kLeastMin, Layout::kMostMin);
      }
    }
  }

  // The steps that all sub-blocks of a block share.
  void improve_steps(BlockView& view, int first) {
    alignas(16) float direction[Layout::kBlock];
    auto improve = [&](float& step, bool may_be_negative) {
      const Slope line = slope(first, Layout::kBlock, direction);
      const float next = as_f16(step + line.best());
      const float t = next - step;
      if (t == 0 || line.gain(t) <= 0 || (next < 0 && !may_be_negative)) return;
      move(first, Layout::kBlock, direction, t);
      step = next;
    };
    for (int i = 0; i < Layout::kBlock; ++i) {
      direction[i] = static_cast<float>(view.scales[i / kSub]) * Layout::grid(view.codes[i]);
    }
    improve(view.d, Layout::kMostMin == 0 || Layout::kMinMayBeNegative);
    if constexpr (Layout::kMostMin > 0) {
      for (int i = 0; i < Layout::kBlock; ++i)
        direction[i] = -static_cast<float>(view.mins[i / kSub]);
      improve(view.dmin, Layout::kMinMayBeNegative);
    }
  }

  const int n_;
  const ColumnProducts::Block h_;
  BlockView views_[kProductColumns / Layout::kBlock];
  alignas(16) float x_[kProductColumns], y_[kProductColumns], rest_[kProductColumns];
  alignas(16) float aim_[kProductColumns], gradient_[kProductColumns];
};

template <class Layout>
void compensate(void* blocks, const float* x, int64_t n, const ColumnProducts& products) {
  for (int64_t first = 0; first < n; first += kProductColumns) {
    Window<Layout> window(x + first, products.block(first));
    window.run(blocks, first / Layout::kBlock);
  }
}

}  // namespace

void compensate_q4_0(void* blocks, const float* x, int64_t n, const ColumnProducts& products) {
  compensate<LayoutQ4_0>(blocks, x, n, products);
}
void compensate_q4_1(void* blocks, const float* x, int64_t n, const ColumnProducts& products) {
  compensate<LayoutQ4_1>(blocks, x, n, products);
}
void compensate_q5_0(void* blocks, const float* x, int64_t n, const ColumnProducts& products) {
  compensate<LayoutQ5_0>(blocks, x, n, products);
}
void compensate_q5_1(void* blocks, const float* x, int64_t n, const ColumnProducts& products) {
  compensate<LayoutQ5_1>(blocks, x, n, products);
}
void compensate_q2_k(void* blocks, const float* x, int64_t n, const ColumnProducts& products) {
  compensate<LayoutQ2_K>(blocks, x, n, products);
}
void compensate_q3_k(void* blocks, const float* x, int64_t n, const ColumnProducts& products) {
  compensate<LayoutQ3_K>(blocks, x, n, products);
}
void compensate_q4_k(void* blocks, const float* x, int64_t n, const ColumnProducts& products) {
  compensate<LayoutQ4_K>(blocks, x, n, products);
}
void compensate_q5_k(void* blocks, const float* x, int64_t n, const ColumnProducts& products) {
  compensate<LayoutQ5_K>(blocks, x, n, products);
}
void compensate_q6_k(void* blocks, const float* x, int64_t n, const ColumnProducts& products) {
  compensate<LayoutQ6_K>(blocks, x, n, products);
}
void compensate_iq4_nl(void* blocks, const float* x, int64_t n, const ColumnProducts& products) {
  compensate<LayoutIQ4_NL>(blocks, x, n, products);
}
void compensate_iq4_xs(void* blocks, const float* x, int64_t n, const ColumnProducts& products) {
  compensate<LayoutIQ4_XS>(blocks, x, n, products);
}

}  // namespace jiang
