// EventLog: numbered events that are kept, for any number of readers at places of their own. What
// was read may be read again: that is how a page comes back to an answer without a gap.
//
// Any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "server/http.h"

namespace jiang {

class EventLog {
 public:
  // Keeps the last `keep` events. A reader that fell behind them goes on with what there is.
  explicit EventLog(size_t keep = SIZE_MAX) : keep_(keep) {}

  int64_t append(std::string json);  // its number, from 1
  void end();                        // nothing comes after
  int64_t last() const;

  struct Piece {
    std::string text;     // server-sent events, whole ones
    int64_t last = 0;     // the number of the last of them
    bool is_end = false;  // nothing is, or will be, after it
  };
  Piece read(int64_t after, size_t max_bytes) const;

  // `changed` is called after every append and end, under no lock, perhaps once more after
  // unwatch: it must be quick.
  int64_t watch(std::function<void()> changed);
  void unwatch(int64_t watch);

 private:
  void tell() const;

  const size_t keep_;
  mutable std::mutex mutex_;  // guards all below
  std::deque<std::string> events_;
  int64_t dropped_ = 0;  // from the front
  bool has_ended_ = false;
  std::map<int64_t, std::function<void()>> watchers_;
  int64_t next_watch_ = 1;
};
using EventLogPtr = std::shared_ptr<EventLog>;

// Answers with the events after `after`, then live until the log ends or the client goes.
// `is_still_ allowed` is asked every few seconds on a worker; false ends the answer (a user was
// removed, a link revoked).
struct EventReaderOptions {
  int64_t after = 0;
  std::function<void(std::function<void()>)> on_worker = {};
  std::function<bool()> is_still_allowed = {};
};
void serve_events(const EventLogPtr& log, const ResponderPtr& responder,
                  EventReaderOptions options);

}  // namespace jiang
