#include "engine/evaluation.h"

#include <algorithm>
#include <exception>
#include <numeric>

namespace jiang {

namespace {

int64_t columns(const Model& model, OutputKind output) {
  return output == OutputKind::logits ? model.config().vocab_size : model.config().hidden_size;
}

}  // namespace

uint64_t Evaluation::bytes_needed(const Model& model, size_t n_ids, OutputKind output,
                                  KvType kv_type) {
  const uint64_t state = model.config().is_encoder ? 0 : model.state_bytes_per_token(kv_type);
  return n_ids * (state + static_cast<uint64_t>(columns(model, output)) * sizeof(float));
}

bool Evaluation::advance(Workspace& work) {
  const size_t mark = work.ops().mark();
  try {
    const Status status = run_chunk(work);
    if (!status) {
      promise_.set_value(status.error());
      return true;
    }
  } catch (const std::exception& exception) {
    work.ops().release(mark);
    promise_.set_value(fail(ErrorKind::unsupported,
                            "the evaluation failed, this is a bug of jiang: {}", exception.what()));
    return true;
  }
  if (n_done_ < static_cast<int32_t>(ids_.size())) return false;
  pool_.reset();
  promise_.set_value(std::move(out_));
  return true;
}

Status Evaluation::run_chunk(Workspace& work) {
  const auto n_ids = static_cast<int32_t>(ids_.size());
  const bool is_encoder = model_.config().is_encoder;
  if (n_done_ == 0) {
    out_ = Tensor(n_ids, columns(model_, output_));
    if (!is_encoder) {
      TRY(pool_, model_.make_state_pool({.capacity_tokens = n_ids, .kv_type = kv_type_}));
      state_ = pool_->create();
      if (!pool_->reserve(state_, n_ids)) {
        return fail(ErrorKind::too_large, "the state of {} tokens does not fit its own pool of {}",
                    n_ids, pool_->capacity_tokens());
      }
    }
  }
  const int32_t n_rows = is_encoder ? n_ids : std::min(kRows, n_ids - n_done_);
  std::vector<int32_t> wanted(static_cast<size_t>(n_rows));
  std::iota(wanted.begin(), wanted.end(), 0);
  const BatchSequence rows{.state = state_,
                           .first_row = 0,
                           .n_rows = n_rows,
                           .start_position = n_done_,
                           .adapters = adapters_.parts.empty() ? nullptr : &adapters_};
  const Batch batch{
      .tokens = std::span(ids_).subspan(static_cast<size_t>(n_done_), static_cast<size_t>(n_rows)),
      .sequences = {&rows, 1},
      .wanted = wanted,
      .output = output_};
  model_.forward(batch, pool_.get(), work, out_.view().rows_from(n_done_, n_rows));
  n_done_ += n_rows;
  return ok();
}

}  // namespace jiang
