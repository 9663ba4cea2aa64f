#include "engine/draft_model.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "engine/sampler.h"

namespace jiang {
namespace {

// Steps that guessing may lose before its first pause.
constexpr double kCredit = 2;

// A guess costs a pass over the draft's weights and a row of the model's. Never all that a right
// guess gains: a draft as large as the model is not worth having, but it is not refused.
GuessLength::Price price_of(const Model& draft, const Model& model) {
  const double pass = static_cast<double>(draft.bytes_per_token()) /
                      static_cast<double>(std::max<uint64_t>(1, model.bytes_per_token()));
  return {.of_guess = std::min(pass + GuessLength::kRow, 0.9), .credit = kCredit};
}

int32_t positions_of(const ModelConfig& config) {
  return config.max_position_embeddings > 0 ? config.max_position_embeddings
                                            : std::numeric_limits<int32_t>::max();
}

}  // namespace

Result<std::unique_ptr<DraftModel>> DraftModel::create(const DraftModelOptions& options) {
  if (options.draft->config().is_encoder) {
    return fail(ErrorKind::invalid_argument,
                "the draft model is {}, an encoder: it guesses no tokens; give a small model of "
                "the same family",
                options.draft->config().architecture);
  }
  TRY(auto states, options.draft->make_state_pool(
                       {.capacity_tokens = options.state_tokens, .kv_type = options.kv_type}));
  return std::unique_ptr<DraftModel>(new DraftModel(options, std::move(states)));
}

uint64_t DraftModel::fixed_bytes(const Model& draft) {
  const uint64_t logits = uint64_t{kMostGuessingRows} *
                          static_cast<uint64_t>(draft.config().vocab_size) * sizeof(float);
  return draft.weight_bytes() + draft.workspace_bytes(kMostReadRows, kMostGuessingRows) + logits;
}

DraftModel::DraftModel(const DraftModelOptions& options, std::unique_ptr<StatePool> states)
    : draft_(options.draft),
      states_(std::move(states)),
      work_(options.pool, draft_->workspace_bytes(kMostReadRows, kMostGuessingRows)),
      empty_(work_.ops().mark()),
      n_positions_(positions_of(draft_->config())),
      n_shared_ids_(std::min(draft_->config().vocab_size, options.model.config().vocab_size)),
      price_(price_of(*draft_, options.model)),
      keeps_(options.prefix_cache),
      logits_(kMostGuessingRows, draft_->config().vocab_size),
      kept_(*states_),
      last_(price_) {
  turns_.reserve(kMostGuessingRows);
  tokens_.reserve(kMostReadRows);
  batch_.reserve(kMostGuessingRows);
  wanted_.reserve(kMostGuessingRows);
}

void DraftModel::guess(std::span<const GuessTurn> turns, int32_t rows) {
  ++n_steps_;
  choose(turns, std::min(rows, kMostGuessingRows));
  read();
  go_on(rows);
}

// Those who have a guess coming, and room for it: in order, as many as there are rows.
void DraftModel::choose(std::span<const GuessTurn> turns, int32_t rows) {
  turns_.clear();
  for (const GuessTurn& turn : turns) {
    if (static_cast<int32_t>(turns_.size()) == rows) break;
    Memory& memory =
        memories_.try_emplace(turn.sequence, Memory{.length = last_.of_next_text()}).first->second;
    const int32_t wanted = memory.length.next();
    const int32_t room = n_positions_ - turn.sequence->length();
    const int32_t most = std::min({wanted, turn.most, room});
    if (most <= 0) continue;
    memory.used_in = n_steps_;
    if (memory.state == kNoState) start(*turn.sequence, memory);
    turns_.push_back({.sequence = turn.sequence, .memory = &memory, .most = most});
  }
  // Those who are nearly there first: a long text takes what is left of the rows.
  std::stable_sort(turns_.begin(), turns_.end(),
                   [](const Turn& a, const Turn& b) { return a.unread() < b.unread(); });
}

// From the longest beginning that was read already, for this user.
void DraftModel::start(const Sequence& sequence, Memory& memory) {
  memory.n_known = 0;
  if (keeps_) {
    const auto usable = std::span(sequence.tokens).first(sequence.tokens.size() - 1);
    PrefixCache::Hit best = kept_.find(usable, {.user = sequence.request.user});
    for (const auto& [other, known] : memories_) {
      if (known.state == kNoState || other->request.user != sequence.request.user) continue;
      const auto theirs = std::span(other->tokens).first(static_cast<size_t>(known.n_known));
      const int32_t common = common_prefix(theirs, usable);
      if (common >= PrefixCache::kMinShared && common > best.n_tokens) best = {known.state, common};
    }
    if (best.state != kNoState) memory.state = states_->fork(best.state, best.n_tokens);
    if (memory.state != kNoState) memory.n_known = best.n_tokens;
  }
  if (memory.state == kNoState) memory.state = states_->create();
}

// The first pass: what is not read yet, of each at least its last token. Whoever is read to the end
// has a first guess; the others go on reading in the next step.
void DraftModel::read() {
  int32_t budget = kMostReadRows;
  for (Turn& turn : turns_) {
    const int32_t n = std::min(turn.unread(), budget);
    turn.n_rows = n > 0 && prepare(turn, n) ? n : 0;
    turn.is_read = turn.n_rows == turn.unread();
    budget -= turn.n_rows;
  }
  std::erase_if(turns_, [](const Turn& turn) { return turn.n_rows == 0; });
}

// Makes room for the rows and for the guesses behind them; false: not this time.
bool DraftModel::prepare(Turn& turn, int32_t n_rows) {
  Memory& memory = *turn.memory;
  const auto fresh = std::span(turn.sequence->tokens)
                         .subspan(static_cast<size_t>(memory.n_known), static_cast<size_t>(n_rows));
  if (std::any_of(fresh.begin(), fresh.end(), [this](TokenId id) { return id >= n_shared_ids_; }))
    return false;                               // a token that the draft has no row for
  states_->trim(memory.state, memory.n_known);  // the last guesses
  while (!states_->reserve(memory.state, memory.n_known + n_rows + turn.most - 1)) {
    if (!free_some()) return false;
  }
  return true;
}

// Kept texts first, then those of sequences that wait or pause, the longest ago first.
bool DraftModel::free_some() {
  if (kept_.evict_one()) return true;
  Memory* oldest = nullptr;
  for (auto& [sequence, memory] : memories_) {
    if (memory.state == kNoState || memory.used_in == n_steps_) continue;
    if (oldest == nullptr || memory.used_in < oldest->used_in) oldest = &memory;
  }
  if (oldest == nullptr) return false;
  states_->free(oldest->state);
  oldest->state = kNoState;
  oldest->n_known = 0;
  return true;
}

// Pass after pass, a guess for each who goes on, until the rows of the step are used.
void DraftModel::go_on(int32_t rows) {
  while (!turns_.empty()) {
    forward();
    int64_t row = 0;
    for (Turn& turn : turns_) {
      const bool is_first = turn.sequence->guesses.empty();
      if (is_first) turn.memory->n_known += turn.n_rows;
      turn.n_rows = 0;
      if (!turn.is_read) continue;
      const std::span<const float> logits(logits_.view().row(row++),
                                          static_cast<size_t>(n_shared_ids_));
      if (propose(turn, logits)) turn.n_rows = 1;
      --rows;  // chosen or cut down below: never more turns than rows
    }
    std::erase_if(turns_, [](const Turn& turn) { return turn.n_rows == 0; });
    if (static_cast<int32_t>(turns_.size()) > rows) turns_.resize(static_cast<size_t>(rows));
  }
}

void DraftModel::forward() {
  tokens_.clear();
  batch_.clear();
  wanted_.clear();
  for (const Turn& turn : turns_) {
    batch_.push_back({.state = turn.memory->state,
                      .first_row = static_cast<int32_t>(tokens_.size()),
                      .n_rows = turn.n_rows,
                      .start_position = states_->length(turn.memory->state)});
    if (turn.sequence->guesses.empty()) {
      const auto first = turn.sequence->tokens.begin() + turn.memory->n_known;
      tokens_.insert(tokens_.end(), first, first + turn.n_rows);
    } else {
      tokens_.push_back(turn.sequence->guesses.back());
    }
    if (turn.is_read) wanted_.push_back(static_cast<int32_t>(tokens_.size()) - 1);
  }
  work_.ops().release(empty_);  // what a pass that threw has left
  const Batch batch{.tokens = tokens_, .sequences = batch_, .wanted = wanted_};
  draft_->forward(batch, states_.get(), work_,
                  logits_.view().rows_from(0, static_cast<int64_t>(wanted_.size())));
}

bool DraftModel::propose(Turn& turn, std::span<const float> logits) {
  std::vector<TokenId>& guesses = turn.sequence->guesses;
  if (!sampling::all_finite(logits)) {  // a broken file makes no answer wrong, only slower
    if (guesses.empty()) turn.memory->length.record(1, 0);
    return false;
  }
  const TokenId id = sampling::greedy(logits);
  guesses.push_back(id);
  if (static_cast<int32_t>(guesses.size()) == turn.most) return false;
  const auto& stops = turn.sequence->request.stop_ids;
  if (std::find(stops.begin(), stops.end(), id) != stops.end()) return false;
  const double total = sampling::log_sum_exp(logits);
  turn.chance *= std::exp(static_cast<double>(logits[static_cast<size_t>(id)]) - total);
  return turn.chance > price_.of_guess;
}

void DraftModel::record(const Sequence& sequence, int32_t n_right) {
  const auto found = memories_.find(&sequence);
  if (found == memories_.end()) return;  // it has left
  Memory& memory = found->second;
  const auto n_guessed = static_cast<int32_t>(sequence.guesses.size());
  memory.n_known += std::min(n_right, n_guessed - 1);  // the last guess was never fed
  memory.length.record(n_guessed, n_right);
  last_ = memory.length;
}

void DraftModel::forget(const Sequence& sequence) {
  const auto found = memories_.find(&sequence);
  if (found == memories_.end()) return;
  const Memory memory = found->second;
  memories_.erase(found);
  if (memory.state == kNoState) return;
  if (!keeps_) return states_->free(memory.state);
  states_->trim(memory.state, memory.n_known);
  kept_.put(std::span(sequence.tokens).first(static_cast<size_t>(memory.n_known)), memory.state,
            {.user = sequence.request.user});
}

}  // namespace jiang
