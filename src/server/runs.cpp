#include "server/runs.h"

#include <algorithm>
#include <chrono>
#include <cmath>

#include "base/secret.h"
#include "server/chat_files.h"
#include "server/errors.h"
#include "server/request_defaults.h"
#include "server/small_model.h"

namespace jiang {

using Clock = std::chrono::steady_clock;

namespace {

constexpr int kStarters = 4;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

double rate(double count, double seconds) {
  return seconds > 0 && count > 0 ? std::round(count / seconds * 100) / 100 : 0;
}

Json stats_json(const RequestStats& stats, int32_t context) {
  const int32_t computed = stats.prompt_tokens - stats.cached_tokens;
  return {{"prompt_tokens", stats.prompt_tokens},
          {"cached_tokens", stats.cached_tokens},
          {"generated_tokens", stats.generated_tokens},
          {"ttft_ms", std::llround((stats.queue_seconds + stats.prefill_seconds) * 1000)},
          {"prefill_tps", rate(computed, stats.prefill_seconds)},
          {"decode_tps", rate(stats.generated_tokens - 1, stats.decode_seconds)},
          {"context_used", stats.prompt_tokens + stats.generated_tokens},
          {"context", context}};
}

std::string_view code_of(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::not_found:
      return "not_found";
    case ErrorKind::too_large:
      return "too_large";
    case ErrorKind::bad_numbers:
      return "bad_numbers";
    case ErrorKind::cancelled:
      return "cancelled";
    case ErrorKind::io:
      return "io";
    default:
      return "invalid";
  }
}

// A part with the type and id of one before takes its place.
void put_part(Json& parts, const Json& part) {
  if (!parts.is_array()) parts = Json::array();
  if (part.contains("id")) {
    for (Json& old : parts) {
      if (old["type"] == part["type"] && old.contains("id") && old["id"] == part["id"]) {
        old = part;
        return;
      }
    }
  }
  parts.push_back(part);
}

}  // namespace

struct Runs::Run {
  enum class Phase : uint8_t { starting, streaming, over };

  RunPlan plan;
  EventLogPtr events = std::make_shared<EventLog>();
  Clock::time_point started = Clock::now();

  std::mutex mutex;  // guards the following
  Phase phase = Phase::starting;
  bool stop_wanted = false;  // by a person: "stopped"; else a cancelled stream was interrupted
  Message answer;            // with what has come; answer.run_event is the last event in it
  bool is_dirty = false;     // not all of it is saved
  int32_t context = 0;
  ChatProgress progress;  // as it was told last
  bool told_queue = false;
  double load_progress = -1;
  Clock::time_point ended;
  ModelLease lease;  // outlives the stream: declared before it
  // Shared with who cancels it just now.
  std::shared_ptr<ChatStream> stream;
  std::shared_ptr<AgentStream> agent;  // the same stream, when it is an agent's
};

Runs::Runs(ModelManager& models, Conversations& conversations, RunsOptions options)
    : models_(models),
      conversations_(conversations),
      options_(std::move(options)),
      starters_(std::make_unique<WorkerPool>(kStarters)),
      pump_([this] { pump(); }) {}

Runs::~Runs() { shut_down(); }

std::string Runs::new_id() { return random_token(15); }

int32_t Runs::n_running(const std::string& user_id) {
  const std::lock_guard lock(mutex_);
  int32_t running = 0;
  for (const auto& [id, run] : runs_) {
    const std::lock_guard run_lock(run->mutex);
    running += run->plan.user_id == user_id && run->phase != Run::Phase::over;
  }
  return running;
}

Status Runs::may_start(const std::string& user_id) {
  const int32_t running = n_running(user_id);
  const std::lock_guard lock(mutex_);
  if (is_shutting_down_) return fail(ErrorKind::cancelled, "the server is going down");
  if (running < options_.max_per_user) return ok();
  return fail(ErrorKind::too_large, "{} answers are being written already, at most {} at once",
              running, options_.max_per_user);
}

