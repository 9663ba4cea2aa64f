// Runs a model on one sequence, in the chunks that a test wants.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/thread_pool.h"
#include "model/model.h"

namespace jiang {

// Opens and loads; throws std::runtime_error with the message on failure.
std::shared_ptr<const Model> load_test_model(const std::string& path, ThreadPool& pool);

class ModelRunner {
 public:
  ModelRunner(std::shared_ptr<const Model> model, ThreadPool& pool, KvType kv_type = KvType::f32,
              int32_t max_rows = 64, int64_t capacity_tokens = 512);

  StatePool& states() { return *states_; }
  StateId create() { return states_->create(); }
  // The outputs of every token, (n, width) row by row; appends to the state.
  std::vector<float> run(StateId state, std::span<const TokenId> tokens,
                         OutputKind output = OutputKind::logits);
  // The same, unless `is_abandoned` ends it between layers: then nothing.
  std::vector<float> run_until(StateId state, std::span<const TokenId> tokens,
                               const std::function<bool()>& is_abandoned);
  // One step with rows of several sequences; the outputs of all rows in order.
  struct Piece {
    StateId state;
    std::vector<TokenId> tokens;
    const AdapterMix* adapters = nullptr;
  };
  std::vector<float> run_batch(std::span<const Piece> pieces,
                               OutputKind output = OutputKind::logits,
                               const std::function<bool()>* is_abandoned = nullptr);
  size_t width(OutputKind output) const;

 private:
  std::shared_ptr<const Model> model_;
  Workspace work_;
  std::unique_ptr<StatePool> states_;
};

// Logits of all positions of `tokens` from a fresh state, prefilled in chunks of `chunk` (0:
// whole).
std::vector<float> all_logits(const std::shared_ptr<const Model>& model, ThreadPool& pool,
                              std::span<const TokenId> tokens, int32_t chunk = 0,
                              KvType kv_type = KvType::f32);

}  // namespace jiang
