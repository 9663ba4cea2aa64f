#include "engine/engine.h"

#include <pthread.h>

#include <algorithm>
#include <atomic>
#include <deque>
#include <exception>
#include <mutex>
#include <new>
#include <random>
#include <system_error>
#include <thread>

#include "base/check.h"
#include "base/machine.h"
#include "engine/channel.h"
#include "engine/evaluation.h"
#include "engine/guesser.h"
#include "engine/memory_plan.h"
#include "engine/scheduler.h"
#include "engine/step_runner.h"

namespace jiang {

namespace {

uint64_t random_seed() {
  std::random_device device;
  return (uint64_t{device()} << 32) | device();
}

// Threads: the callers' fill inbox_ and evaluations_ under mutex_ and raise the signal; the step
// thread empties them, and alone touches everything of the "step thread" section below.
class StepEngine final : public Engine {
 public:
  // What it is made of, besides the model; all is null for an encoder.
  struct Parts {
    std::unique_ptr<StatePool> states;
    std::unique_ptr<Guesser> guesser;
  };
  StepEngine(std::shared_ptr<const Model> model, ThreadPool& pool, const EngineOptions& options,
             const MemoryPlan& plan, Parts parts);
  ~StepEngine() override;

  Result<Stream> submit(Request request) override;
  Result<Tensor> evaluate(const std::vector<TokenId>& ids, OutputKind output) override;
  EngineStats stats() const override;
  const Model& model() const override { return *model_; }
  int32_t context() const override { return plan_.context; }

 private:
  void loop();
  void turn();
  void take_new();  // empties the callers' lists
  void advance_evaluation();
  void publish_stats();
  void stop_everything();
  Status check_ids(std::span<const TokenId> ids) const;
  Status check_adapters(const AdapterMix& mix) const;

  const std::shared_ptr<const Model> model_;  // shared with other engines of the same model
  const MemoryPlan plan_;
  const KvType evaluation_kv_type_;
  const std::shared_ptr<const AdapterMix> adapters_;  // of requests that name none
  ThreadPool& compute_;
  const std::shared_ptr<StepSignal> signal_ = std::make_shared<StepSignal>();
  std::atomic<bool> is_stopping_ = false;
  std::atomic<bool> first_waits_ = false;  // a short prompt that goes first is in the inbox
  std::atomic<int64_t> step_began_ = 0;    // Clock's count; 0: no step is under way

  mutable std::mutex mutex_;
  std::vector<std::unique_ptr<Sequence>> inbox_;
  std::vector<std::unique_ptr<Evaluation>> new_evaluations_;
  EngineStats stats_;

  // Step thread.
  const std::unique_ptr<StatePool> states_;  // null: an encoder
  const std::unique_ptr<Guesser> guesser_;   // null: nothing is guessed
  Workspace work_;
  std::unique_ptr<Workspace> evaluation_work_;  // made when first needed
  std::unique_ptr<Scheduler> scheduler_;
  std::unique_ptr<StepRunner> runner_;
  std::deque<std::unique_ptr<Evaluation>> evaluations_;