void Runs::start(RunPlan plan) {
  const auto run = std::make_shared<Run>();
  run->answer = plan.answer;
  run->answer.run = plan.id;
  run->answer.status = MessageStatus::running;
  run->plan = std::move(plan);
  if (!run->plan.new_title.empty()) {
    run->answer.run_event =
        run->events->append(to_string(Json{{"type", "title"}, {"title", run->plan.new_title}}));
  }
  {
    const std::lock_guard lock(ready_mutex_);
    ++n_active_;
  }
  bool is_refused = false;
  {
    const std::lock_guard lock(mutex_);
    is_refused = is_shutting_down_;
    if (!is_refused) {
      runs_[run->plan.id] = run;
      starters_->post([this, run] { begin(run); });
    }
  }
  if (is_refused) return finish(run, MessageStatus::interrupted, "", "", Json());
  woken_.notify_one();
  if (options_.changed && !run->plan.conversation.empty()) {
    options_.changed(run->plan.user_id, run->plan.conversation);
  }
}

// On a starter's thread: may wait for a model to load.
void Runs::begin(const RunPtr& run) {
  auto lease = models_.acquire(run->plan.model);
  if (!lease) {
    const Error& error = lease.error();
    return finish(run, MessageStatus::error, error.message, std::string(code_of(error.kind)),
                  Json());
  }
  ChatRequest request = std::move(run->plan.request);
  add_prompt_defaults((*lease)->defaults(), request);
  const Status settled = add_settings((*lease)->defaults(), run->plan.settings, request);
  JIANG_CHECK(settled, "settings of a run are checked before it starts");
  request.user = run->plan.user_id;
  request.goes_first = n_running(run->plan.user_id) == 1;
  request.notify = [this, weak = std::weak_ptr<Run>(run)] {
    if (const RunPtr notified = weak.lock()) wake(notified);
  };
  {
    const std::lock_guard lock(run->mutex);
    if (run->phase == Run::Phase::over) return;  // stopped while the model was loaded
    run->lease = *lease;
    run->context = (*lease)->backend().capabilities().context;
  }
  auto stream = open_stream(run, *lease, std::move(request));
  if (!stream) {
    const Error& error = stream.error();
    return finish(run, MessageStatus::error, error.message, std::string(code_of(error.kind)),
                  Json());
  }
  {
    const std::lock_guard lock(run->mutex);
    if (run->phase == Run::Phase::over) return;  // while the prompt was made
    run->stream = *std::move(stream);
    run->agent = std::dynamic_pointer_cast<AgentStream>(run->stream);
    run->phase = Run::Phase::streaming;
  }
  wake(run);  // it may have told of its first token before there was somewhere to read it
}

Result<std::shared_ptr<ChatStream>> Runs::open_stream(const RunPtr& run, const ModelLease& lease,
                                                      ChatRequest request) {
  ChatBackend& backend = lease->backend();
  if (!run->plan.agent) {
    TRY(auto stream, backend.start(std::move(request)));
    return std::shared_ptr<ChatStream>(std::move(stream));
  }
  const RunAgent& agent = *run->plan.agent;
  AgentRequest wanted;
  wanted.chat = std::move(request);
  wanted.allowed = agent.allowed;
  wanted.has_untrusted_text = agent.has_untrusted_text;
  wanted.context.folder = agent.folder;
  wanted.context.files_url = agent.files_url;
  add_abilities(agent.spec, *agent.host, agent_model(models_, *lease), wanted);
  if (wanted.context.sandbox && !agent.folder.empty()) {
    TRY_STATUS(make_folder(agent.folder));
  }
  TRY(auto stream, AgentStream::start(backend, std::move(wanted), AgentStream::Asking::yes));
  return std::shared_ptr<ChatStream>(std::move(stream));
}

void Runs::wake(const RunPtr& run) {
  {
    const std::lock_guard lock(ready_mutex_);
    ready_.insert(run);
  }
  woken_.notify_one();
}

