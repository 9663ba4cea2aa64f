// StepRunner: one step of the engine, without threads: plan, forward, draw, tell.
//
// Whatever goes wrong in a step (an exception of the model, NaN logits, a constraint that allows
// nothing) ends the requests it concerns with an error, and the next step goes on.
#pragma once

#include <atomic>
#include <vector>

#include "engine/scheduler.h"
#include "model/model.h"

namespace jiang {

class StepRunner {
 public:
  StepRunner(const Model& model, StatePool& pool, Scheduler& scheduler, Workspace& work,
             int32_t context, SchedulerOptions options);

  // Ends what was cancelled, then runs one step. False when nobody could run. Between its layers
  // the step looks at `first_waits`, which other threads set for a prompt that goes first: a short
  // step that has no such prompt itself is given up for it, once, and done again later.
  bool step(bool look_for_cancelled, const std::atomic<bool>& first_waits);
  void cancel_all();

  // Tells the streams of finished requests. Apart from step(), so that a reader who sees the finish
  // sees statistics that count it.
  void deliver_finished();

  uint64_t n_steps = 0;
  uint64_t n_prompt_tokens = 0;
  uint64_t n_generated_tokens = 0;
  uint64_t n_cached_tokens = 0;
  GuessCounts n_guesses = {};

 private:
  struct Finished {
    std::unique_ptr<Sequence> sequence;
    FinishEvent event;
  };

  // False: it was given up on the way.
  bool forward(std::span<Sequence* const> planned, const std::atomic<bool>& first_waits);
  void advance(std::span<Sequence* const> planned);
  // Notifies the readers of tokens: those whose last notice is some time ago; all.
  void tell_those_due();
  void tell_all();
  void draw(Sequence& sequence, std::span<float> logits);
  void finish(Sequence& sequence, FinishReason reason);
  void finish(Sequence& sequence, Error error);
  void finish(std::unique_ptr<Sequence> sequence, FinishReason reason, std::optional<Error> error);

  const Model& model_;
  StatePool& pool_;
  Scheduler& scheduler_;
  Workspace& work_;
  const int32_t context_;
  bool has_given_way_ = false;  // and no step without prompts that go first was done since

  // Of one step, allocated once.
  std::vector<TokenId> tokens_;  // (rows)
  std::vector<BatchSequence> sequences_;
  std::vector<int32_t> wanted_;
  Tensor logits_;                  // (logit_rows(), vocab_size)
  std::vector<uint64_t> allowed_;  // one bit per token
  std::vector<float> raw_logits_;  // (vocab_size), for log-probabilities
  std::vector<Candidate> best_;
  std::vector<Finished> finished_;
  std::vector<std::shared_ptr<Stream::Channel>> untold_;  // that have tokens nobody was told of
};

}  // namespace jiang
