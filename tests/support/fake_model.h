// FakeModel: a Model without weights, for tests of the engine and of everything above it.
//
// Its logits are a hash of the tokens of positions 0 to p as they are read back from the paged,
// reference-counted state, so any mistake with state (a block shared and overwritten, a wrong
// position, a chunk left out) changes what it says. With a `script` it answers those tokens
// instead.
#pragma once

#include <atomic>
#include <condition_variable>
#include <functional>
#include <limits>
#include <map>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "base/check.h"
#include "model/model.h"

namespace jiang {

// Paged like the real one, but a block holds tokens in place of K and V.
class FakeStatePool final : public StatePool {
 public:
  static constexpr int32_t kBlock = 4;

  static int64_t whole_blocks(int32_t n_tokens) {
    return (n_tokens + kBlock - 1) / kBlock * kBlock;
  }

  explicit FakeStatePool(int64_t capacity_tokens)
      : references_(static_cast<size_t>((capacity_tokens + kBlock - 1) / kBlock)),
        values_(references_.size() * kBlock, -1) {}

  StateId create() override {
    states_[next_] = {};
    return next_++;
  }
  void free(StateId state) override {
    for (const int32_t block : at(state).blocks) release(block);
    states_.erase(state);
  }
  bool reserve(StateId state, int32_t n_tokens) override {
    State& s = at(state);
    const auto wanted = static_cast<size_t>((n_tokens + kBlock - 1) / kBlock);
    size_t copies = 0;
    const auto first_written = static_cast<size_t>(s.length / kBlock);
    for (size_t i = first_written; i < s.blocks.size() && i < wanted; ++i)
      copies += is_shared(s.blocks[i]) ? 1 : 0;
    const size_t fresh = wanted > s.blocks.size() ? wanted - s.blocks.size() : 0;
    if (fresh + copies > n_free()) return false;
    for (size_t i = first_written; i < s.blocks.size() && i < wanted; ++i) {
      if (is_shared(s.blocks[i])) s.blocks[i] = copy(s.blocks[i]);
    }
    while (s.blocks.size() < wanted) s.blocks.push_back(take());
    return true;
  }
  int64_t tokens_to_reserve(StateId state, int32_t n_tokens) const override {
    const auto there = static_cast<int64_t>(states_.at(state).blocks.size()) * kBlock;
    return std::max<int64_t>(0, whole_blocks(n_tokens) - there);
  }
  StateId fork(StateId state, int32_t n_tokens) override {
    JIANG_CHECK(n_tokens <= at(state).length, "fork beyond the values");
    const std::vector<int32_t> blocks = at(state).blocks;
    const auto whole = static_cast<size_t>(n_tokens / kBlock);
    const bool has_part = n_tokens % kBlock != 0;
    if (has_part && n_free() == 0) return kNoState;
    State forked;
    forked.length = n_tokens;
    for (size_t i = 0; i < whole; ++i) {
      ++references_[static_cast<size_t>(blocks[i])];
      forked.blocks.push_back(blocks[i]);
    }
    if (has_part) {
      ++references_[static_cast<size_t>(blocks[whole])];
      forked.blocks.push_back(copy(blocks[whole]));
    }
    states_[next_] = std::move(forked);
    return next_++;
  }
  void trim(StateId state, int32_t n_tokens) override {
    State& s = at(state);
    const auto kept = static_cast<size_t>((n_tokens + kBlock - 1) / kBlock);
    while (s.blocks.size() > kept) {
      release(s.blocks.back());
      s.blocks.pop_back();
    }
    s.length = std::min(s.length, n_tokens);
  }
  int32_t length(StateId state) const override { return states_.at(state).length; }
  void set_length(StateId state, int32_t n_tokens) override { at(state).length = n_tokens; }
  int64_t free_tokens() const override { return static_cast<int64_t>(n_free()) * kBlock; }
  int64_t capacity_tokens() const override {
    return static_cast<int64_t>(references_.size()) * kBlock;
  }
  uint64_t bytes() const override { return values_.size() * sizeof(TokenId); }

  void write(StateId state, int32_t position, TokenId token) {
    const int32_t block = at(state).blocks.at(static_cast<size_t>(position / kBlock));
    JIANG_CHECK(!is_shared(block), "a shared block was written");
    values_[static_cast<size_t>(block * kBlock + position % kBlock)] = token;
  }
  TokenId read(StateId state, int32_t position) const {
    const int32_t block = states_.at(state).blocks.at(static_cast<size_t>(position / kBlock));
    return values_[static_cast<size_t>(block * kBlock + position % kBlock)];
  }
  size_t n_states() const { return states_.size(); }

