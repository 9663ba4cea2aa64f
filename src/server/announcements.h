// Announcements: what changed, for the pages that are open: agents, models, conversations.
//
// Any thread.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "server/event_log.h"

namespace jiang {

class Announcements {
 public:
  // The log of one user's pages.
  EventLogPtr of(const std::string& user_id);
  // {"type": "agents"} or {"type": "models"} to everybody.
  void tell_all(const std::string& type);
  void tell_conversation(const std::string& user_id, const std::string& conversation_id);
  // No more are told; the streams end.
  void end();

 private:
  std::mutex mutex_;  // guards logs_
  std::map<std::string, std::weak_ptr<EventLog>> logs_;
};

}  // namespace jiang
