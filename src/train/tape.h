// Tape: Ops that compute a forward pass and remember it, so that gradients can flow back through
// it. Models do not know it: Model::hidden_states() runs over a Tape as over CpuOps.
//
//   tape.begin(...);
//   TensorView h = model.hidden_states(batch, workspace over this tape);
//   ... loss.h writes the gradient of h: tape.add_gradient(h) ...
//   tape.backward();       // parameters' gradients grow by this batch's share
//
// Memory is given back as soon as neither direction needs it. With checkpointing only the residual
// stream between layers is kept, and a layer is computed again when its gradient is due.
// Bit-identical for any number of threads.
#pragma once

#include <memory>
#include <span>
#include <unordered_map>
#include <vector>

#include "kernels/table.h"
#include "ops/gemm.h"
#include "ops/ops.h"
#include "ops/rope_angles.h"
#include "train/attention_gradient.h"
#include "train/attention_gradient_bf16.h"
#include "train/block_pool.h"
#include "train/linear_products.h"
#include "train/parameters.h"

namespace jiang {

enum class TapeMode : uint8_t {
  forward_only,   // evaluation: nothing is remembered
  remember_all,   // every input that a gradient needs
  checkpointing,  // inputs of layers only
};

// Sees the input of every linear, and the gradients of the outputs of linears and embeddings, in
// the backward pass.
class GradientObserver {
 public:
  virtual ~GradientObserver() = default;
  virtual void observe(const Linear& linear, TensorView x, TensorView dy) = 0;
  // The output was `scale` times the rows of the table.
  virtual void observe_lookup(const WeightMatrix& table, float scale, TensorView dy) = 0;
};

class Tape final : public Ops {
 public:
  Tape(ThreadPool& pool, const Bindings& bindings, size_t memory_bytes,
       Compute compute = Compute::f32);
  // Only counts the memory that a step needs: tape_memory().
  struct CountOnly {};
  Tape(CountOnly, const Bindings& bindings, Compute compute = Compute::f32);
  ~Tape() override;

  // Forgets everything. Equal seeds drop the same inputs of adapters.
  void begin(TapeMode mode, uint64_t dropout_seed);
  // Gradients then flow through the whole model even if nothing trains. It outlives the tape.
  void set_observer(GradientObserver* observer) { observer_ = observer; }
  bool counting() const { return pool_ == nullptr; }
  size_t peak_bytes() const { return blocks_.peak(); }
  // Of a counting tape: what packed factors of products take beside that.
  size_t product_bytes() const { return products_.counted_bytes(); }
  ThreadPool& pool() { return *pool_; }
  const Bindings& bindings() const { return bindings_; }

  // The gradient of a value that this tape returned, zero at first; an empty view if nothing that
  // trains lies before it.
  TensorView add_gradient(TensorView value);
  void backward();

  // Scratch that lives until give_back.
  TensorView scratch(int64_t rows, int64_t cols);
  void give_back(TensorView scratch);
  // y = x W^T + b (+ adapter, without dropout), outside of the record: the loss's head.
  void apply_linear(TensorView y, TensorView x, const Linear& linear) {
    apply_linear(y, x, kNone, linear);
  }
  // dx = or += dy W; the weight's own gradient grows by dy^T x. dx may be empty.
  void linear_backward(TensorView dx, GemmMode mode, TensorView dy, TensorView x,
                       const Linear& linear) {
    linear_backward(dx, mode, dy, x, kNone, linear);
  }

