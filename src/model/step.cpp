#include "model/step.h"

#include <algorithm>
#include <cstring>

#include "base/check.h"

namespace jiang {

Step begin_step(const Batch& batch, StatePool* pool, Workspace& work, int32_t max_positions,
                bool is_bounded) {
  auto* cache = dynamic_cast<KvCache*>(pool);
  JIANG_CHECK(!pool || cache, "the state pool was made by another kind of model");
  work.positions.clear();
  work.sequences.clear();
  work.adapters.clear();
  const bool adapts = std::any_of(batch.sequences.begin(), batch.sequences.end(),
                                  [](const BatchSequence& s) { return s.adapters != nullptr; });
  for (const BatchSequence& sequence : batch.sequences) {
    JIANG_CHECK(
        sequence.first_row == static_cast<int32_t>(work.positions.size()) && sequence.n_rows > 0,
        "sequences follow each other and cover every row");
    SequenceRows rows{.first_row = sequence.first_row,
                      .n_rows = sequence.n_rows,
                      .start_position = sequence.start_position,
                      .blocks = {}};
    if (cache) {
      JIANG_CHECK(sequence.start_position == cache->length(sequence.state),
                  "a step goes on where its sequence ends");
      rows.blocks = cache->blocks(sequence.state);
    } else {
      JIANG_CHECK(sequence.start_position == 0, "without a cache a sequence comes whole");
    }
    JIANG_CHECK(!is_bounded || int64_t{sequence.start_position} + sequence.n_rows <= max_positions,
                "a position beyond the model's last");
    for (int32_t i = 0; i < sequence.n_rows; ++i)
      work.positions.push_back(sequence.start_position + i);
    work.sequences.push_back(rows);
    if (adapts)
      work.adapters.insert(work.adapters.end(), static_cast<size_t>(sequence.n_rows),
                           sequence.adapters);
  }
  JIANG_CHECK(work.positions.size() == batch.tokens.size(), "sequences cover every row");
  work.ops().set_adapters(work.adapters);
  return {.tokens = batch.tokens,
          .positions = work.positions,
          .sequences = work.sequences,
          .wanted = batch.wanted,
          .cache = cache,
          .output = batch.output,
          .is_abandoned = batch.is_abandoned};
}

void end_step(const Batch& batch, StatePool* pool) {
  if (!pool) return;
  for (const BatchSequence& sequence : batch.sequences) {
    pool->set_length(sequence.state, sequence.start_position + sequence.n_rows);
  }
}

size_t measure_step(int32_t n_rows, int32_t n_wanted, FunctionRef<void(Ops&, const Step&)> pass) {
  const std::vector<int32_t> zeros(static_cast<size_t>(std::max(n_rows, n_wanted)), 0);
  const std::span<const int32_t> rows(zeros.data(), static_cast<size_t>(n_rows));
  const Step step{
      .tokens = rows, .positions = rows, .wanted = {zeros.data(), static_cast<size_t>(n_wanted)}};
  return measure_arena([&](Ops& ops) { pass(ops, step); });
}

void copy_rows(TensorView from, TensorView to) {
  JIANG_CHECK(from.rows == to.rows && from.cols == to.cols, "matrices of different shapes");
  for (int64_t i = 0; i < from.rows; ++i) {
    std::memcpy(to.row(i), from.row(i), static_cast<size_t>(from.cols) * sizeof(float));
  }
}

}  // namespace jiang
