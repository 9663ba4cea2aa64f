// Engine: one model, many requests. Owns the scheduler, the sequences' state and one step thread;
// everything that generates (CLI, server, agents, evaluation) goes through submit(). One user is a
// batch of one.
//
// submit() and stats() may be called from any thread. A Stream belongs to one reader; destroying it
// cancels its own request and no other. The engine outlives its streams.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/thread_pool.h"
#include "base/token.h"
#include "engine/guess_counts.h"
#include "engine/sampling.h"
#include "model/model.h"
#include "text/constraint.h"

namespace jiang {

struct EngineOptions {
  int32_t context = 0;        // tokens per sequence; 0: min(trained, 8192)
  int32_t max_sequences = 8;  // running at once
  int64_t kv_tokens = 0;  // state pool size; 0: context * max_sequences, bounded by memory_budget
  KvType kv_type = KvType::f16;
  KvType evaluation_kv_type = KvType::f32;  // of evaluate(), which has a state of its own
  int32_t max_batch_tokens =
      256;  // rows of one step: prompts are prefilled in chunks beside decodes
  // Guess tokens from the text itself and check several in one pass (engine/lookup.h). Answers are
  // the same to the bit.
  bool lookup = true;
  // A smaller model of the same vocabulary that guesses where lookup has nothing
  // (engine/draft_model.h). Null: none. Answers are the same to the bit.
  std::shared_ptr<const Model> draft = {};
  bool prefix_cache = true;  // keep finished sequences' state for requests that begin alike
  uint64_t memory_budget =
      0;                     // bytes for weights, state and workspace; 0: 80 % of what is available
  AdapterMix adapters = {};  // of requests that name none, and of evaluate()
};

struct Request {
  std::vector<TokenId> prompt = {};
  int32_t max_tokens = -1;  // -1: until the context is full
  SamplingParams sampling = {};
  std::vector<TokenId> stop_ids = {};  // ends the answer; not part of it
  std::shared_ptr<Constraint> constraint = {};
  int32_t top_logprobs = -1;  // -1: none; n: logprob of the token and of the n best
  // Of the adapters that were loaded with the model. Null: as EngineOptions say; empty: none.
  std::shared_ptr<const AdapterMix> adapters = {};
  // Whose text it is. What was computed of it is used again for the same user only.
  std::string user = {};
  // Somebody who has nothing else under way waits for it: a short prompt is not cut up beside the
  // decodes of others, theirs wait for it, and a short step under way is given up for it.
  bool goes_first = false;
  // For readers that cannot wait: called after tokens or the finish were put into the stream (of
  // tokens that come within 15 ms once), on the step thread, under no lock; the stream may have
  // been read empty already. Must be quick and must not throw: post to a queue of your own, which
  // then reads with next_within(0). May still be called, once, while the stream is being destroyed.
  std::function<void()> notify = {};
};

struct TokenLogprob {
  TokenId id = 0;
  float logprob = 0;
};

struct TokenEvent {
  TokenId id = 0;
  float logprob = 0;                            // when asked for
  std::vector<TokenLogprob> top_logprobs = {};  // when asked for, best first
};

enum class FinishReason : uint8_t { stop, length, cancelled, error };

struct RequestStats {
  int32_t prompt_tokens = 0;
  int32_t cached_tokens = 0;  // of the prompt, taken from the prefix cache
  int32_t generated_tokens = 0;
  GuessCounts guesses = {};  // tokens fed before they were drawn
  double queue_seconds = 0;
  double prefill_seconds = 0;  // from the first step to the first token
  double decode_seconds = 0;   // from the first token to the last
  uint64_t seed = 0;
};

struct FinishEvent {
  FinishReason reason = FinishReason::stop;
  std::optional<Error> error = {};  // when reason is error
  RequestStats stats = {};
};

// Bounded channel of events: tokens, then exactly one finish.
class Stream {
 public:
  struct Channel;  // engine/stream.cpp
  explicit Stream(std::shared_ptr<Channel> channel);
  Stream(Stream&&) noexcept;
  Stream& operator=(Stream&&) noexcept;
  ~Stream();  // cancels

  // Waits for the next token; nullopt after the last one, and then finish() is set.
  std::optional<TokenEvent> next();
  // As next(), but gives up after `seconds`: nullopt with finish() unset.
  std::optional<TokenEvent> next_within(double seconds);
  const std::optional<FinishEvent>& finish() const;
  // Asks the engine to stop this request; events already queued, and a finish, still come.
  // Safe from any thread and from a signal-driven flag's poller.
  void cancel();
  // Prompt tokens prefilled so far, of all: progress for people.
  std::pair<int32_t, int32_t> prefill_progress() const;
  // 0: running, or finished; n: the n-th of those that wait.
  int32_t queue_position() const;

 private:
  std::shared_ptr<Channel> channel_;
};

struct EngineStats {
  int32_t running = 0;
  int32_t waiting = 0;
  int64_t free_state_tokens = 0;
  uint64_t steps = 0;
  uint64_t prompt_tokens = 0;
  uint64_t generated_tokens = 0;
  uint64_t cached_tokens = 0;
  GuessCounts guesses = {};
  uint64_t memory_bytes = 0;   // weights, state and workspace, of a draft model as well
  double seconds_in_step = 0;  // how long the step under way has taken; 0: waiting for requests
};

class Engine {
 public:
  // Fails with both numbers when weights, state and workspace exceed the budget.
  static Result<std::unique_ptr<Engine>> create(std::shared_ptr<const Model> model,
                                                ThreadPool& pool, EngineOptions options = {});
  virtual ~Engine() = default;

  // Fails at once when the prompt is empty, has ids outside the vocabulary, or cannot fit the
  // context (the error has both numbers).
  virtual Result<Stream> submit(Request request) = 0;

  // One whole pass outside the batch, for evaluation and embeddings: outputs of every position of
  // `ids`, (ids.size(), vocab_size or hidden_size), f32 state. Waits for its turn between steps.
  virtual Result<Tensor> evaluate(const std::vector<TokenId>& ids, OutputKind output) = 0;

  virtual EngineStats stats() const = 0;
  virtual const Model& model() const = 0;
  virtual int32_t context() const = 0;
};

}  // namespace jiang
