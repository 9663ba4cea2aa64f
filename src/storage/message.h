// What a conversation is made of, and its JSON as docs/api.md has it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json_value.h"

namespace jiang {

struct Conversation {
  std::string id = {};
  std::string title = {};
  std::string agent_id = {};  // "": none
  std::string model = {};     // "": the default
  std::string folder = {};
  bool pinned = false;
  int64_t created = 0;  // ms since 1970
  int64_t updated = 0;
  std::string leaf = {};     // the message to which the page shows the path; "": none
  Json settings = {};        // an object
  bool running = false;      // an answer of it is being written
  std::string snippet = {};  // where a search found it
};

enum class MessageStatus : uint8_t { done, running, stopped, interrupted, error, length };
std::string_view name_of(MessageStatus status);
std::optional<MessageStatus> message_status_of(std::string_view name);

struct Attachment {
  std::string name = {};
  std::string text = {};
};

struct Message {
  std::string id = {};
  std::string parent = {};  // "": the first
  std::string role = {};    // "user", "assistant", "tool", "system"
  std::string content = {};
  std::string reasoning = {};
  Json parts = {};  // an array: what an agent did
  MessageStatus status = MessageStatus::done;
  std::string error = {};
  int64_t created = 0;
  std::string model = {};
  Json stats = {};   // null or an object
  int feedback = 0;  // 1, -1, or 0 for none
  std::string comment = {};
  std::string run = {};          // of an answer that is being written
  int64_t run_event = 0;         // the last event of the run that is in here already; not stored
  std::string prompt_hash = {};  // of an answer: SHA-256 of the messages that it answers
  Json parameters = {};          // of an answer: null or what it was sampled with
  std::vector<Attachment> attachments = {};
};

Json to_json(const Conversation& conversation);
Json to_json(const Message& message);

}  // namespace jiang
