// Sequence: one request while the engine works on it. Owned by the Scheduler; belongs to the step
// thread.
//
// There is no difference between prefill and decode but the number of tokens that the state lacks:
// a step feeds tokens[computed, computed + chunk), and when nothing is left draws the next token.
// A preempted sequence lost its state (computed = 0) and nothing else.
#pragma once

#include <chrono>
#include <memory>
#include <vector>

#include "engine/channel.h"
#include "engine/sampler.h"
#include "model/sequence_state.h"

namespace jiang {

using Clock = std::chrono::steady_clock;

// A prompt of no more tokens may go before others (Request::goes_first): it has a step for itself,
// and what a step under way loses by giving way to it is no more work than that.
constexpr int32_t kShortPrompt = 128;

struct Sequence {
  Sequence(Request asked, std::shared_ptr<Stream::Channel> stream, uint64_t seed)
      : tokens(std::move(asked.prompt)),
        n_prompt(static_cast<int32_t>(tokens.size())),
        request(std::move(asked)),
        channel(std::move(stream)),
        sampler(request.sampling, seed) {
    stats.prompt_tokens = n_prompt;
    stats.seed = seed;
  }

  // Whoever leaves without having said why has been lost for lack of memory.
  ~Sequence() { channel->end_for_want_of_memory(); }
  Sequence(const Sequence&) = delete;
  Sequence& operator=(const Sequence&) = delete;

  int32_t length() const { return static_cast<int32_t>(tokens.size()); }
  int32_t n_answer() const { return length() - n_prompt; }
  int32_t remaining() const { return length() - computed; }
  bool goes_first() const {
    return request.goes_first && remaining() <= kShortPrompt && n_answer() == 0;
  }

  std::vector<TokenId> tokens;  // the prompt, then the answer
  const int32_t n_prompt;
  const Request request;  // its prompt has moved to `tokens`
  const std::shared_ptr<Stream::Channel> channel;
  Sampler sampler;

  StateId state = kNoState;
  int32_t computed = 0;                      // tokens whose K/V the state holds
  int32_t chunk = 0;                         // of this step, guessed tokens included
  std::vector<TokenId> guesses;              // of this step: they follow `tokens`
  GuessKind guessed_by = GuessKind::lookup;  // who made them
  int32_t most_tokens = INT32_MAX;           // that the answer may reach

  bool has_left = false;  // finished: the scheduler knows it no more

  RequestStats stats;
  Clock::time_point submitted = Clock::now();
  Clock::time_point first_step = {};  // the epoch: not yet
  Clock::time_point first_token = {};
  Clock::time_point last_token = {};
};

}  // namespace jiang
