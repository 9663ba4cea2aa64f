// Ops: the verbs that a forward pass is written in. The pass is written once over this interface:
// CpuOps executes it, training records it.
//
// Every verb returns a new tensor whose memory belongs to the Ops and lives until release() of a
// mark taken before it; nothing is allocated from the heap inside a step. Inputs are never changed,
// but for the K/V blocks that attention() fills. Shapes are (rows = tokens, cols).
// Not thread-safe: one Ops belongs to one step loop.
#pragma once

#include <cstdint>
#include <span>

#include "base/token.h"
#include "ops/attention.h"
#include "ops/linear.h"
#include "ops/rope.h"
#include "quant/weight_matrix.h"
#include "tensor/tensor.h"

namespace jiang {

enum class Activation : uint8_t { silu, gelu_tanh, gelu_erf, relu };

class Ops {
 public:
  virtual ~Ops() = default;

  // Arena control: `const auto mark = ops.mark(); ... ops.release(mark);` frees what came between.
  virtual size_t mark() const = 0;
  virtual void release(size_t mark) = 0;
  // release(mark), but for x, which moves to the front of what was freed.
  virtual TensorView keep(size_t mark, TensorView x) = 0;
  // The same values in fresh memory.
  virtual TensorView copy(TensorView x) = 0;

  // The mix of each row of the passes to come, nullptr: no adapter. Empty: nobody has one. The span
  // is used until it is set again. Rows that select_rows() returned have none.
  virtual void set_adapters(std::span<const AdapterMix* const> of_rows) = 0;

  // out[i] = scale * table[ids[i]]                                        (n_ids, table.cols)
  virtual TensorView embedding(std::span<const TokenId> ids, const WeightMatrix& table,
                               float scale) = 0;
  // out = x W^T + b                                                        (x.rows, out_features)
  virtual TensorView linear(TensorView x, const Linear& linear) = 0;
  // Several projections of the same x: the activation is quantised once. At most 4.
  virtual void linear_many(TensorView x, std::span<const Linear* const> linears,
                           std::span<TensorView> outs) = 0;
  // x / rms(x) * weight, over each chunk of weight.size() columns (a head, or the whole row).
  virtual TensorView rms_norm(TensorView x, std::span<const float> weight, float eps) = 0;
  virtual TensorView layer_norm(TensorView x, std::span<const float> weight,
                                std::span<const float> bias, float eps) = 0;
  // x (tokens, n_heads * head_dim), turned by its tokens' positions.
  virtual TensorView rope(TensorView x, int32_t head_dim, std::span<const int32_t> positions,
                          const RopeTable& table) = 0;
  // Writes k and v (tokens, n_kv_heads * head_dim) into the layer's blocks, then
  // out = softmax(scale * q K^T + mask) V for each sequence.        (tokens, n_heads * head_dim)
  // With cache == nullptr (encoders, training) each sequence attends to its own rows of k and v.
  virtual TensorView attention(TensorView q, TensorView k, TensorView v, const KvLayer* cache,
                               std::span<const SequenceRows> sequences,
                               const AttentionParams& params) = 0;
  virtual TensorView activation(TensorView x, Activation kind) = 0;
  // activation(gate) * up
  virtual TensorView gated(TensorView gate, TensorView up, Activation kind) = 0;
  virtual TensorView add(TensorView a, TensorView b) = 0;
  // Each row plus `row` (x.cols).
  virtual TensorView add_row(TensorView x, std::span<const float> row) = 0;
  virtual TensorView scale(TensorView x, float factor) = 0;
  virtual TensorView softcap(TensorView x, float cap) = 0;  // cap * tanh(x / cap)
  // out[i] = x[rows[i]]
  virtual TensorView select_rows(TensorView x, std::span<const int32_t> rows) = 0;
};

// Sees the input of every linear() before it is multiplied: importance matrices.
class LinearObserver {
 public:
  virtual ~LinearObserver() = default;
  virtual void observe(const Linear& linear, TensorView x) = 0;
};

}  // namespace jiang
