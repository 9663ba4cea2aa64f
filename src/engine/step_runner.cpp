#include "engine/step_runner.h"

#include <algorithm>
#include <exception>
#include <limits>
#include <new>

namespace jiang {

namespace {

double seconds_between(Clock::time_point begin, Clock::time_point end) {
  return std::chrono::duration<double>(end - begin).count();
}

Error error_of(const std::exception& exception) {
  if (dynamic_cast<const std::bad_alloc*>(&exception) != nullptr) {
    return fail(ErrorKind::too_large,
                "out of memory in a step of the model; use a smaller context or model");
  }
  return fail(ErrorKind::unsupported, "a step of the model failed, this is a bug of jiang: {}",
              exception.what());
}

void forbid(std::span<float> logits, std::span<const uint64_t> allowed) {
  for (size_t begin = 0; begin < logits.size(); begin += 64) {
    const uint64_t bits = allowed[begin / 64];
    if (bits == ~uint64_t{0}) continue;
    const size_t end = std::min(begin + 64, logits.size());
    for (size_t i = begin; i < end; ++i) {
      if (((bits >> (i - begin)) & 1) == 0) logits[i] = -std::numeric_limits<float>::infinity();
    }
  }
}

}  // namespace

StepRunner::StepRunner(const Model& model, StatePool& pool, Scheduler& scheduler, Workspace& work,
                       int32_t context, SchedulerOptions options)
    : model_(model),
      pool_(pool),
      scheduler_(scheduler),
      work_(work),
      context_(context),
      logits_(logit_rows(options.max_sequences,
                         options.guesser != nullptr ? Guessing::yes : Guessing::no),
              model.config().vocab_size) {
  tokens_.reserve(static_cast<size_t>(options.max_batch_tokens));
  sequences_.reserve(static_cast<size_t>(options.max_sequences));
  wanted_.reserve(static_cast<size_t>(options.max_sequences));
}

bool StepRunner::step(bool look_for_cancelled, const std::atomic<bool>& first_waits) {
  if (look_for_cancelled) {
    for (auto& sequence : scheduler_.remove_cancelled()) {
      finish(std::move(sequence), FinishReason::cancelled, std::nullopt);
    }
  }
  std::span<Sequence* const> planned;
  try {
    planned = scheduler_.plan();
  } catch (const std::exception& exception) {  // nothing that it holds can be trusted
    for (auto& sequence : scheduler_.remove_all()) {
      finish(std::move(sequence), FinishReason::error, error_of(exception));
    }
    return true;
  }
  for (auto& sequence : scheduler_.take_unfit()) {
    Error error = fail(ErrorKind::too_large,
                       "{} tokens do not fit into the {} tokens of state memory; give the engine a "
                       "larger state pool",
                       sequence->length(), pool_.capacity_tokens());
    finish(std::move(sequence), FinishReason::error, std::move(error));
  }
  // Their reader would wait for a step that may be long, or for ever.
  const bool is_quick =
      !planned.empty() && std::all_of(planned.begin(), planned.end(), [](const Sequence* sequence) {
        return sequence->remaining() == 1;
      });
  if (!is_quick) tell_all();
  if (planned.empty()) return false;

  const size_t mark = work_.ops().mark();
  try {
    scheduler_.guess();
    if (!forward(planned, first_waits)) return true;
  } catch (const std::exception& exception) {
    work_.ops().release(mark);
    for (Sequence* sequence : planned) finish(*sequence, error_of(exception));
    return true;
  }
  ++n_steps;
  advance(planned);
  tell_those_due();
  return true;
}

bool StepRunner::forward(std::span<Sequence* const> planned, const std::atomic<bool>& first_waits) {
  tokens_.clear();
  sequences_.clear();
  wanted_.clear();
  for (const Sequence* sequence : planned) {
    sequences_.push_back({.state = sequence->state,
                          .first_row = static_cast<int32_t>(tokens_.size()),
                          .n_rows = sequence->chunk,
                          .start_position = sequence->computed,
                          .adapters = sequence->request.adapters.get()});
    const auto first = sequence->tokens.begin() + sequence->computed;
    tokens_.insert(tokens_.end(), first, first + std::min(sequence->chunk, sequence->remaining()));
    const bool is_wanted = sequence->chunk >= sequence->remaining();
    if (is_wanted) wanted_.push_back(static_cast<int32_t>(tokens_.size()) - 1);
    for (const TokenId guessed : sequence->guesses) {
      tokens_.push_back(guessed);
      wanted_.push_back(static_cast<int32_t>(tokens_.size()) - 1);
    }
  }
  const bool has_first = std::any_of(planned.begin(), planned.end(),
                                     [](const Sequence* s) { return s->goes_first(); });
  const bool gives_way =
      !has_first && !has_given_way_ && tokens_.size() <= static_cast<size_t>(kShortPrompt);
  const std::function<bool()> is_abandoned = [&] {
    if (gives_way && first_waits.load(std::memory_order_relaxed)) {
      has_given_way_ = true;
      return true;
    }
    return std::all_of(planned.begin(), planned.end(),
                       [](const Sequence* s) { return s->channel->is_cancelled(); });
  };
  const Batch batch{
      .tokens = tokens_, .sequences = sequences_, .wanted = wanted_, .is_abandoned = &is_abandoned};
  if (!model_.forward(batch, &pool_, work_,
                      logits_.view().rows_from(0, static_cast<int64_t>(wanted_.size())))) {
    return false;
  }
  if (!has_first) has_given_way_ = false;
  return true;
}

void StepRunner::advance(std::span<Sequence* const> planned) {
  int64_t row = 0;
  for (Sequence* sequence : planned) {
    const bool is_wanted = sequence->chunk >= sequence->remaining();
    const int32_t n_known = std::min(sequence->chunk, sequence->remaining());
    if (sequence->computed < sequence->n_prompt) {
      const int32_t prefilled = std::min(sequence->computed + n_known, sequence->n_prompt);
      sequence->channel->prefilled.store(prefilled, std::memory_order_relaxed);
    }
    sequence->computed += n_known;
    if (!is_wanted) continue;

    const auto n_guessed = static_cast<int32_t>(sequence->guesses.size());
    GuessCount& in_all = n_guesses[sequence->guessed_by];
    GuessCount& of_request = sequence->stats.guesses[sequence->guessed_by];
    in_all.guessed += static_cast<uint64_t>(n_guessed);
    of_request.guessed += static_cast<uint64_t>(n_guessed);
    int32_t n_right = 0;
    for (int32_t i = 0; i <= n_guessed; ++i) {
      const std::span<float> logits(logits_.view().row(row + i),
                                    static_cast<size_t>(model_.config().vocab_size));
      try {
        draw(*sequence, logits);
      } catch (const std::exception& exception) {  // of its constraint, or for lack of memory
        finish(*sequence, error_of(exception));
      }
      if (sequence->has_left || i == n_guessed ||
          sequence->tokens.back() != sequence->guesses[static_cast<size_t>(i)])
        break;
      ++n_right;
      ++in_all.right;
      ++of_request.right;
      ++sequence->computed;  // its row was the guess
    }
    row += 1 + n_guessed;
    scheduler_.record_guesses(*sequence, n_right);
    // Guesses that were wrong leave the state; that of a finished sequence is somebody else's now.
    if (n_guessed > 0 && !sequence->has_left) pool_.trim(sequence->state, sequence->computed);
  }
}

void StepRunner::draw(Sequence& sequence, std::span<float> logits) {
  const Request& request = sequence.request;
  Constraint* const constraint = request.constraint.get();
  if (sequence.first_token == Clock::time_point{}) {
    n_prompt_tokens += static_cast<uint64_t>(sequence.n_prompt);
    n_cached_tokens += static_cast<uint64_t>(sequence.stats.cached_tokens);
    sequence.first_token = sequence.last_token = Clock::now();
  }
  if (!sampling::all_finite(logits)) {
    return finish(
        sequence,
        fail(ErrorKind::bad_numbers,
             "non-finite logits at token {}: the model's weights hold NaN, Inf or numbers too "
             "large to compute with; try another file of the model",
             sequence.length()));
  }
  if (request.max_tokens == 0) return finish(sequence, FinishReason::length);
  if (constraint != nullptr && constraint->is_finished())
    return finish(sequence, FinishReason::stop);

  const bool wants_logprobs = request.top_logprobs >= 0;
  if (wants_logprobs) raw_logits_.assign(logits.begin(), logits.end());
  if (constraint != nullptr) {
    allowed_.assign((logits.size() + 63) / 64, ~uint64_t{0});
    constraint->mask(allowed_);
    forbid(logits, allowed_);
  }
  TokenEvent event;
  event.id = sequence.sampler.sample(logits, sequence.tokens);
  if (event.id == kNoToken) {
    return finish(sequence, fail(ErrorKind::invalid_argument,
                                 "the constraint allows no token after {} tokens of the answer",
                                 sequence.n_answer()));
  }
  const auto now = Clock::now();
  if (sequence.n_answer() == 0) sequence.first_token = now;
  sequence.last_token = now;
  const auto& stops = request.stop_ids;
  if (std::find(stops.begin(), stops.end(), event.id) != stops.end())
    return finish(sequence, FinishReason::stop);

  if (wants_logprobs) {
    // Of the model's own distribution, before constraint, bias, penalties and temperature.
    const double total = sampling::log_sum_exp(raw_logits_);
    const auto logprob = [&](float logit) {
      return static_cast<float>(static_cast<double>(logit) - total);
    };
    event.logprob = logprob(raw_logits_[static_cast<size_t>(event.id)]);
    if (request.top_logprobs > 0) sampling::top_k(raw_logits_, request.top_logprobs, best_);
    if (request.top_logprobs > 0) event.top_logprobs.reserve(best_.size());
    for (int32_t i = 0; i < request.top_logprobs; ++i) {
      const Candidate& candidate = best_[static_cast<size_t>(i)];
      event.top_logprobs.push_back({candidate.id, logprob(candidate.logit)});
    }
  }
  if (constraint != nullptr) constraint->accept(event.id);
  sequence.tokens.push_back(event.id);
  if (!sequence.channel->has_untold()) untold_.push_back(sequence.channel);
  sequence.channel->push(std::move(event));
  ++n_generated_tokens;
  ++sequence.stats.generated_tokens;

  if (constraint != nullptr && constraint->is_finished()) {
    finish(sequence, FinishReason::stop);
  } else if (sequence.n_answer() == request.max_tokens || sequence.length() == context_) {
    finish(sequence, FinishReason::length);
  }
}

void StepRunner::tell_those_due() {
  const auto now = Clock::now();
  const auto is_due = [&](const auto& channel) { return channel->is_due(now); };
  // First tokens go out at once, and alone: whoever waits for one waits for nobody else's readers.
  bool wakes_others = false;
  std::erase_if(untold_, [&](const auto& channel) {
    if (!is_due(channel)) return false;
    wakes_others = wakes_others || channel->told() != Clock::time_point{};
    return channel->tell(now);
  });
  if (!wakes_others) return;
  // Whoever has waited for half his time is told with the others: readers are woken together,
  // once, and streams that began apart fall into step.
  std::erase_if(untold_, [&](const auto& channel) {
    return now - channel->told() >= Stream::Channel::kTellEvery / 2 && channel->tell(now);
  });
}

void StepRunner::tell_all() {
  const auto now = Clock::now();
  std::erase_if(untold_, [&](const auto& channel) { return channel->tell(now); });
}

void StepRunner::cancel_all() {
  for (auto& sequence : scheduler_.remove_all()) {
    finish(std::move(sequence), FinishReason::cancelled, std::nullopt);
  }
}

void StepRunner::finish(Sequence& sequence, FinishReason reason) {
  finish(scheduler_.finish(sequence, StateFate::keep), reason, std::nullopt);
}

void StepRunner::finish(Sequence& sequence, Error error) {
  finish(scheduler_.finish(sequence, StateFate::discard), FinishReason::error, std::move(error));
}

void StepRunner::finish(std::unique_ptr<Sequence> sequence, FinishReason reason,
                        std::optional<Error> error) {
  const Clock::time_point never = {};
  RequestStats& stats = sequence->stats;
  const auto now = Clock::now();
  const bool has_begun = sequence->first_step != never;
  const bool has_answered = sequence->first_token != never;
  stats.queue_seconds =
      seconds_between(sequence->submitted, has_begun ? sequence->first_step : now);
  if (has_begun)
    stats.prefill_seconds =
        seconds_between(sequence->first_step, has_answered ? sequence->first_token : now);
  if (has_answered)
    stats.decode_seconds = seconds_between(sequence->first_token, sequence->last_token);
  sequence->has_left = true;
  FinishEvent event{.reason = reason, .error = std::move(error), .stats = stats};
  finished_.push_back({std::move(sequence), std::move(event)});
}

void StepRunner::deliver_finished() {
  // If one throws, all are told again: that changes nothing for those who know.
  for (Finished& finished : finished_)
    finished.sequence->channel->push_finish(std::move(finished.event));
  finished_.clear();
}

}  // namespace jiang