void Runs::pump() {
  const auto period = std::chrono::duration<double>(options_.save_seconds);
  Clock::time_point next_tick = Clock::now();
  while (true) {
    std::set<RunPtr> ready;
    {
      std::unique_lock lock(ready_mutex_);
      const auto something = [&] { return !ready_.empty() || is_pump_over_; };
      if (n_active_ > 0) {
        woken_.wait_until(lock, next_tick, something);
      } else {
        // Wakes now and then all the same, to forget what is old.
        woken_.wait_for(lock, std::chrono::seconds(30),
                        [&] { return something() || n_active_ > 0; });
      }
      if (is_pump_over_) return;
      ready.swap(ready_);
    }
    for (const RunPtr& run : ready) read_stream(run);
    if (Clock::now() < next_tick) continue;
    next_tick = Clock::now() + std::chrono::duration_cast<Clock::duration>(period);
    std::vector<ModelStatus> statuses;
    for (const RunPtr& run : all_runs()) {
      bool is_starting = false;
      {
        const std::lock_guard lock(run->mutex);
        if (run->phase == Run::Phase::over) continue;
        is_starting = run->phase == Run::Phase::starting;
      }
      if (is_starting && statuses.empty()) statuses = models_.list();
      tell_progress(run, statuses);
    }
    save();
    forget_old();
  }
}

std::vector<Runs::RunPtr> Runs::all_runs() {
  const std::lock_guard lock(mutex_);
  std::vector<RunPtr> all;
  for (const auto& [id, run] : runs_) all.push_back(run);
  return all;
}

// Everything that the stream has now: neighbouring pieces of the same kind become one event.
void Runs::read_stream(const RunPtr& run) {
  std::optional<ChatFinish> end;
  {
    const std::lock_guard lock(run->mutex);
    if (run->phase != Run::Phase::streaming) return;
    std::string pending;
    bool is_reasoning = false;
    const auto flush = [&] {
      if (pending.empty()) return;
      (is_reasoning ? run->answer.reasoning : run->answer.content) += pending;
      run->answer.run_event = run->events->append(
          to_string(Json{{"type", is_reasoning ? "reasoning" : "text"}, {"text", pending}}));
      run->is_dirty = true;
      pending.clear();
    };
    while (!end) {
      auto event = run->stream->next_within(0);
      if (!event) break;
      if (auto* finish = std::get_if<ChatFinish>(&*event)) {
        end = std::move(*finish);
      } else if (const auto* text = std::get_if<TextDelta>(&*event)) {
        if (is_reasoning) flush();
        is_reasoning = false;
        pending += text->text;
      } else if (const auto* thought = std::get_if<ReasoningDelta>(&*event)) {
        if (!is_reasoning) flush();
        is_reasoning = true;
        pending += thought->text;
      } else if (const auto* part = std::get_if<PartEvent>(&*event)) {
        flush();
        put_part(run->answer.parts, part->part);
        run->answer.run_event =
            run->events->append(to_string(Json{{"type", "part"}, {"part", part->part}}));
        run->is_dirty = true;
      }
      // Tool calls are the agent loop's affair: none comes here.
    }
    flush();
  }
  if (!end) return;
  MessageStatus status = MessageStatus::done;
  std::string error;
  std::string code;
  switch (end->reason) {
    case ChatFinishReason::stop:
    case ChatFinishReason::tool_calls:
      break;
    case ChatFinishReason::length:
      status = MessageStatus::length;
      break;
    case ChatFinishReason::cancelled: {
      const std::lock_guard lock(run->mutex);
      status = run->stop_wanted ? MessageStatus::stopped : MessageStatus::interrupted;
      break;
    }
    case ChatFinishReason::error:
      status = MessageStatus::error;
      error = end->error ? end->error->message : "the answer ended with an error";
      code = end->error ? std::string(code_of(end->error->kind)) : "invalid";
      break;
  }
  const Json stats = stats_json(end->stats, run->context);
  {
    const std::lock_guard lock(mutex_);
    const double speed = stats["decode_tps"].get<double>();
    if (speed > 0) speeds_[run->plan.model] = speed;
  }
  finish(run, status, error, code, stats);
}

