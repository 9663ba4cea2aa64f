#include "engine/scheduler.h"

#include <algorithm>

#include "base/check.h"

namespace jiang {

namespace {

// Tokens of a prompt that another sequence is about to compute: below, waiting for it gains
// nothing.
constexpr int32_t kWorthWaiting = 32;

// Prompt tokens of a step that has decodes, too. A step takes as long as its rows: those who stream
// wait for a few rows, not for a whole batch. Twice as many serve no more answers a second
// (docs/decisions/0071), for what the prompts gain the streams lose.
constexpr int32_t kPrefillBesideDecodes = 16;

PrefixScope scope_of(const Sequence& sequence) {
  return {sequence.request.adapters, sequence.request.user};
}

}  // namespace

Scheduler::Scheduler(StatePool& pool, SchedulerOptions options)
    : pool_(pool), options_(options), cache_(pool) {
  JIANG_CHECK(options.max_sequences >= 1 && options.max_batch_tokens >= options.max_sequences,
              "every running sequence needs a row");
  running_.reserve(static_cast<size_t>(options.max_sequences));  // admitting never throws halfway
}

Scheduler::~Scheduler() { remove_all(); }

void Scheduler::add(std::unique_ptr<Sequence>&& sequence) {
  waiting_.push_back(std::move(sequence));
}

std::span<Sequence* const> Scheduler::plan() {
  for (const auto& sequence : running_) {
    sequence->chunk = 0;
    sequence->guesses.clear();
  }
  park_and_unpark();
  reserve_decodes();
  admit_waiting();
  share_prefill();
  tell_positions();

  planned_.clear();
  const auto now = Clock::now();
  for (const auto& sequence : running_) {
    if (sequence->chunk == 0) continue;
    if (sequence->first_step == Clock::time_point{}) sequence->first_step = now;
    planned_.push_back(sequence.get());
  }
  return planned_;
}

void Scheduler::tell_positions() {
  const auto tell = [](const Sequence& sequence, int32_t position) {
    sequence.channel->queue_position.store(position, std::memory_order_relaxed);
  };
  for (const auto& sequence : running_) tell(*sequence, 0);
  int32_t position = 0;
  for (const auto& sequence : waiting_) tell(*sequence, ++position);
}

void Scheduler::park_and_unpark() {
  const auto move_if = [](auto& from, auto predicate, auto&& take) {
    size_t kept = 0;
    for (size_t i = 0; i < from.size(); ++i) {
      if (predicate(*from[i])) {
        take(std::move(from[i]));
      } else {
        if (kept != i) from[kept] = std::move(from[i]);
        ++kept;
      }
    }
    from.resize(kept);
  };
  move_if(
      parked_, [](const Sequence& sequence) { return sequence.channel->has_room(); },
      [this](std::unique_ptr<Sequence> sequence) { waiting_.push_front(std::move(sequence)); });
  move_if(
      running_, [](const Sequence& sequence) { return !sequence.channel->has_room(); },
      [this](std::unique_ptr<Sequence> sequence) { parked_.push_back(std::move(sequence)); });
}

void Scheduler::reserve_decodes() {
  for (size_t i = 0; i < running_.size(); ++i) {
    Sequence& sequence = *running_[i];
    if (sequence.remaining() != 1) continue;
    bool has_room = pool_.reserve(sequence.state, sequence.length());
    while (!has_room && reclaim()) has_room = pool_.reserve(sequence.state, sequence.length());
    while (!has_room && running_.size() > i + 1) {
      preempt_youngest();
      has_room = pool_.reserve(sequence.state, sequence.length());
    }
    if (has_room) {
      sequence.chunk = 1;
    } else if (running_.size() > 1) {
      preempt_youngest();  // itself
    } else {
      leave(sequence, StateFate::discard);
      unfit_.push_back(std::move(running_.back()));
      running_.pop_back();
    }
  }
}

void Scheduler::admit_waiting() {
  size_t next = 0;  // those before it wait for a prefix that is being computed
  const size_t lookahead = 2 * static_cast<size_t>(options_.max_sequences);
  while (next < std::min(waiting_.size(), lookahead) && n_running() < options_.max_sequences) {
    const auto place = waiting_.begin() + static_cast<std::ptrdiff_t>(next);
    if (awaits_prefix(**place)) {
      ++next;
      continue;
    }
    // Out of the queue first: admit() may take memory back from those who wait.
    std::unique_ptr<Sequence> sequence = std::move(*place);
    waiting_.erase(place);
    if (admit(*sequence)) {
      running_.push_back(std::move(sequence));
    } else if (running_.empty()) {
      leave(*sequence, StateFate::discard);
      unfit_.push_back(std::move(sequence));
    } else {
      waiting_.insert(waiting_.begin() + static_cast<std::ptrdiff_t>(next), std::move(sequence));
      return;
    }
  }
}

bool Scheduler::awaits_prefix(const Sequence& sequence) const {
  if (!options_.prefix_cache || sequence.state != kNoState) return false;
  const auto usable = std::span(sequence.tokens).first(sequence.tokens.size() - 1);
  const PrefixScope scope = scope_of(sequence);
  for (const auto& other : running_) {
    if (other->remaining() <= 1 || scope_of(*other) != scope) continue;
    const int32_t common = common_prefix(other->tokens, usable);
    if (common - other->computed >= kWorthWaiting) return true;
  }
  return false;
}

bool Scheduler::admit(Sequence& sequence) {
  const bool has_state = sequence.state != kNoState;
  const PrefixCache::Hit hit = has_state ? PrefixCache::Hit{} : find_prefix(sequence);
  const int32_t shared = has_state ? sequence.computed : hit.n_tokens;
  const int32_t wanted = sequence.length() + 1;
  if (!running_.empty()) {
    // Some room to grow for those who run: or the newcomer is preempted as soon as it is admitted.
    int64_t headroom = 0;
    for (const auto& other : running_) headroom += room_to_grow(*other);
    if (wanted - shared + headroom > pool_.free_tokens() + reclaimable_tokens()) return false;
  }
  if (!has_state) start_from(sequence, hit);
  while (!pool_.reserve(sequence.state, wanted)) {
    if (reclaim()) continue;
    drop_state(sequence);
    return false;
  }
  return true;
}

// No more than its answer can need: or those whose contexts all fit would not all run.
int64_t Scheduler::room_to_grow(const Sequence& sequence) const {
  const int64_t ahead = std::min<int64_t>(
      {64, pool_.capacity_tokens() / 64, int64_t{sequence.most_tokens} - sequence.length()});
  return pool_.tokens_to_reserve(sequence.state, sequence.length() + static_cast<int32_t>(ahead));
}

PrefixCache::Hit Scheduler::find_prefix(const Sequence& sequence) {
  if (!options_.prefix_cache) return {};
  // The last token is always computed: its logits are wanted.
  const auto usable = std::span(sequence.tokens).first(sequence.tokens.size() - 1);
  const PrefixScope scope = scope_of(sequence);
  PrefixCache::Hit best = cache_.find(usable, scope);
  const auto consider = [&](const Sequence& other) {
    if (other.state == kNoState || scope_of(other) != scope) return;
    const auto known = std::span(other.tokens).first(static_cast<size_t>(other.computed));
    const int32_t common = common_prefix(known, usable);
    if (common >= PrefixCache::kMinShared && common > best.n_tokens) best = {other.state, common};
  };
  for (const auto& other : running_) consider(*other);
  for (const auto& other : parked_) consider(*other);
  return best;
}

void Scheduler::start_from(Sequence& sequence, PrefixCache::Hit hit) {
  sequence.computed = 0;
  if (hit.state != kNoState) sequence.state = pool_.fork(hit.state, hit.n_tokens);
  if (sequence.state == kNoState) {  // nothing known, or no memory for the block that a fork copies
    sequence.state = pool_.create();
    return;
  }
  sequence.computed = hit.n_tokens;
  if (sequence.first_step == Clock::time_point{}) {
    sequence.stats.cached_tokens = std::min(hit.n_tokens, sequence.n_prompt);
    sequence.channel->prefilled.store(sequence.stats.cached_tokens, std::memory_order_relaxed);
  }
}

void Scheduler::share_prefill() {
  int32_t budget = options_.max_batch_tokens;
  prefills_.clear();
  for (const auto& sequence : running_) {
    budget -= sequence->chunk;
    if (sequence->chunk == 0) prefills_.push_back(sequence.get());
  }
  std::stable_sort(prefills_.begin(), prefills_.end(), [](const Sequence* a, const Sequence* b) {
    if (a->goes_first() != b->goes_first()) return a->goes_first();
    return a->remaining() < b->remaining();
  });
  const bool has_first = !prefills_.empty() && prefills_.front()->goes_first();
  const bool has_decodes = budget < options_.max_batch_tokens;
  if (has_decodes) budget = std::min(budget, has_first ? kShortPrompt : kPrefillBesideDecodes);
  if (has_first) {
    // The others of this step are those that go first as well.
    std::erase_if(prefills_, [](const Sequence* sequence) { return !sequence->goes_first(); });
  }
  // Decodes wait for them once, never for two such steps in turn.
  decodes_waited_ = has_first && has_decodes && !decodes_waited_;
  if (decodes_waited_) {
    for (const auto& sequence : running_) sequence->chunk = 0;
  }
  auto sharers = static_cast<int32_t>(prefills_.size());
  for (Sequence* sequence : prefills_) {
    sequence->chunk = std::min(sequence->remaining(), std::max(1, budget / sharers));
    budget -= sequence->chunk;
    --sharers;
  }
}

void Scheduler::guess() {
  if (options_.guesser == nullptr) return;
  int32_t rows = std::min(kMostGuessingRows, options_.max_batch_tokens);
  for (const auto& sequence : running_) {
    if (sequence->chunk > 0 && sequence->remaining() > 1) return;  // prefill: long enough a step
    rows -= sequence->chunk;
  }
  turns_.clear();
  for (const auto& sequence : running_) {
    const int32_t most = sequence->most_tokens - sequence->length() - 1;
    if (sequence->chunk > 0 && most > 0) turns_.push_back({sequence.get(), most});
  }
  if (rows > 0 && !turns_.empty()) options_.guesser->guess(turns_, rows);
  for (const GuessTurn& turn : turns_) {
    Sequence& sequence = *turn.sequence;
    const auto n = static_cast<int32_t>(sequence.guesses.size());
    if (n > 0 && !pool_.reserve(sequence.state, sequence.length() + n)) sequence.guesses.clear();
    sequence.chunk += static_cast<int32_t>(sequence.guesses.size());
  }
}

void Scheduler::record_guesses(const Sequence& sequence, int32_t n_right) {
  if (!sequence.guesses.empty()) options_.guesser->record(sequence, n_right);
}

bool Scheduler::reclaim() {
  if (cache_.evict_one()) return true;
  const auto drop_one = [this](auto& sequences) {
    for (const auto& sequence : sequences) {
      if (sequence->state == kNoState) continue;
      drop_state(*sequence);
      return true;
    }
    return false;
  };
  return drop_one(parked_) || drop_one(waiting_);
}

int64_t Scheduler::reclaimable_tokens() const {
  int64_t tokens = cache_.held_tokens();
  for (const auto& sequence : parked_) tokens += sequence->computed;
  return tokens;
}

void Scheduler::preempt_youngest() {
  std::unique_ptr<Sequence> sequence = std::move(running_.back());
  running_.pop_back();
  drop_state(*sequence);
  sequence->chunk = 0;
  waiting_.push_front(std::move(sequence));
  ++n_preemptions_;
}

void Scheduler::drop_state(Sequence& sequence) {
  if (sequence.state == kNoState) return;
  pool_.free(sequence.state);
  sequence.state = kNoState;
  sequence.computed = 0;
}

void Scheduler::leave(Sequence& sequence, StateFate fate) {
  if (options_.guesser != nullptr) options_.guesser->forget(sequence);
  if (fate == StateFate::keep && options_.prefix_cache && sequence.state != kNoState) {
    pool_.trim(sequence.state, sequence.computed);  // gives back room reserved ahead
    cache_.put(std::span(sequence.tokens).first(static_cast<size_t>(sequence.computed)),
               sequence.state, scope_of(sequence));
    sequence.state = kNoState;
  } else {
    drop_state(sequence);
  }
}

std::unique_ptr<Sequence> Scheduler::finish(Sequence& sequence, StateFate fate) {
  const auto found = std::find_if(running_.begin(), running_.end(), [&](const auto& candidate) {
    return candidate.get() == &sequence;
  });
  JIANG_CHECK(found != running_.end(), "only a running sequence finishes");
  std::unique_ptr<Sequence> finished = std::move(*found);
  running_.erase(found);
  leave(*finished, fate);
  return finished;
}

std::vector<std::unique_ptr<Sequence>> Scheduler::remove_cancelled() {
  std::vector<std::unique_ptr<Sequence>> removed;
  removed.reserve(running_.size() + parked_.size() + waiting_.size());
  const auto remove_from = [&](auto& sequences) {
    for (auto& sequence : sequences) {
      if (!sequence->channel->is_cancelled()) continue;
      leave(*sequence, StateFate::keep);
      removed.push_back(std::move(sequence));
    }
    std::erase(sequences, nullptr);
  };
  remove_from(running_);
  remove_from(parked_);
  remove_from(waiting_);
  return removed;
}

std::vector<std::unique_ptr<Sequence>> Scheduler::remove_all() {
  std::vector<std::unique_ptr<Sequence>> removed;
  const auto remove_from = [&](auto& sequences) {
    for (auto& sequence : sequences) {
      leave(*sequence, StateFate::discard);
      removed.push_back(std::move(sequence));
    }
    sequences.clear();
  };
  remove_from(running_);
  remove_from(parked_);
  remove_from(waiting_);
  remove_from(unfit_);
  return removed;
}

}  // namespace jiang
