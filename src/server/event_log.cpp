#include "server/event_log.h"

#include <vector>

#include "base/result.h"

namespace jiang {
namespace {

constexpr size_t kPieceBytes = 16 * 1024;
constexpr int kTicksBetweenChecks = 3;  // a tick is about a second

// One reader of one log. Its Responder's callbacks own it, so it goes when the answer is over.
class Reader : public std::enable_shared_from_this<Reader> {
 public:
  Reader(EventLogPtr log, ResponderPtr responder, EventReaderOptions options)
      : log_(std::move(log)), responder_(std::move(responder)), options_(std::move(options)) {}
  ~Reader() {
    if (watch_ != 0) log_->unwatch(watch_);
  }

  void start() {
    const auto self = shared_from_this();
    responder_->on_drain([self] { self->pump(); });
    responder_->on_close([self] {});  // holds the reader, too
    responder_->on_stop([self] {
      self->pump();
      self->finish();
    });
    responder_->on_tick([self] { self->tick(); });
    responder_->begin(event_stream_head(), kSsePing);
    watch_ = log_->watch([weak = weak_from_this()] {
      if (const auto reader = weak.lock()) {
        reader->responder_->post([weak] {
          if (const auto still = weak.lock()) still->pump();
        });
      }
    });
    responder_->post([self] { self->pump(); });
  }

 private:
  // On the strand: one at a time.
  void pump() {
    while (!is_over_ && responder_->unsent() < Responder::kHighWater) {
      EventLog::Piece piece = log_->read(options_.after, kPieceBytes);
      options_.after = piece.last;
      if (!piece.text.empty()) {
        responder_->write(std::move(piece.text));
      } else if (piece.is_end) {
        finish();
      } else {
        return;
      }
    }
  }
  void finish() {
    if (!is_over_) responder_->end();
    is_over_ = true;
  }
  void tick() {
    if (!options_.is_still_allowed || ++ticks_ % kTicksBetweenChecks != 0) return;
    options_.on_worker([self = shared_from_this()] {
      if (self->options_.is_still_allowed()) return;
      self->responder_->post([self] { self->finish(); });
    });
  }

  const EventLogPtr log_;
  const ResponderPtr responder_;
  EventReaderOptions options_;
  int64_t watch_ = 0;
  bool is_over_ = false;
  int ticks_ = 0;
};

}  // namespace

int64_t EventLog::append(std::string json) {
  int64_t number = 0;
  {
    const std::lock_guard lock(mutex_);
    if (has_ended_) return dropped_ + static_cast<int64_t>(events_.size());
    events_.push_back(std::move(json));
    if (events_.size() > keep_) {
      events_.pop_front();
      ++dropped_;
    }
    number = dropped_ + static_cast<int64_t>(events_.size());
  }
  tell();
  return number;
}

void EventLog::end() {
  {
    const std::lock_guard lock(mutex_);
    has_ended_ = true;
  }
  tell();
}

int64_t EventLog::last() const {
  const std::lock_guard lock(mutex_);
  return dropped_ + static_cast<int64_t>(events_.size());
}

EventLog::Piece EventLog::read(int64_t after, size_t max_bytes) const {
  const std::lock_guard lock(mutex_);
  Piece piece;
  const int64_t last = dropped_ + static_cast<int64_t>(events_.size());
  piece.last = std::max(after, dropped_);
  while (piece.last < last && piece.text.size() < max_bytes) {
    const std::string& event = events_[static_cast<size_t>(piece.last - dropped_)];
    piece.text += fmt::format("id: {}\ndata: {}\n\n", ++piece.last, event);
  }
  piece.is_end = has_ended_ && piece.last >= last;
  return piece;
}

int64_t EventLog::watch(std::function<void()> changed) {
  const std::lock_guard lock(mutex_);
  watchers_[next_watch_] = std::move(changed);
  return next_watch_++;
}

void EventLog::unwatch(int64_t watch) {
  const std::lock_guard lock(mutex_);
  watchers_.erase(watch);
}

void EventLog::tell() const {
  std::vector<std::function<void()>> watchers;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [id, changed] : watchers_) watchers.push_back(changed);
  }
  for (const auto& changed : watchers) changed();
}

void serve_events(const EventLogPtr& log, const ResponderPtr& responder,
                  EventReaderOptions options) {
  std::make_shared<Reader>(log, responder, std::move(options))->start();
}

}  // namespace jiang