void Runs::tell_progress(const RunPtr& run, const std::vector<ModelStatus>& models) {
  const std::lock_guard lock(run->mutex);
  if (run->phase == Run::Phase::starting) {
    for (const ModelStatus& model : models) {
      if (model.name != run->plan.model || !model.loading) continue;
      if (model.load_progress == run->load_progress) continue;
      run->load_progress = model.load_progress;
      run->events->append(to_string(
          Json{{"type", "loading"}, {"model", model.name}, {"progress", model.load_progress}}));
    }
    return;
  }
  if (run->phase != Run::Phase::streaming) return;
  const ChatProgress now = run->stream->progress();
  if (now.queue_position != run->progress.queue_position ||
      (now.queue_position > 0 && !run->told_queue)) {
    run->told_queue = true;
    run->events->append(to_string(Json{{"type", "queued"}, {"position", now.queue_position}}));
  }
  const bool is_prefill = now.queue_position == 0 && now.prompt_tokens > 0 &&
                          run->answer.content.empty() && run->answer.reasoning.empty();
  if (is_prefill && (now.prefilled != run->progress.prefilled ||
                     now.prompt_tokens != run->progress.prompt_tokens)) {
    Json event = {{"type", "prefill"},
                  {"done", now.prefilled},
                  {"total", now.prompt_tokens},
                  {"eta_ms", nullptr}};
    if (now.prefilled > 0) {
      const double left = now.prompt_tokens - now.prefilled;
      event["eta_ms"] = std::llround(seconds_since(run->started) * 1000 * left / now.prefilled);
    }
    run->events->append(to_string(event));
  }
  run->progress = now;
}

// All answers that grew, in one transaction. A failure (a full disk) is not told here: the next
// round tries again with all of the text, and finish() reports what still cannot be saved.
void Runs::save() {
  std::vector<RunPtr> grown;
  std::vector<AnswerProgress> progress;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [id, run] : runs_) {
      const std::lock_guard run_lock(run->mutex);
      const bool wanted =
          run->is_dirty && run->phase == Run::Phase::streaming && !run->plan.conversation.empty();
      if (!wanted) continue;
      grown.push_back(run);
      progress.push_back(
          {run->answer.id, run->answer.content, run->answer.reasoning, run->answer.parts});
      run->is_dirty = false;
    }
  }
  if (progress.empty() || conversations_.save_progress(progress)) return;
  for (const RunPtr& run : grown) {
    const std::lock_guard lock(run->mutex);
    run->is_dirty = true;
  }
}

void Runs::finish(const RunPtr& run, MessageStatus status, const std::string& error,
                  const std::string& code, const Json& stats) {
  AnswerEnd end;
  std::shared_ptr<ChatStream> stream;  // destroyed outside the lock
  ModelLease lease;
  {
    const std::lock_guard lock(run->mutex);
    if (run->phase == Run::Phase::over) return;
    run->phase = Run::Phase::over;
    run->ended = Clock::now();
    run->answer.status = status;
    run->answer.error = error;
    run->answer.stats = stats;
    run->answer.run.clear();
    stream = std::move(run->stream);
    run->agent.reset();
    lease = std::move(run->lease);
    end.progress = {run->answer.id, run->answer.content, run->answer.reasoning, run->answer.parts};
  }
  stream.reset();
  lease.reset();
  {
    const std::lock_guard lock(ready_mutex_);
    --n_active_;
    ready_.erase(run);
  }
  end.status = status;
  end.error = error;
  end.stats = stats;
  end.prompt_hash = run->plan.prompt_hash;
  if (!error.empty()) {
    run->events->append(to_string(Json{{"type", "error"}, {"message", error}, {"code", code}}));
  }
  if (!run->plan.conversation.empty()) {
    if (const Status saved = conversations_.finish(end); !saved) {
      run->events->append(to_string(Json{{"type", "error"},
                                         {"message", "not saved: " + saved.error().message},
                                         {"code", "not_saved"}}));
    }
  }
  Json message;
  {
    const std::lock_guard lock(run->mutex);
    message = to_json(run->answer);
  }
  run->events->append(to_string(Json{{"type", "done"},
                                     {"status", std::string(name_of(status))},
                                     {"stats", stats},
                                     {"message", std::move(message)}}));
  run->events->end();
  if (options_.changed && !run->plan.conversation.empty()) {
    options_.changed(run->plan.user_id, run->plan.conversation);
  }
}

