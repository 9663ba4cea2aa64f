// Scheduler: who runs in the next step, and with how many tokens.
//
//   waiting --admitted--> running --finished--> prefix cache
//      ^                   |   ^
//      |<---- preempted ---+   |
//      +<--- has room --- parked <--- its reader does not read
//
// - Decodes first: every running sequence that lacks one token gets its row. What is left of
//   max_batch_tokens is shared among the prompts being prefilled, the shortest first and evenly, so
//   that neither a long prompt nor many decodes can starve anyone (max_sequences <=
//   max_batch_tokens leaves each at least a row). Short prompts that go first have the step's share
//   for themselves; there are no more of them than accounts that do nothing else.
// - The queue is first in, first out. A sequence is admitted with room for its whole prompt, so
//   prefill never fails; only decodes grow.
// - Out of memory: kept states go first (least recently used), then those of parked sequences, then
//   the youngest running sequence is preempted: back to the head of the queue, to be recomputed.
//   The oldest always goes on, so all come to an end.
// - A step of decodes alone has room for guessed tokens: they are rows like others, and their
//   sequence's state is cut back to what was right.
// - A request starts from a fork of the longest known prefix, finished or still running. While a
//   running sequence is computing a prefix of its prompt it waits for that, and others pass it.
//
// Not thread-safe: belongs to the step thread. Knows nothing of models or logits.
#pragma once

#include <deque>
#include <memory>
#include <span>
#include <vector>

#include "engine/guesser.h"
#include "engine/prefix_cache.h"
#include "engine/sequence.h"

namespace jiang {

struct SchedulerOptions {
  int32_t max_sequences = 8;
  int32_t max_batch_tokens = 256;  // >= max_sequences
  bool prefix_cache = true;
  Guesser* guesser = nullptr;  // outlives the scheduler; null: nothing is guessed
};

enum class Guessing : uint8_t { no, yes };

// Rows of logits that a step may want.
inline int32_t logit_rows(int32_t max_sequences, Guessing guessing) {
  return max_sequences + (guessing == Guessing::yes ? kMostGuessingRows : 0);
}

enum class StateFate : uint8_t { keep, discard };

class Scheduler {
 public:
  Scheduler(StatePool& pool, SchedulerOptions options);
  ~Scheduler();

  // Takes nothing if it throws.
  void add(std::unique_ptr<Sequence>&& sequence);

  // The sequences of the next step in the order of admission; each has chunk > 0 and room for it.
  // Empty when nobody can run.
  std::span<Sequence* const> plan();
  // After plan(): adds guesses to its sequences, where the step has room for them.
  void guess();

  // Of the guesses of a sequence's step, so many were right.
  void record_guesses(const Sequence& sequence, int32_t n_right);

  // The sequence leaves. Its state is kept for later requests, or freed.
  std::unique_ptr<Sequence> finish(Sequence& sequence, StateFate fate);
  // The cancelled ones leave, wherever they are.
  std::vector<std::unique_ptr<Sequence>> remove_cancelled();
  std::vector<std::unique_ptr<Sequence>> remove_all();
  // Those that plan() found to exceed the whole pool.
  std::vector<std::unique_ptr<Sequence>> take_unfit() { return std::move(unfit_); }

  int32_t n_running() const { return static_cast<int32_t>(running_.size()); }
  int32_t n_waiting() const { return static_cast<int32_t>(waiting_.size() + parked_.size()); }
  uint64_t n_preemptions() const { return n_preemptions_; }

 private:
  void tell_positions();
  void park_and_unpark();
  void reserve_decodes();
  void admit_waiting();
  bool admit(Sequence& sequence);
  int64_t room_to_grow(const Sequence& sequence) const;  // tokens of state, of who runs
  bool awaits_prefix(const Sequence& sequence) const;
  void share_prefill();
  PrefixCache::Hit find_prefix(const Sequence& sequence);
  void start_from(Sequence& sequence, PrefixCache::Hit hit);
  bool reclaim();
  int64_t reclaimable_tokens() const;
  void preempt_youngest();
  void drop_state(Sequence& sequence);
  void leave(Sequence& sequence, StateFate fate);

  StatePool& pool_;
  const SchedulerOptions options_;
  PrefixCache cache_;
  std::deque<std::unique_ptr<Sequence>>
      waiting_;  // a state here is a parked sequence's that comes back
  std::vector<std::unique_ptr<Sequence>> running_;  // the oldest first
  std::vector<std::unique_ptr<Sequence>> parked_;
  std::vector<std::unique_ptr<Sequence>> unfit_;
  std::vector<Sequence*> planned_;
  std::vector<Sequence*> prefills_;
  std::vector<GuessTurn> turns_;
  bool decodes_waited_ = false;  // in the last step, for prompts that go first
  uint64_t n_preemptions_ = 0;
};

}  // namespace jiang
