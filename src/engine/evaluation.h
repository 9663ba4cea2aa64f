// Evaluation: one whole pass over given tokens with state of its own, in chunks that the engine
// runs between its steps, so that a long text does not hold up the streams.
// Belongs to the step thread, but for the future.
#pragma once

#include <future>
#include <memory>
#include <vector>

#include "model/model.h"

namespace jiang {

class Evaluation {
 public:
  // Rows of one chunk. All of them are wanted, so it is the logits that need the room.
  static constexpr int32_t kRows = 64;

  Evaluation(const Model& model, std::vector<TokenId> ids, OutputKind output, KvType kv_type,
             AdapterMix adapters)
      : model_(model),
        ids_(std::move(ids)),
        output_(output),
        kv_type_(kv_type),
        adapters_(std::move(adapters)) {}

  std::future<Result<Tensor>> result() { return promise_.get_future(); }

  // Runs the next chunk; true when the promise has been kept.
  bool advance(Workspace& work);
  void fail_with(Error error) { promise_.set_value(std::move(error)); }

  // Rows that a chunk of this model has: an encoder sees its whole input at once.
  static int32_t rows_of(const Model& model, int32_t context) {
    return model.config().is_encoder ? context : std::min(context, kRows);
  }
  // Bytes of state and outputs for n_ids.
  static uint64_t bytes_needed(const Model& model, size_t n_ids, OutputKind output, KvType kv_type);

 private:
  Status run_chunk(Workspace& work);

  const Model& model_;
  const std::vector<TokenId> ids_;
  const OutputKind output_;
  const KvType kv_type_;
  const AdapterMix adapters_;
  std::promise<Result<Tensor>> promise_;

  std::unique_ptr<StatePool> pool_;
  StateId state_ = kNoState;
  Tensor out_;  // (ids, vocab_size or hidden_size)
  int32_t n_done_ = 0;
};

}  // namespace jiang
