#include "engine/guesser.h"

#include <algorithm>

#include "base/check.h"
#include "engine/draft_model.h"
#include "engine/lookup.h"

namespace jiang {

Guesser::Guesser(std::vector<std::unique_ptr<GuessSource>> sources)
    : sources_(std::move(sources)) {}

void Guesser::guess(std::span<const GuessTurn> turns, int32_t rows) {
  left_.assign(turns.begin(), turns.end());
  for (const auto& source : sources_) {
    if (left_.empty() || rows <= 0) return;
    source->guess(left_, rows);
    for (const GuessTurn& turn : left_) {
      const auto n = static_cast<int32_t>(turn.sequence->guesses.size());
      JIANG_CHECK(n <= turn.most, "more guesses than the answer has room for");
      turn.sequence->guessed_by = source->kind();
      rows -= n;
    }
    JIANG_CHECK(rows >= 0, "more guesses than the step has rows for");
    std::erase_if(left_, [](const GuessTurn& turn) { return !turn.sequence->guesses.empty(); });
  }
}

void Guesser::record(const Sequence& sequence, int32_t n_right) {
  for (const auto& source : sources_) {
    if (source->kind() == sequence.guessed_by) source->record(sequence, n_right);
  }
}

void Guesser::forget(const Sequence& sequence) {
  for (const auto& source : sources_) source->forget(sequence);
}

Result<std::unique_ptr<Guesser>> make_guesser(const Model& model, const EngineOptions& options,
                                              int64_t state_tokens, ThreadPool& pool) {
  std::vector<std::unique_ptr<GuessSource>> sources;
  if (options.lookup) sources.push_back(std::make_unique<Lookup>());
  if (options.draft) {
    TRY(sources.emplace_back(), DraftModel::create({.draft = options.draft,
                                                    .model = model,
                                                    .pool = pool,
                                                    .state_tokens = state_tokens,
                                                    .kv_type = options.kv_type,
                                                    .prefix_cache = options.prefix_cache}));
  }
  if (sources.empty()) return std::unique_ptr<Guesser>();
  return std::make_unique<Guesser>(std::move(sources));
}

}  // namespace jiang