 private:
  struct State {
    std::vector<int32_t> blocks;
    int32_t length = 0;
  };
  State& at(StateId state) { return states_.at(state); }
  bool is_shared(int32_t block) const { return references_[static_cast<size_t>(block)] > 1; }
  size_t n_free() const {
    size_t n = 0;
    for (const int references : references_) n += references == 0 ? 1 : 0;
    return n;
  }
  int32_t take() {
    for (size_t i = 0; i < references_.size(); ++i) {
      if (references_[i] != 0) continue;
      references_[i] = 1;
      for (int32_t j = 0; j < kBlock; ++j) values_[i * kBlock + static_cast<size_t>(j)] = -1;
      return static_cast<int32_t>(i);
    }
    throw_bug("n_free() > 0", __FILE__, __LINE__, "no free block");
  }
  int32_t copy(int32_t block) {
    const int32_t fresh = take();
    for (int32_t j = 0; j < kBlock; ++j) {
      values_[static_cast<size_t>(fresh * kBlock + j)] =
          values_[static_cast<size_t>(block * kBlock + j)];
    }
    release(block);
    return fresh;
  }
  void release(int32_t block) {
    JIANG_CHECK(references_[static_cast<size_t>(block)] > 0, "a block was freed twice");
    --references_[static_cast<size_t>(block)];
  }

  std::vector<int> references_;  // of each block
  std::vector<TokenId> values_;
  std::map<StateId, State> states_;
  StateId next_ = 0;
};

class FakeModel final : public Model {
 public:
  explicit FakeModel(int32_t vocab_size = 97, int32_t trained_context = 4096) {
    config_.architecture = "FakeForCausalLM";
    config_.model_type = "fake";
    config_.vocab_size = vocab_size;
    config_.hidden_size = 4;
    config_.max_position_embeddings = trained_context;
  }

  // Set before the engine starts.
  std::vector<TokenId> script;                   // the answer's tokens; the last one repeats
  TokenId throw_at = -1;                         // an exception when this token is fed
  TokenId nan_at = -1;                           // NaN logits when this token is fed
  std::function<void(const Batch&)> on_forward;  // before each step, on the step thread
  uint64_t fake_weight_bytes = 1000;
  uint64_t fake_bytes_per_token = 100;
  uint64_t salt = 0;                         // another one: another model
  float sharpness = 1;                       // of its distributions; their order stays
  mutable std::atomic<int> n_abandoned = 0;  // steps that were given up
  ModelConfig& mutable_config() { return config_; }