void Runs::forget_old() {
  std::vector<RunPtr> old;  // destroyed outside the lock
  const std::lock_guard lock(mutex_);
  for (auto it = runs_.begin(); it != runs_.end();) {
    bool is_old = false;
    {
      const std::lock_guard run_lock(it->second->mutex);
      is_old = it->second->phase == Run::Phase::over &&
               seconds_since(it->second->ended) > options_.keep_seconds;
    }
    if (is_old) old.push_back(it->second);
    it = is_old ? runs_.erase(it) : std::next(it);
  }
}

Runs::RunPtr Runs::find(const std::string& id, const std::string& user_id) {
  const std::lock_guard lock(mutex_);
  const auto found = runs_.find(id);
  if (found == runs_.end() || found->second->plan.user_id != user_id) return nullptr;
  return found->second;
}

EventLogPtr Runs::events(const std::string& id, const std::string& user_id) {
  const RunPtr run = find(id, user_id);
  return run ? run->events : nullptr;
}

bool Runs::stop(const std::string& id, const std::string& user_id) {
  const RunPtr run = find(id, user_id);
  if (!run) return false;
  std::shared_ptr<ChatStream> stream;
  {
    const std::lock_guard lock(run->mutex);
    run->stop_wanted = true;
    stream = run->stream;
  }
  if (stream) {
    stream->cancel();  // its finish still comes
  } else {
    finish(run, MessageStatus::stopped, "", "", Json());
  }
  return true;
}

std::optional<Runs::Approved> Runs::approve(const std::string& id, const std::string& user_id,
                                            const std::string& approval, Approval answer) {
  const RunPtr run = find(id, user_id);
  if (!run) return std::nullopt;
  std::shared_ptr<AgentStream> agent;
  {
    const std::lock_guard lock(run->mutex);
    agent = run->agent;
  }
  const auto tool = agent ? agent->approve(approval, answer) : std::nullopt;
  if (!tool) return std::nullopt;
  return Approved{run->plan.agent->spec.id, *tool};
}

void Runs::stop_all_of(const std::string& user_id) {
  for (const RunPtr& run : all_runs()) {
    if (run->plan.user_id == user_id) stop(run->plan.id, user_id);
  }
}

void Runs::bring_up_to_date(Message& message) {
  RunPtr run;
  {
    const std::lock_guard lock(mutex_);
    const auto found = runs_.find(message.run);
    if (found == runs_.end()) return;
    run = found->second;
  }
  const std::lock_guard lock(run->mutex);
  if (run->answer.id != message.id) return;
  message.content = run->answer.content;
  message.reasoning = run->answer.reasoning;
  message.parts = run->answer.parts;
  message.run_event = run->answer.run_event;
}

std::optional<double> Runs::speed_of(const std::string& model) {
  const std::lock_guard lock(mutex_);
  const auto found = speeds_.find(model);
  if (found == speeds_.end()) return std::nullopt;
  return found->second;
}

void Runs::shut_down() {
  {
    const std::lock_guard lock(mutex_);
    if (is_shutting_down_) return;
    is_shutting_down_ = true;
  }
  const std::vector<RunPtr> all = all_runs();
  {
    const std::lock_guard lock(ready_mutex_);
    is_pump_over_ = true;
  }
  woken_.notify_all();
  pump_.join();
  for (const RunPtr& run : all) read_stream(run);  // what came and was not read yet
  for (const RunPtr& run : all) finish(run, MessageStatus::interrupted, "", "", Json());
  starters_.reset();  // those that still wait for a model find their run over
}

}  // namespace jiang
