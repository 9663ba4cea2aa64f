// FakeModel computes nothing, so these tests need no real Ops. Weak: the real one wins where it is
// linked.
#include <memory>

#include "base/check.h"
#include "model/model.h"

namespace jiang {

namespace {

class NoOps final : public Ops {
 public:
  size_t mark() const override { return 0; }
  void release(size_t) override {}
  TensorView copy(TensorView) override { return none(); }
  TensorView embedding(std::span<const TokenId>, const WeightMatrix&, float) override {
    return none();
  }
  TensorView linear(TensorView, const Linear&) override { return none(); }
  void linear_many(TensorView, std::span<const Linear* const>, std::span<TensorView>) override {
    none();
  }
  TensorView rms_norm(TensorView, std::span<const float>, float) override { return none(); }
  TensorView layer_norm(TensorView, std::span<const float>, std::span<const float>,
                        float) override {
    return none();
  }
  TensorView rope(TensorView, int32_t, std::span<const int32_t>, const RopeTable&) override {
    return none();
  }
  TensorView attention(TensorView, TensorView, TensorView, const KvLayer*,
                       std::span<const SequenceRows>, const AttentionParams&) override {
    return none();
  }
  TensorView activation(TensorView, Activation) override { return none(); }
  TensorView gated(TensorView, TensorView, Activation) override { return none(); }
  TensorView add(TensorView, TensorView) override { return none(); }
  TensorView add_row(TensorView, std::span<const float>) override { return none(); }
  TensorView scale(TensorView, float) override { return none(); }
  TensorView softcap(TensorView, float) override { return none(); }
  TensorView select_rows(TensorView, std::span<const int32_t>) override { return none(); }

 private:
  static TensorView none() { throw BugError("the fake model uses no ops"); }
};

}  // namespace

__attribute__((weak)) std::unique_ptr<Ops> make_cpu_ops(ThreadPool&, size_t, LinearObserver*) {
  return std::make_unique<NoOps>();
}

}  // namespace jiang
