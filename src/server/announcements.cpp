#include "server/announcements.h"

#include <vector>

#include "base/json_value.h"

namespace jiang {
namespace {

constexpr size_t kKept = 256;  // for a page that was away for a moment

}  // namespace

EventLogPtr Announcements::of(const std::string& user_id) {
  const std::lock_guard lock(mutex_);
  for (auto it = logs_.begin(); it != logs_.end();) {
    it = it->second.expired() ? logs_.erase(it) : std::next(it);
  }
  EventLogPtr log = logs_[user_id].lock();
  if (!log) {
    log = std::make_shared<EventLog>(kKept);
    logs_[user_id] = log;
  }
  return log;
}

void Announcements::tell_all(const std::string& type) {
  std::vector<EventLogPtr> logs;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [user, weak] : logs_) {
      if (EventLogPtr log = weak.lock()) logs.push_back(std::move(log));
    }
  }
  const std::string event = to_string(Json{{"type", type}});
  for (const EventLogPtr& log : logs) log->append(event);
}

void Announcements::tell_conversation(const std::string& user_id,
                                      const std::string& conversation_id) {
  EventLogPtr log;
  {
    const std::lock_guard lock(mutex_);
    const auto found = logs_.find(user_id);
    if (found != logs_.end()) log = found->second.lock();
  }
  if (log) log->append(to_string(Json{{"type", "conversation"}, {"id", conversation_id}}));
}

void Announcements::end() {
  std::vector<EventLogPtr> logs;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [user, weak] : logs_) {
      if (EventLogPtr log = weak.lock()) logs.push_back(std::move(log));
    }
  }
  for (const EventLogPtr& log : logs) log->end();
}

}  // namespace jiang
