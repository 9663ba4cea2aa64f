// DraftModel: guesses what a model will say by asking a smaller model of the same vocabulary.
//
// It has a state of its own for every sequence: the tokens that are drawn already, and behind them
// its guesses, which are cut off before it guesses again. It reads a text when the text's first
// guess is wanted, a bounded number of rows a step, so that nobody waits long for it; what it read
// of finished texts is kept, as the model's own states are, for texts that begin alike.
//
// It guesses its likeliest token, and goes on while another guess is likely enough to be right to
// be worth its price: a pass over its weights. Whether that pays is watched (GuessLength).
#pragma once

#include <memory>
#include <unordered_map>
#include <vector>

#include "engine/guess_length.h"
#include "engine/guess_source.h"
#include "engine/prefix_cache.h"
#include "model/model.h"

namespace jiang {

struct DraftModelOptions {
  std::shared_ptr<const Model> draft;
  const Model& model;  // whose tokens are guessed; read while making it only
  ThreadPool& pool;
  int64_t state_tokens = 0;
  KvType kv_type = KvType::f16;
  bool prefix_cache = true;
};

class DraftModel final : public GuessSource {
 public:
  // Rows of one pass over a text that it has not read yet.
  static constexpr int32_t kMostReadRows = 64;

  // Fails when the draft is an encoder. That the tokens mean the same is the caller's to know; a
  // vocabulary that is padded to another size is no obstacle.
  static Result<std::unique_ptr<DraftModel>> create(const DraftModelOptions& options);
  // Of weights and workspace, its state aside.
  static uint64_t fixed_bytes(const Model& draft);

  GuessKind kind() const override { return GuessKind::draft; }
  void guess(std::span<const GuessTurn> turns, int32_t rows) override;
  void record(const Sequence& sequence, int32_t n_right) override;
  void forget(const Sequence& sequence) override;

  // For tests: every state but those of texts that are kept.
  size_t n_memories() const { return memories_.size(); }
  const StatePool& states() const { return *states_; }

 private:
  // Of one sequence.
  struct Memory {
    StateId state = kNoState;
    int32_t n_known = 0;   // tokens of the sequence that the state begins with
    uint64_t used_in = 0;  // the step
    GuessLength length;
  };
  // A sequence while it is being guessed for.
  struct Turn {
    Sequence* sequence = nullptr;
    Memory* memory = nullptr;
    int32_t most = 0;
    int32_t n_rows = 0;    // of the next pass
    bool is_read = false;  // the next pass ends with its last token
    double chance = 1;     // that all guesses so far are right, as the draft believes
    int32_t unread() const { return sequence->length() - memory->n_known; }
  };

  DraftModel(const DraftModelOptions& options, std::unique_ptr<StatePool> states);
  void choose(std::span<const GuessTurn> turns, int32_t rows);
  void read();
  bool prepare(Turn& turn, int32_t n_rows);
  void start(const Sequence& sequence, Memory& memory);
  bool free_some();
  void go_on(int32_t rows);
  void forward();
  // Appends the likeliest token after `logits` (the draft's vocabulary); false: no more after it.
  bool propose(Turn& turn, std::span<const float> logits);

  const std::shared_ptr<const Model> draft_;
  const std::unique_ptr<StatePool> states_;
  Workspace work_;
  const size_t empty_;          // the mark of its arena
  const int32_t n_positions_;   // that the draft was trained for
  const int32_t n_shared_ids_;  // that both vocabularies have
  const GuessLength::Price price_;
  const bool keeps_;
  Tensor logits_;  // (kMostGuessingRows, the draft's vocab_size)

  PrefixCache kept_;
  std::unordered_map<const Sequence*, Memory> memories_;
  GuessLength last_;  // of the sequence that was recorded last
  uint64_t n_steps_ = 0;

  // Of one step, allocated once.
  std::vector<Turn> turns_;
  std::vector<TokenId> tokens_;
  std::vector<BatchSequence> batch_;
  std::vector<int32_t> wanted_;
};

}  // namespace jiang