  // Holds every later step until release(): "the request is now in the middle of X" without sleeps.
  void hold() { set_held(true); }
  void release() { set_held(false); }
  // Returns once a step is being held.
  void wait_until_held() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return n_holding_ > 0; });
  }
  // Lets one step through and returns when the next is held; for that there must be a next.
  void step_once() {
    std::unique_lock lock(mutex_);
    const uint64_t before = n_held_;
    ++n_passes_;
    changed_.notify_all();
    changed_.wait(lock, [&] { return n_held_ > before; });
  }

  const ModelConfig& config() const override { return config_; }
  uint64_t weight_bytes() const override { return fake_weight_bytes; }
  uint64_t parameter_count() const override { return 100; }
  uint64_t bytes_per_token() const override { return fake_bytes_per_token; }
  Result<std::unique_ptr<StatePool>> make_state_pool(
      const StatePoolOptions& options) const override {
    return std::unique_ptr<StatePool>(std::make_unique<FakeStatePool>(options.capacity_tokens));
  }
  uint64_t state_bytes_per_token(KvType type) const override { return type == KvType::f32 ? 8 : 4; }
  int64_t state_tokens(int32_t n_positions) const override {
    return FakeStatePool::whole_blocks(n_positions);
  }
  size_t workspace_bytes(int32_t, int32_t) const override { return 4096; }

  bool forward(const Batch& batch, StatePool* pool, Workspace&, TensorView out) const override {
    wait_while_held();
    if (on_forward) on_forward(batch);
    if (batch.is_abandoned && (*batch.is_abandoned)()) {
      ++n_abandoned;
      return false;
    }
    auto* states = static_cast<FakeStatePool*>(pool);
    size_t next_wanted = 0;
    for (const BatchSequence& sequence : batch.sequences) {
      JIANG_CHECK(states->length(sequence.state) == sequence.start_position,
                  "the state's length is not the start");
      for (int32_t i = 0; i < sequence.n_rows; ++i) {
        const int32_t row = sequence.first_row + i;
        const TokenId token = batch.tokens[static_cast<size_t>(row)];
        if (token == throw_at) throw std::runtime_error("the fake model was told to throw");
        states->write(sequence.state, sequence.start_position + i, token);
        states->set_length(sequence.state, sequence.start_position + i + 1);
        if (next_wanted < batch.wanted.size() && batch.wanted[next_wanted] == row) {
          answer(*states, sequence.state, sequence.start_position + i,
                 out.row(static_cast<int64_t>(next_wanted)), out.cols);
          if (token == nan_at)
            *out.row(static_cast<int64_t>(next_wanted)) = std::numeric_limits<float>::quiet_NaN();
          ++next_wanted;
        }
      }
    }
    JIANG_CHECK(next_wanted == batch.wanted.size(), "wanted rows must rise and lie in the batch");
    return true;
  }

  // What the model says after `tokens`, computed without any state.
  std::vector<float> logits_after(const std::vector<TokenId>& tokens) const {
    uint64_t hash = kStart ^ salt;
    for (const TokenId token : tokens) hash = mix(hash, token);
    std::vector<float> logits(static_cast<size_t>(config_.vocab_size));
    fill(hash, static_cast<int32_t>(tokens.size()), logits.data(), config_.vocab_size);
    return logits;
  }
  std::vector<TokenId> greedy_answer(std::vector<TokenId> tokens, int32_t n) const {
    std::vector<TokenId> answer;
    for (int32_t i = 0; i < n; ++i) {
      const std::vector<float> logits = logits_after(tokens);
      answer.push_back(
          static_cast<TokenId>(std::max_element(logits.begin(), logits.end()) - logits.begin()));
      tokens.push_back(answer.back());
    }
    return answer;
  }

  // Of the prompts that a script answers: so that position -> script index is known.
  int32_t script_prompt_length = 0;

 private:
  static constexpr uint64_t kStart = 0x243f6a8885a308d3u;
  static uint64_t mix(uint64_t hash, TokenId token) {
    hash ^= static_cast<uint64_t>(token) + 0x9e3779b97f4a7c15u + (hash << 6) + (hash >> 2);
    hash *= 0xff51afd7ed558ccdu;
    return hash ^ (hash >> 33);
  }
  void fill(uint64_t hash, int32_t length, float* out, int64_t n) const {
    for (int64_t i = 0; i < n; ++i) {
      const float unit = static_cast<float>(mix(hash, static_cast<TokenId>(i)) >> 40) * 0x1p-24f;
      out[i] = (unit * 8 - 4) * sharpness;
    }
    if (script.empty()) return;
    const auto index = static_cast<size_t>(std::max(0, length - script_prompt_length));
    out[script[std::min(index, script.size() - 1)]] = 100;
  }
  void answer(const FakeStatePool& states, StateId state, int32_t position, float* out,
              int64_t cols) const {
    uint64_t hash = kStart ^ salt;
    for (int32_t p = 0; p <= position; ++p) hash = mix(hash, states.read(state, p));
    fill(hash, position + 1, out, cols);
  }

  void set_held(bool held) {
    const std::lock_guard lock(mutex_);
    is_held_ = held;
    n_passes_ = 0;
    changed_.notify_all();
  }
  void wait_while_held() const {
    std::unique_lock lock(mutex_);
    if (!is_held_) return;
    if (n_passes_ > 0) {
      --n_passes_;
      return;
    }
    ++n_holding_;
    ++n_held_;
    changed_.notify_all();
    changed_.wait(lock, [this] { return !is_held_ || n_passes_ > 0; });
    if (n_passes_ > 0) --n_passes_;
    --n_holding_;
  }

  ModelConfig config_;
  mutable std::mutex mutex_;
  mutable std::condition_variable changed_;
  bool is_held_ = false;
  mutable int n_passes_ = 0;
  mutable int n_holding_ = 0;
  mutable uint64_t n_held_ = 0;
};

}  // namespace jiang