  size_t mark() const override { return 0; }
  void release(size_t) override {}
  // A tape has adapters of its own: those that train.
  void set_adapters(std::span<const AdapterMix* const>) override {}
  TensorView keep(size_t mark, TensorView x) override;
  TensorView copy(TensorView x) override;
  TensorView embedding(std::span<const TokenId> ids, const WeightMatrix& table,
                       float scale) override;
  TensorView linear(TensorView x, const Linear& linear) override;
  void linear_many(TensorView x, std::span<const Linear* const> linears,
                   std::span<TensorView> outs) override;
  TensorView rms_norm(TensorView x, std::span<const float> weight, float eps) override;
  TensorView layer_norm(TensorView x, std::span<const float> weight, std::span<const float> bias,
                        float eps) override;
  TensorView rope(TensorView x, int32_t head_dim, std::span<const int32_t> positions,
                  const RopeTable& table) override;
  TensorView attention(TensorView q, TensorView k, TensorView v, const KvLayer* cache,
                       std::span<const SequenceRows> sequences,
                       const AttentionParams& params) override;
  TensorView activation(TensorView x, Activation kind) override;
  TensorView gated(TensorView gate, TensorView up, Activation kind) override;
  TensorView add(TensorView a, TensorView b) override;
  TensorView add_row(TensorView x, std::span<const float> row) override;
  TensorView scale(TensorView x, float factor) override;
  TensorView softcap(TensorView x, float cap) override;
  TensorView select_rows(TensorView x, std::span<const int32_t> rows) override;

 private:
  struct Node;
  struct Value;

  using ValueId = int32_t;
  static constexpr ValueId kNone = -1;

  ValueId value_of(TensorView x) const;
  ValueId new_value(int64_t rows, int64_t cols, bool needs_gradient);
  TensorView record(Node node, int64_t rows, int64_t cols, bool trains);
  void allocate(ValueId id);
  void drop(ValueId id);
  void run(const Node& node);
  void run_backward(const Node& node);
  void backward_segment(size_t first_node, size_t end_node);

  // The buffer that a gradient of `id` is written to: overwritten when `fresh`, else added to.
  struct Target {
    TensorView view;
    bool fresh;
    GemmMode mode() const { return fresh ? GemmMode::overwrite : GemmMode::accumulate; }
  };
  Target target(ValueId id);
  void share_gradient(ValueId to, ValueId from);
  void release_gradient(ValueId id);
  int32_t new_buffer(size_t n_floats);
  void unref(int32_t buffer);

  Parameter* vector_parameter(std::span<const float> values) const;
  std::span<const float> current(std::span<const float> values) const;
  void embedding_forward(const Node& node);
  void embedding_backward(const Node& node, TensorView dy);
  void apply_linear(TensorView y, TensorView x, ValueId x_id, const Linear& linear);
  void linear_backward(TensorView dx, GemmMode mode, TensorView dy, TensorView x, ValueId x_id,
                       const Linear& linear);
  void linear_forward(const Node& node);
  void linear_node_backward(const Node& node, TensorView dy);
  void norm_backward(const Node& node, TensorView dy);
  void layer_norm_backward(const Node& node, TensorView dy);
  void attention_backward(const Node& node, TensorView dy);
  void rope_to(TensorView out, TensorView x, const Node& node, bool backward);
  void adapter_forward(TensorView y, TensorView x, const Adapter& adapter, uint64_t node_seed);
  void adapter_backward(TensorView dx, TensorView dy, TensorView x, const Adapter& adapter,
                        uint64_t node_seed);
  // Adds the sums of dy's columns to a vector's gradient.
  void add_columns(Parameter& to, TensorView dy);
  // work(row) for every row, on all threads if that is worth it.
  template <class F>
  void by_rows(int64_t rows, int64_t cols, const F& work);
  template <class F>
  void by_columns(int64_t rows, int64_t cols, const F& work);

  ThreadPool* pool_ = nullptr;
  const Bindings& bindings_;
  BlockPool blocks_;
  Compute compute_;
  LinearProducts products_;
  TrainingAttention attention_;
  Bf16Attention bf16_attention_;
  RopeAngleCache angles_;
  const kernels::RowTable& rows_;

  GradientObserver* observer_ = nullptr;
  TapeMode mode_ = TapeMode::forward_only;
  uint64_t dropout_seed_ = 0;
  std::vector<Node> nodes_;
  std::vector<Value> values_;
  std::unordered_map<const float*, ValueId> by_address_;
  std::vector<ValueId> live_;         // values of the current segment
  std::vector<size_t> segment_ends_;  // node counts at each keep()
  struct Buffer {
    float* data;
    size_t n_floats;
    int32_t references;
  };
  std::vector<Buffer> buffers_;
};

}  // namespace jiang