  std::thread thread_;  // last: it uses all the others
};

StepEngine::StepEngine(std::shared_ptr<const Model> model, ThreadPool& pool,
                       const EngineOptions& options, const MemoryPlan& plan, Parts parts)
    : model_(std::move(model)),
      plan_(plan),
      evaluation_kv_type_(options.evaluation_kv_type),
      adapters_(std::make_shared<AdapterMix>(options.adapters)),
      compute_(pool),
      states_(std::move(parts.states)),
      guesser_(std::move(parts.guesser)),
      work_(pool, plan.workspace_bytes) {
  if (states_) {
    const SchedulerOptions sizes{.max_sequences = options.max_sequences,
                                 .max_batch_tokens = options.max_batch_tokens,
                                 .prefix_cache = options.prefix_cache,
                                 .guesser = guesser_.get()};
    scheduler_ = std::make_unique<Scheduler>(*states_, sizes);
    runner_ =
        std::make_unique<StepRunner>(*model_, *states_, *scheduler_, work_, plan_.context, sizes);
  }
  publish_stats();
  thread_ = std::thread([this] {
    compute_.join_in_niceness();
    loop();
  });
}

StepEngine::~StepEngine() {
  is_stopping_.store(true);
  signal_->raise();
  thread_.join();
}

Status StepEngine::check_ids(std::span<const TokenId> ids) const {
  const int32_t vocab_size = model_->config().vocab_size;
  for (size_t i = 0; i < ids.size(); ++i) {
    if (ids[i] < 0 || ids[i] >= vocab_size) {
      return fail(ErrorKind::invalid_argument,
                  "token {} of the input has id {}, the model's vocabulary is 0 to {}", i, ids[i],
                  vocab_size - 1);
    }
  }
  return ok();
}

Status StepEngine::check_adapters(const AdapterMix& mix) const {
  if (mix.parts.empty()) return ok();
  const int32_t loaded = adapter_count(*model_);
  for (const AdapterMix::Part& part : mix.parts) {
    if (part.adapter >= 0 && part.adapter < loaded) continue;
    return fail(ErrorKind::invalid_argument, "there is no adapter {}; {} loaded with the model",
                part.adapter, loaded == 0 ? "none is" : fmt::format("0 to {} are", loaded - 1));
  }
  return ok();
}

Result<Stream> StepEngine::submit(Request request) {
  if (!runner_) {
    return fail(ErrorKind::unsupported,
                "{} is an encoder and cannot generate; use it for embeddings",
                model_->config().architecture);
  }
  if (request.prompt.empty())
    return fail(ErrorKind::invalid_argument, "the prompt is empty; give at least one token");
  if (request.prompt.size() >= static_cast<size_t>(plan_.context)) {
    return fail(ErrorKind::too_large,
                "the prompt has {} tokens, the context of {} has room for {} and one of an answer; "
                "shorten the prompt or "
                "use a larger context",
                request.prompt.size(), plan_.context, plan_.context - 1);
  }
  TRY_STATUS(check_ids(request.prompt));
  TRY_STATUS(check_sampling(request.sampling, model_->config().vocab_size));
  if (!request.adapters) request.adapters = adapters_;
  TRY_STATUS(check_adapters(*request.adapters));
  if (request.adapters->parts.empty()) request.adapters = nullptr;
  if (request.max_tokens < -1) {
    return fail(ErrorKind::invalid_argument,
                "max_tokens is {}, it must be -1 (until the context is full) or more",
                request.max_tokens);
  }
  if (request.top_logprobs < -1 || request.top_logprobs > model_->config().vocab_size) {
    return fail(ErrorKind::invalid_argument,
                "top_logprobs is {}, it must be between -1 (none) and {}", request.top_logprobs,
                model_->config().vocab_size);
  }
  const uint64_t seed = request.sampling.seed ? *request.sampling.seed : random_seed();
  auto channel = std::make_shared<Stream::Channel>(
      signal_, static_cast<int32_t>(request.prompt.size()), std::move(request.notify));
  auto sequence = std::make_unique<Sequence>(std::move(request), channel, seed);
  sequence->most_tokens = sequence->request.max_tokens < 0
                              ? plan_.context
                              : std::min<int64_t>(plan_.context, int64_t{sequence->n_prompt} +
                                                                     sequence->request.max_tokens);
  {
    const std::lock_guard lock(mutex_);
    const bool goes_first = sequence->goes_first();
    inbox_.push_back(std::move(sequence));
    if (goes_first) first_waits_.store(true);
  }
  signal_->raise();
  return Stream(std::move(channel));
}

Result<Tensor> StepEngine::evaluate(const std::vector<TokenId>& ids, OutputKind output) {
  if (ids.empty())
    return fail(ErrorKind::invalid_argument, "there are no tokens to evaluate; give at least one");
  if (ids.size() > static_cast<size_t>(plan_.context)) {
    return fail(
        ErrorKind::too_large,
        "{} tokens were given, the context has room for {}; give fewer or use a larger context",
        ids.size(), plan_.context);
  }
  TRY_STATUS(check_ids(ids));
  if (output == OutputKind::logits && model_->config().is_encoder) {
    return fail(ErrorKind::unsupported, "{} is an encoder: it has hidden states and no logits",
                model_->config().architecture);
  }
  const int32_t rows = Evaluation::rows_of(*model_, plan_.context);
  const uint64_t needed =
      Evaluation::bytes_needed(*model_, ids.size(), output, evaluation_kv_type_) +
      (states_ ? model_->workspace_bytes(rows, rows) : 0);
  if (needed > plan_.budget - plan_.committed) {
    return fail(
        ErrorKind::too_large,
        "evaluating {} tokens needs {} of memory, {} of the budget are left; give fewer tokens",
        ids.size(), memory_text(needed), memory_text(plan_.budget - plan_.committed));
  }
  auto evaluation =
      std::make_unique<Evaluation>(*model_, ids, output, evaluation_kv_type_, *adapters_);
  auto result = evaluation->result();
  {
    const std::lock_guard lock(mutex_);
    new_evaluations_.push_back(std::move(evaluation));
  }
  signal_->raise();
  return result.get();
}

EngineStats StepEngine::stats() const {
  const std::lock_guard lock(mutex_);
  EngineStats stats = stats_;
  const int64_t began = step_began_.load();
  if (began != 0) {
    const int64_t now = Clock::now().time_since_epoch().count();
    stats.seconds_in_step = std::chrono::duration<double>(Clock::duration(now - began)).count();
  }
  stats.waiting += static_cast<int32_t>(inbox_.size());
  return stats;
}

void StepEngine::loop() {
  pthread_setname_np(pthread_self(), "jiang-engine");
  while (!is_stopping_.load()) {
    try {
      turn();
    } catch (const std::bad_alloc&) {  // what is left undone is done next
      signal_->raise_cancelled();
    }
  }
  stop_everything();
}

void StepEngine::turn() {
  take_new();
  step_began_.store(Clock::now().time_since_epoch().count());
  const bool has_run = runner_ && runner_->step(signal_->take_cancelled(), first_waits_);
  advance_evaluation();
  publish_stats();
  if (runner_) runner_->deliver_finished();
  if (!has_run && evaluations_.empty()) {
    step_began_.store(0);
    signal_->wait();
  }
}

void StepEngine::take_new() {
  const std::lock_guard lock(mutex_);
  // Those that a failure left behind are not taken twice.
  std::erase(inbox_, nullptr);
  std::erase(new_evaluations_, nullptr);
  for (auto& sequence : inbox_) scheduler_->add(std::move(sequence));
  inbox_.clear();
  first_waits_.store(false);
  for (auto& evaluation : new_evaluations_) evaluations_.push_back(std::move(evaluation));
  new_evaluations_.clear();
}

void StepEngine::advance_evaluation() {
  if (evaluations_.empty()) return;
  std::unique_ptr<Evaluation>& evaluation = evaluations_.front();
  Workspace* work = &work_;
  if (states_) {
    if (!evaluation_work_) {
      const int32_t rows = Evaluation::rows_of(*model_, plan_.context);
      evaluation_work_ = std::make_unique<Workspace>(compute_, model_->workspace_bytes(rows, rows));
    }
    work = evaluation_work_.get();
  }
  if (evaluation->advance(*work)) evaluations_.pop_front();
}

void StepEngine::publish_stats() {
  const std::lock_guard lock(mutex_);
  stats_.memory_bytes = plan_.committed;
  if (!runner_) return;
  stats_ = {.running = scheduler_->n_running(),
            .waiting = scheduler_->n_waiting(),
            .free_state_tokens = states_->free_tokens(),
            .steps = runner_->n_steps,
            .prompt_tokens = runner_->n_prompt_tokens,
            .generated_tokens = runner_->n_generated_tokens,
            .cached_tokens = runner_->n_cached_tokens,
            .guesses = runner_->n_guesses,
            .memory_bytes = plan_.committed};
}

void StepEngine::stop_everything() {
  {
    const std::lock_guard lock(mutex_);
    if (runner_) {
      for (auto& sequence : inbox_) scheduler_->add(std::move(sequence));
    }
    inbox_.clear();
    for (auto& evaluation : new_evaluations_) evaluations_.push_back(std::move(evaluation));
    new_evaluations_.clear();
  }
  for (auto& evaluation : evaluations_)
    evaluation->fail_with(fail(ErrorKind::cancelled, "the engine was shut down"));
  if (!runner_) return;
  runner_->cancel_all();
  publish_stats();
  runner_->deliver_finished();
}

}  // namespace

Result<std::unique_ptr<Engine>> Engine::create(std::shared_ptr<const Model> model, ThreadPool& pool,
                                               EngineOptions options) {
  TRY(const MemoryPlan plan, plan_memory(*model, options, inspect_machine().memory_bytes));
  StepEngine::Parts parts;
  const int32_t n_adapters = adapter_count(*model);
  for (const AdapterMix::Part& part : options.adapters.parts) {
    JIANG_CHECK(part.adapter >= 0 && part.adapter < n_adapters, "an adapter that was not loaded");
  }
  if (!model->config().is_encoder) {
    TRY(parts.states,
        model->make_state_pool({.capacity_tokens = plan.kv_tokens, .kv_type = options.kv_type}));
    TRY(parts.guesser, make_guesser(*model, options, plan.kv_tokens, pool));
  } else if (options.draft) {
    return fail(ErrorKind::invalid_argument,
                "{} is an encoder and generates nothing that a draft model could guess",
                model->config().architecture);
  }
  try {
    return std::unique_ptr<Engine>(
        std::make_unique<StepEngine>(std::move(model), pool, options, plan, std::move(parts)));
  } catch (const std::system_error& failure) {
    return fail(ErrorKind::io, "cannot start the engine's thread: {}; is a limit of processes set?",
                failure.what());
  }
}

}  // namespace jiang
