#include "server/answer.h"

#include <atomic>

#include "server/request_defaults.h"

namespace jiang {
namespace {

using SteadyClock = std::chrono::steady_clock;

// A stream says something within this time, whether the model is loading, the queue is long or the
// prompt is: proxies and people give up on silence.
constexpr double kFirstSignSeconds = 1;
constexpr size_t kMaxWholeBytes = size_t{256} << 20;

double seconds_since(SteadyClock::time_point begin) {
  return std::chrono::duration<double>(SteadyClock::now() - begin).count();
}

ApiError model_error(const Error& error) {
  ApiError out = api_error(error);
  if (out.status == 404) {
    out.code = "model_not_found";
    out.param = "model";
  }
  return out;
}

bool is_part_of_answer(const ChatEvent& event) {
  return !std::holds_alternative<ChatFinish>(event);
}

// All members below `Strand` belong to the connection's strand.
class Answering final : public std::enable_shared_from_this<Answering> {
 public:
  Answering(ServerContext& context, const HttpRequest& request, ResponderPtr responder,
            AnswerJob job)
      : context_(context),
        caller_(request.caller),
        account_(request.caller.account(request.address)),
        responder_(std::move(responder)),
        job_(std::move(job)) {
    ++context_.metrics.active;
  }
  ~Answering() { let_go(); }
  Answering(const Answering&) = delete;
  Answering& operator=(const Answering&) = delete;

  void run();

 private:
  void on_model(Result<ModelLease> lease);
  void on_slot();
  struct Started {
    ModelLease lease;  // outlives the streams
    std::vector<std::unique_ptr<ChatStream>> streams = {};
    std::optional<ApiError> error = {};
  };
  void start(ModelLease lease, bool goes_first);
  void on_started(Started started);
  void pump();
  bool pump_one(int32_t choice, std::string& out);
  void on_finish(const ChatFinish& finish);
  void finish();
  void fail_with(ApiError error);
  void begin_stream();
  void let_go();
  std::function<void()> notifier();
  // To the strand, from a thread that has others to serve: what cannot be handed over for lack of
  // memory ends the connection.
  template <class Work>
  void hand_over(Work&& work) noexcept;

  ServerContext& context_;
  const Caller caller_;
  const std::string account_;
  const ResponderPtr responder_;
  AnswerJob job_;
  const SteadyClock::time_point began_ = SteadyClock::now();
  const std::shared_ptr<std::atomic<bool>> is_pump_posted_ =
      std::make_shared<std::atomic<bool>>(false);

