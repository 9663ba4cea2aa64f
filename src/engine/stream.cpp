#include <algorithm>
#include <chrono>

#include "engine/channel.h"

namespace jiang {

namespace {

size_t event_bytes(const TokenEvent& event) {
  return sizeof(TokenEvent) + event.top_logprobs.size() * sizeof(TokenLogprob);
}

}  // namespace

void StepSignal::raise() {
  const std::lock_guard lock(mutex_);
  raised_ = true;
  raised_changed_.notify_one();
}

void StepSignal::raise_cancelled() {
  cancelled_.store(true);
  raise();
}

void StepSignal::wait() {
  std::unique_lock lock(mutex_);
  raised_changed_.wait(lock, [this] { return raised_; });
  raised_ = false;
}

void Stream::Channel::push(TokenEvent event) {
  {
    const std::lock_guard lock(mutex_);
    bytes_ += event_bytes(event);
    events_.push_back(std::move(event));
    readable_.notify_one();
  }
  ++n_untold_;
}

bool Stream::Channel::is_due(std::chrono::steady_clock::time_point now) const {
  return n_untold_ >= kMostUntold || now - told_ >= kTellEvery;
}

bool Stream::Channel::tell(std::chrono::steady_clock::time_point now) noexcept {
  if (n_untold_ == 0) return true;
  try {
    if (notify_) notify_();
  } catch (const std::exception&) {  // for lack of memory
    return false;
  }
  n_untold_ = 0;
  told_ = now;
  return true;
}

void Stream::Channel::push_finish(FinishEvent event) {
  queue_position.store(0, std::memory_order_relaxed);
  {
    const std::lock_guard lock(mutex_);
    if (!finish_) finish_ = std::move(event);
    readable_.notify_all();
  }
  n_untold_ = 0;
  if (notify_) notify_();
}

void Stream::Channel::end_for_want_of_memory() noexcept {
  {
    const std::lock_guard lock(mutex_);
    if (finish_) return;
  }
  try {  // the message is short enough to need no memory
    push_finish({.reason = FinishReason::error,
                 .error = Error{ErrorKind::too_large, "out of memory"},
                 .stats = {}});
  } catch (const std::exception&) {  // of notify: its reader finds it when he looks again
  }
}

bool Stream::Channel::has_room() {
  const std::lock_guard lock(mutex_);
  is_full_ = bytes_ >= (is_full_ ? kMaxBytes / 2 : kMaxBytes);
  return !is_full_;
}

std::optional<TokenEvent> Stream::Channel::pop(double seconds) {
  std::optional<TokenEvent> event;
  bool has_drained = false;
  {
    std::unique_lock lock(mutex_);
    const auto is_readable = [this] { return !events_.empty() || finish_.has_value(); };
    if (seconds < 0) {
      readable_.wait(lock, is_readable);
    } else if (seconds > 0) {
      constexpr double kYear = 365.0 * 24 * 3600;  // the clock's arithmetic must not overflow
      const std::chrono::duration<double> limit(std::min(seconds, kYear));
      readable_.wait_for(lock, limit, is_readable);
    }
    if (events_.empty()) {
      if (finish_.has_value()) finish_read = finish_;
      return std::nullopt;
    }
    event = std::move(events_.front());
    events_.pop_front();
    bytes_ -= event_bytes(*event);
    has_drained = is_full_ && bytes_ < kMaxBytes / 2;
    if (has_drained) is_full_ = false;
  }
  if (has_drained) signal_->raise();
  return event;
}

void Stream::Channel::cancel() {
  if (!cancelled_.exchange(true)) signal_->raise_cancelled();
}

Stream::Stream(std::shared_ptr<Channel> channel) : channel_(std::move(channel)) {}
Stream::Stream(Stream&&) noexcept = default;

Stream& Stream::operator=(Stream&& other) noexcept {
  if (this != &other) {
    if (channel_) channel_->cancel();
    channel_ = std::move(other.channel_);
  }
  return *this;
}

Stream::~Stream() {
  if (channel_) channel_->cancel();
}

std::optional<TokenEvent> Stream::next() { return channel_->pop(-1); }

std::optional<TokenEvent> Stream::next_within(double seconds) {
  return channel_->pop(seconds > 0 ? seconds : 0);
}

const std::optional<FinishEvent>& Stream::finish() const { return channel_->finish_read; }

void Stream::cancel() { channel_->cancel(); }

std::pair<int32_t, int32_t> Stream::prefill_progress() const {
  return {channel_->prefilled.load(std::memory_order_relaxed), channel_->prompt};
}

int32_t Stream::queue_position() const {
  return channel_->queue_position.load(std::memory_order_relaxed);
}

}  // namespace jiang
