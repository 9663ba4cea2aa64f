// Conversations: trees of messages. A message's parent is what it answers; siblings are branches,
// in the order in which they were made.
//
// Any thread. Every call names the user, and what belongs to somebody else is not_found. When a
// call that writes returns ok, it is on the disk.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/json_value.h"
#include "base/result.h"
#include "storage/message.h"

namespace jiang {

class Database;

struct ConversationQuery {
  std::string text = {};  // "": all; else a substring of a title or of a message
  std::optional<std::string> folder = {};
  std::string cursor = {};  // `next` of the page before
  int32_t limit = 50;
};
struct ConversationPage {
  std::vector<Conversation> items;  // pinned first, then the newest
  std::string next;                 // "": no more
};

struct ConversationChange {
  std::optional<std::string> title = {};
  std::optional<std::string> folder = {};
  std::optional<bool> pinned = {};
  std::optional<std::string> leaf = {};
  std::optional<std::string> model = {};
  std::optional<Json> settings = {};
};

struct Question {
  std::string parent = {};  // "": a beginning
  std::string content = {};
  std::vector<Attachment> attachments = {};
  std::string request_key = {};  // Idempotency-Key: asked again, the same messages come back
};
// How an answer is made.
struct AnswerPlan {
  std::string run = {};
  std::string model = {};
  Json parameters = {};
};
struct Asked {
  Message question;
  Message answer;         // empty, running
  bool repeated = false;  // the request_key was seen before: no new run is wanted
};

// An answer that is being written: all of it so far.
struct AnswerProgress {
  std::string message_id;
  std::string content;
  std::string reasoning;
  Json parts;
};
struct AnswerEnd {
  AnswerProgress progress;
  MessageStatus status = MessageStatus::done;
  std::string error = {};
  Json stats = {};
  std::string prompt_hash = {};
};

class Conversations {
 public:
  explicit Conversations(Database& database) : database_(database) {}

  Result<ConversationPage> list(std::string_view user_id, const ConversationQuery& query);
  // Of `draft`, title, agent_id, model, folder and settings count.
  Result<Conversation> create(std::string_view user_id, Conversation draft);
  Result<Conversation> find(std::string_view user_id, std::string_view id);
  Result<Conversation> change(std::string_view user_id, std::string_view id,
                              const ConversationChange& change);
  Status remove(std::string_view user_id, std::string_view id);
  Result<std::vector<std::string>> folders(std::string_view user_id);

  // All messages in the order in which they were made.
  Result<std::vector<Message>> messages(std::string_view user_id, std::string_view id);
  Result<Message> message(std::string_view user_id, std::string_view message_id);
  Result<std::string> conversation_of(std::string_view user_id, std::string_view message_id);
  // From the first message to this one: what a model reads.
  Result<std::vector<Message>> path(std::string_view user_id, std::string_view message_id);
  // With what hangs below it. Refused while an answer is being written there.
  Status remove_message(std::string_view user_id, std::string_view message_id);
  // 1, -1, or 0 to take it back.
  Status set_feedback(std::string_view user_id, std::string_view message_id, int value,
                      std::string_view comment);
  // One object per message with feedback: value, comment, model, prompt_hash, parameters ...
  Result<std::vector<Json>> feedback(std::string_view user_id);

  // The user's message and the empty answer, in one transaction. Becomes the leaf.
  Result<Asked> ask(std::string_view user_id, std::string_view conversation_id, Question question,
                    AnswerPlan plan);
  // A further answer to a user's message. Becomes the leaf.
  Result<Message> answer_again(std::string_view user_id, std::string_view conversation_id,
                               std::string_view question_id, AnswerPlan plan);
  // A stopped, cut or interrupted answer runs again.
  Result<Message> continue_answer(std::string_view user_id, std::string_view conversation_id,
                                  std::string_view message_id, AnswerPlan plan);
  // For the one writer of runs, which names no user. Many answers, one transaction. An answer that
  // was deleted meanwhile is passed over.
  Status save_progress(std::span<const AnswerProgress> progress);
  Status finish(const AnswerEnd& end);
  // Gives a conversation that has no title this one; true if it did.
  Result<bool> set_first_title(std::string_view id, std::string_view title);
  // Answers that a dead process left running become interrupted: how many.
  Result<int64_t> flag_interrupted();

  // Lossless, with all branches; import_one keeps ids unless they are taken.
  Result<Json> export_json(std::string_view user_id, std::string_view id);
  Result<Conversation> import_one(std::string_view user_id, const Conversation& conversation,
                                  const std::vector<Message>& messages);

 private:
  Database& database_;
};

}  // namespace jiang