  // Strand.
  bool is_over_ = false;
  bool is_streaming_ = false;  // its head is out
  bool has_begun_ = false;     // the format's first bytes, too
  double first_token_ = -1;    // seconds
  ModelLease lease_;           // outlives the streams
  std::shared_ptr<Admission::Ticket> ticket_;
  std::vector<std::unique_ptr<ChatStream>> streams_;  // null: ended
  size_t n_open_ = 0;
};

void Answering::run() {
  const auto self = shared_from_this();
  responder_->on_close([self] {
    if (self->is_over_) return;
    ++self->context_.metrics.cancelled;
    self->let_go();
  });
  responder_->on_stop([self] {
    self->fail_with(
        {.status = 503, .message = "the server is stopping", .code = "server_stopping"});
  });
  if (job_.is_stream) {
    responder_->on_tick([self] {
      const bool is_late = seconds_since(self->began_) >= kFirstSignSeconds;
      if (self->is_over_ || self->is_streaming_ || !is_late) return;
      self->begin_stream();
      self->responder_->write(self->job_.format->ping());
    });
  }
  const std::string model = job_.model.empty() ? context_.models.default_model() : job_.model;
  if (!may_use_model(context_, caller_, model)) {
    return responder_->post([self, model] { self->fail_with(model_error(no_such_model(model))); });
  }
  context_.loader.acquire(model, job_.keep_alive, [self](Result<ModelLease> lease) {
    self->hand_over(
        [self, lease = std::move(lease)]() mutable { self->on_model(std::move(lease)); });
  });
}

template <class Work>
void Answering::hand_over(Work&& work) noexcept {
  try {
    responder_->post(std::forward<Work>(work));
  } catch (const std::exception&) {
    responder_->give_up();
  }
}

void Answering::on_model(Result<ModelLease> lease) {
  if (is_over_) return;
  if (!lease) {
    return fail_with(model_error(lease.error()));
  }
  lease_ = *std::move(lease);
  auto entry = context_.admissions.of(lease_->name())->enter(account_, [self = shared_from_this()] {
    self->hand_over([self] { self->on_slot(); });
  });
  if (entry.refusal) {
    ++context_.metrics.refused;
    return fail_with(std::move(*entry.refusal));
  }
  ticket_ = std::move(entry.ticket);
}

void Answering::on_slot() {
  if (is_over_) return;
  context_.workers.post(
      [self = shared_from_this(), lease = lease_, goes_first = ticket_->is_only_one()] {
        try {
          self->start(lease, goes_first);
        } catch (const std::exception& exception) {
          self->hand_over([self, what = std::string(exception.what())] {
            self->fail_with(
                {.status = 500, .message = "an error inside the server: " + log_text(what, 200)});
          });
        }
      });
}

std::function<void()> Answering::notifier() {
  return [weak = weak_from_this(), is_posted = is_pump_posted_] {
    auto self = weak.lock();
    if (!self || is_posted->exchange(true)) return;
    const ResponderPtr responder = self->responder_;
    try {
      // The strand lets go of it: this is the engine's thread, which must not end an engine.
      responder->post([self = std::move(self)] {
        self->is_pump_posted_->store(false);
        self->pump();
      });
    } catch (...) {  // the engine tells it again
      is_posted->store(false);
      throw;
    }
  };
}

// On a worker; the strand does not touch the job's requests meanwhile.
void Answering::start(ModelLease lease, bool goes_first) {
  auto started = std::make_shared<Started>();
  started->lease = std::move(lease);
  LoadedModelEntry& model = *started->lease;
  std::optional<ApiError>& error = started->error;
  for (size_t i = 0; i < job_.requests.size(); ++i) {
    add_prompt_defaults(model.defaults(), job_.requests[i]);
    add_sampling(model.defaults(), job_.sampling, i % job_.n_per_prompt, job_.requests[i]);
  }
  if (job_.prepare) error = job_.prepare(model, job_.requests);
  for (size_t i = 0; !error && i < job_.requests.size(); ++i) {
    ChatRequest request = job_.requests[i];
    request.notify = notifier();
    request.user = account_;
    request.goes_first = goes_first;
    auto stream = model.backend().start(std::move(request));
    if (stream) {
      started->streams.push_back(*std::move(stream));
      continue;
    }
    error = api_error(stream.error());
    if (stream.error().kind == ErrorKind::too_large) {
      const auto tokens = model.backend().count_tokens(job_.requests[i]);
      const int32_t context = model.backend().capabilities().context;
      if (tokens && *tokens >= context) error = context_overflow(stream.error(), *tokens, context);
    }
  }
  if (error) started->streams.clear();
  responder_->post([self = shared_from_this(), started] { self->on_started(std::move(*started)); });
}

void Answering::on_started(Started started) {
  if (is_over_) return;  // its streams go, and with them their requests
  if (started.error) return fail_with(std::move(*started.error));
  streams_ = std::move(started.streams);
  n_open_ = streams_.size();
  job_.format->begin(lease_->name());
  responder_->on_drain([self = shared_from_this()] { self->pump(); });
  pump();
}

void Answering::begin_stream() {
  if (is_streaming_) return;
  is_streaming_ = true;
  HttpResponse head = job_.format->stream_head();
  for (const auto& header : job_.headers) head.headers.push_back(header);
  responder_->begin(std::move(head), job_.format->ping());
}

void Answering::pump() {
  if (is_over_ || streams_.empty()) return;
  std::string out;
  bool is_more = true;
  while (is_more && !is_over_) {
    if (job_.is_stream && responder_->unsent() + out.size() >= Responder::kHighWater) break;
    is_more = false;
    for (size_t i = 0; i < streams_.size() && !is_over_; ++i)
      is_more = pump_one(static_cast<int32_t>(i), out) || is_more;
  }
  if (is_over_) return;
  if (!out.empty()) responder_->write(std::move(out));
  if (n_open_ == 0) finish();
}

bool Answering::pump_one(int32_t choice, std::string& out) {
  auto& stream = streams_[static_cast<size_t>(choice)];
  if (!stream) return false;
  auto event = stream->next_within(0);
  if (!event) return false;
  // Only the page shows what an agent did.
  if (std::holds_alternative<PartEvent>(*event)) return true;
  if (first_token_ < 0 && is_part_of_answer(*event)) first_token_ = seconds_since(began_);
  if (const auto* end = std::get_if<ChatFinish>(&*event)) {
    if (end->reason == ChatFinishReason::error || end->reason == ChatFinishReason::cancelled) {
      ApiError error = end->error ? api_error(*end->error)
                                  : ApiError{.status = 503, .message = "the model was stopped"};
      if (error.status < 500) error.status = 500;  // the request was accepted: it is not to blame
      if (!out.empty()) responder_->write(std::move(out));
      fail_with(std::move(error));
      return false;
    }
    on_finish(*end);
  }
  if (job_.is_stream) {
    if (!has_begun_) {
      has_begun_ = true;
      begin_stream();
      out += job_.format->stream_begin();
    }
    out += job_.format->stream_event(choice, *event);
  } else {
    job_.format->take(choice, std::move(*event));
  }
  return true;
}

void Answering::on_finish(const ChatFinish& finish) {
  --n_open_;
  const RequestStats& stats = finish.stats;
  context_.metrics.count(stats, first_token_);
  if (ticket_) ticket_->charge(stats.prompt_tokens - stats.cached_tokens + stats.generated_tokens);
}

void Answering::finish() {
  if (job_.is_stream) {
    responder_->write(job_.format->stream_end());
    responder_->end();
  } else {
    HttpResponse response = job_.format->whole();
    for (const auto& header : job_.headers) response.headers.push_back(header);
    responder_->send(std::move(response));
  }
  let_go();
}

void Answering::fail_with(ApiError error) {
  if (is_over_) return;
  if (error.status >= 500) ++context_.metrics.failed;
  if (is_streaming_) {
    responder_->write(job_.format->stream_error(error));
    responder_->end();
  } else {
    responder_->send(error_response(job_.format->dialect(), error));
  }
  let_go();
}

void Answering::let_go() {
  if (is_over_) return;
  is_over_ = true;
  --context_.metrics.active;
  streams_.clear();  // cancels what still runs
  ticket_.reset();
  lease_.reset();
}

}  // namespace

void answer(ServerContext& context, const RequestPtr& request, const ResponderPtr& responder,
            AnswerJob job) {
  std::make_shared<Answering>(context, *request, responder, std::move(job))->run();
}

void with_model(ServerContext& context, const Caller& caller, const ResponderPtr& responder,
                ApiDialect dialect, const WantedModel& wanted,
                std::function<void(ModelLease)> work) {
  const std::string name = wanted.name.empty() ? context.models.default_model() : wanted.name;
  if (!may_use_model(context, caller, name)) {
    return responder->send(error_response(dialect, model_error(no_such_model(name))));
  }
  context.loader.acquire(
      name, wanted.keep_alive,
      [&context, responder, dialect, work = std::move(work)](Result<ModelLease> lease) {
        if (!lease) {
          return responder->send(error_response(dialect, model_error(lease.error())));
        }
        context.patient.post([work, lease = *lease] { work(lease); });
      });
}

}  // namespace jiang
