#include "tests/support/model_runner.h"

#include <stdexcept>

namespace jiang {

std::shared_ptr<const Model> load_test_model(const std::string& path, ThreadPool& pool) {
  auto source = open_tensor_source(path);
  if (!source) throw std::runtime_error(source.error().message);
  auto model = load_model(*source, pool);
  if (!model) throw std::runtime_error(model.error().message);
  return *model;
}

ModelRunner::ModelRunner(std::shared_ptr<const Model> model, ThreadPool& pool, KvType kv_type,
                         int32_t max_rows, int64_t capacity_tokens)
    : model_(std::move(model)), work_(pool, model_->workspace_bytes(max_rows, max_rows)) {
  if (model_->config().is_encoder) return;
  auto states = model_->make_state_pool({.capacity_tokens = capacity_tokens, .kv_type = kv_type});
  if (!states) throw std::runtime_error(states.error().message);
  states_ = *std::move(states);
}

size_t ModelRunner::width(OutputKind output) const {
  return static_cast<size_t>(output == OutputKind::logits ? model_->config().vocab_size
                                                          : model_->config().hidden_size);
}

std::vector<float> ModelRunner::run(StateId state, std::span<const TokenId> tokens,
                                    OutputKind output) {
  const Piece piece{state, {tokens.begin(), tokens.end()}};
  return run_batch({&piece, 1}, output);
}

std::vector<float> ModelRunner::run_until(StateId state, std::span<const TokenId> tokens,
                                          const std::function<bool()>& is_abandoned) {
  const Piece piece{state, {tokens.begin(), tokens.end()}};
  return run_batch({&piece, 1}, OutputKind::logits, &is_abandoned);
}

std::vector<float> ModelRunner::run_batch(std::span<const Piece> pieces, OutputKind output,
                                          const std::function<bool()>* is_abandoned) {
  std::vector<TokenId> tokens;
  std::vector<BatchSequence> sequences;
  std::vector<int32_t> wanted;
  for (const Piece& piece : pieces) {
    const auto n_rows = static_cast<int32_t>(piece.tokens.size());
    const int32_t start = piece.state == kNoState ? 0 : states_->length(piece.state);
    if (piece.state != kNoState && !states_->reserve(piece.state, start + n_rows)) {
      throw std::runtime_error("no room in the test's state pool");
    }
    sequences.push_back(
        {piece.state, static_cast<int32_t>(tokens.size()), n_rows, start, piece.adapters});
    tokens.insert(tokens.end(), piece.tokens.begin(), piece.tokens.end());
  }
  for (size_t i = 0; i < tokens.size(); ++i) wanted.push_back(static_cast<int32_t>(i));
  std::vector<float> out(tokens.size() * width(output));
  const auto cols = static_cast<int64_t>(width(output));
  const bool cached = !pieces.empty() && pieces[0].state != kNoState;
  const Batch batch{.tokens = tokens,
                    .sequences = sequences,
                    .wanted = wanted,
                    .output = output,
                    .is_abandoned = is_abandoned};
  if (!model_->forward(batch, cached ? states_.get() : nullptr, work_,
                       {out.data(), static_cast<int64_t>(tokens.size()), cols, cols}))
    return {};
  return out;
}

std::vector<float> all_logits(const std::shared_ptr<const Model>& model, ThreadPool& pool,
                              std::span<const TokenId> tokens, int32_t chunk, KvType kv_type) {
  const size_t step = chunk > 0 ? static_cast<size_t>(chunk) : tokens.size();
  ModelRunner runner(model, pool, kv_type, static_cast<int32_t>(step));
  const StateId state = runner.create();
  std::vector<float> logits;
  for (size_t first = 0; first < tokens.size(); first += step) {
    const auto part =
        runner.run(state, tokens.subspan(first, std::min(step, tokens.size() - first)));
    logits.insert(logits.end(), part.begin(), part.end());
  }
  return logits;
}

}  // namespace jiang
