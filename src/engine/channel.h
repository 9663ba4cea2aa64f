// What lies between the step thread and the reader of one Stream.
//
// The step thread pushes and never waits: when has_room() says no, the scheduler parks that
// sequence, and the reader raises the signal once it has read half. Every member function is safe
// from any thread; finish_read belongs to the reader.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>

#include "engine/engine.h"

namespace jiang {

// Wakes the step thread. Shared by the engine and its channels, so that a stream that outlives the
// engine by mistake touches no freed memory.
class StepSignal {
 public:
  void raise();
  // Waits until raised since the last wait.
  void wait();
  // A stream was cancelled since the last call.
  bool take_cancelled() { return cancelled_.exchange(false); }
  void raise_cancelled();

 private:
  std::mutex mutex_;
  std::condition_variable raised_changed_;
  bool raised_ = false;
  std::atomic<bool> cancelled_ = false;
};

struct Stream::Channel {
  // Events that a reader has not read yet may take this much; then its sequence waits.
  static constexpr size_t kMaxBytes = size_t{256} * 1024;

  Channel(std::shared_ptr<StepSignal> signal, int32_t prompt_tokens,
          std::function<void()> notify = {})
      : prompt(prompt_tokens), signal_(std::move(signal)), notify_(std::move(notify)) {}

  // Who is notified of tokens is notified no oftener than this: waking a reader for each costs more
  // than the token where steps take a millisecond, and a screen draws no oftener.
  static constexpr std::chrono::milliseconds kTellEvery{15};
  // So many unread tokens are told of at once: they must not fill the channel untold.
  static constexpr size_t kMostUntold = 64;

  // The step thread's side.
  void push(TokenEvent event);
  // Told once: later ones change nothing. Throws what notify throws, and may be called again then.
  void push_finish(FinishEvent event);
  void end_for_want_of_memory() noexcept;  // unless its end was told
  bool has_untold() const { return n_untold_ > 0; }
  bool is_due(std::chrono::steady_clock::time_point now) const;
  // Calls notify, if something was pushed since the last call. False: it threw; call again.
  bool tell(std::chrono::steady_clock::time_point now) noexcept;
  std::chrono::steady_clock::time_point told() const { return told_; }
  bool has_room();  // no: remembers to raise the signal when there is
  bool is_cancelled() const { return cancelled_.load(std::memory_order_relaxed); }

  // The reader's side. A negative number of seconds waits for ever.
  std::optional<TokenEvent> pop(double seconds);
  void cancel();

  std::optional<FinishEvent> finish_read;
  std::atomic<int32_t> prefilled = 0;
  std::atomic<int32_t> queue_position = 1;  // 0: running
  const int32_t prompt;

 private:
  const std::shared_ptr<StepSignal> signal_;
  const std::function<void()> notify_;  // called with mutex_ free
  std::atomic<bool> cancelled_ = false;
  // The step thread's.
  std::chrono::steady_clock::time_point told_ = {};
  size_t n_untold_ = 0;

  std::mutex mutex_;
  std::condition_variable readable_;
  std::deque<TokenEvent> events_;
  size_t bytes_ = 0;
  bool is_full_ = false;  // a has_room() said no, and the signal has not been raised since
  std::optional<FinishEvent> finish_;
};

}  // namespace jiang
