// The messages of a conversation: asked, answered, read as a path, removed, judged.
#include <algorithm>

#include "base/json_value.h"
#include "base/unicode.h"
#include "storage/clock.h"
#include "storage/conversations.h"
#include "storage/database.h"
#include "storage/message_rows.h"

namespace jiang {
namespace {

constexpr size_t kMaxContent = size_t{8} << 20;  // bytes of one message with its attachments
constexpr size_t kMaxAttachments = 64;
constexpr size_t kMaxRequestKey = 200;

// A message and what hangs below it. ?1 is its id.
#define SUBTREE                                       \
  "WITH RECURSIVE below(id) AS (SELECT ?1 UNION ALL " \
  "SELECT m.id FROM messages m JOIN below b ON m.parent = b.id) "

Status check_question(const Question& question) {
  size_t bytes = question.content.size();
  for (const Attachment& attachment : question.attachments) {
    bytes += attachment.name.size() + attachment.text.size();
    if (!is_valid_utf8(attachment.name) || !is_valid_utf8(attachment.text)) {
      return fail(ErrorKind::invalid_argument, "attachments: not UTF-8");
    }
  }
  if (question.attachments.size() > kMaxAttachments) {
    return fail(ErrorKind::invalid_argument, "attachments: at most {}", kMaxAttachments);
  }
  if (bytes > kMaxContent) {
    return fail(ErrorKind::too_large, "content: {} bytes with attachments, at most {} are kept",
                bytes, kMaxContent);
  }
  if (question.content.empty() && question.attachments.empty()) {
    return fail(ErrorKind::invalid_argument, "content: is empty");
  }
  if (!is_valid_utf8(question.content)) {
    return fail(ErrorKind::invalid_argument, "content: not UTF-8");
  }
  if (question.request_key.size() > kMaxRequestKey) {
    return fail(ErrorKind::invalid_argument, "idempotency-key: at most {} bytes", kMaxRequestKey);
  }
  return ok();
}

Message empty_answer(const std::string& parent, const AnswerPlan& plan) {
  Message answer;
  answer.id = new_id();
  answer.parent = parent;
  answer.role = "assistant";
  answer.parts = Json::array();
  answer.status = MessageStatus::running;
  answer.created = now_millis();
  answer.model = plan.model;
  answer.run = plan.run;
  answer.parameters = plan.parameters;
  return answer;
}

Result<OwnedMessage> find_in(SqlSession& sql, std::string_view user_id,
                             std::string_view conversation_id, std::string_view message_id) {
  TRY_STATUS(find_conversation(sql, user_id, conversation_id));
  TRY(OwnedMessage found, find_message(sql, user_id, message_id));
  if (found.conversation != conversation_id) {
    return fail(ErrorKind::not_found, "there is no such message in this conversation");
  }
  return found;
}

// The question that was asked under this key before, and its first answer.
Status find_repeated(SqlSession& sql, std::string_view conversation_id, const std::string& key,
                     std::optional<Asked>* asked) {
  if (key.empty()) return ok();
  std::string id;
  TRY_STATUS(sql.each("SELECT id FROM messages WHERE conversation = ?1 AND request_key = ?2",
                      {conversation_id, std::string_view(key)}, [&](const SqlRow& row) {
                        id = row.text(0);
                        return false;
                      }));
  if (id.empty()) return ok();
  TRY(auto question, read_messages(sql, "WHERE m.id = ?1", id));
  TRY(auto answers, read_messages(sql, "WHERE m.parent = ?1 ORDER BY m.seq", id));
  if (question.empty() || answers.empty()) {
    return fail(ErrorKind::invalid_argument,
                "idempotency-key: was used for a message whose answer has been removed");
  }
  *asked = Asked{std::move(question.front()), std::move(answers.front()), true};
  return ok();
}

Status write_progress(SqlSession& sql, const AnswerProgress& progress) {
  const std::string parts = progress.parts.is_array() ? to_string(progress.parts) : "[]";
  TRY_STATUS(
      sql.run("UPDATE messages SET content = ?2, reasoning = ?3, parts = ?4 "
              "WHERE id = ?1 AND status = 'running'",
              {std::string_view(progress.message_id), std::string_view(progress.content),
               std::string_view(progress.reasoning), std::string_view(parts)}));
  return ok();
}

}  // namespace

Result<std::vector<Message>> Conversations::messages(std::string_view user_id,
                                                     std::string_view id) {
  std::vector<Message> found;
  const auto work = [&](SqlSession& sql) -> Status {
    TRY_STATUS(find_conversation(sql, user_id, id));
    TRY(found, messages_of(sql, id));
    return ok();
  };
  TRY_STATUS(database_.read(work));
  return found;
}

Result<Message> Conversations::message(std::string_view user_id, std::string_view message_id) {
  OwnedMessage found;
  const auto work = [&](SqlSession& sql) -> Status {
    TRY(found, find_message(sql, user_id, message_id));
    return ok();
  };
  TRY_STATUS(database_.read(work));
  return std::move(found.message);
}

Result<std::string> Conversations::conversation_of(std::string_view user_id,
                                                   std::string_view message_id) {
  OwnedMessage found;
  const auto work = [&](SqlSession& sql) -> Status {
    TRY(found, find_message(sql, user_id, message_id));
    return ok();
  };
  TRY_STATUS(database_.read(work));
  return std::move(found.conversation);
}

Result<std::vector<Message>> Conversations::path(std::string_view user_id,
                                                 std::string_view message_id) {
  std::vector<Message> path;
  const auto work = [&](SqlSession& sql) -> Status {
    TRY_STATUS(find_message(sql, user_id, message_id));
    // A parent is older than its children, so the order by seq is the order of the path.
    TRY(path, read_messages(sql,
                            "WHERE m.id IN (WITH RECURSIVE above(id) AS (SELECT ?1 UNION ALL "
                            "SELECT p.parent FROM messages p JOIN above a ON p.id = a.id "
                            "WHERE p.parent IS NOT NULL) SELECT id FROM above) ORDER BY m.seq",
                            message_id));
    return ok();
  };
  TRY_STATUS(database_.read(work));
  return path;
}

Status Conversations::remove_message(std::string_view user_id, std::string_view message_id) {
  return database_.write([&](SqlSession& sql) -> Status {
    TRY(const OwnedMessage found, find_message(sql, user_id, message_id));
    bool running = false;
    bool has_leaf = false;
    TRY_STATUS(sql.each(SUBTREE
                        "SELECT m.status = 'running', m.id = (SELECT leaf FROM conversations c "
                        "WHERE c.id = m.conversation) FROM messages m JOIN below b ON m.id = b.id",
                        {message_id}, [&](const SqlRow& row) {
                          running |= row.integer(0) != 0;
                          has_leaf |= row.integer(1) != 0;
                          return true;
                        }));
    if (running) {
      return fail(ErrorKind::invalid_argument,
                  "an answer is being written there; stop it before removing the message");
    }
    TRY_STATUS(
        sql.run(SUBTREE "DELETE FROM messages WHERE id IN (SELECT id FROM below)", {message_id}));
    if (!has_leaf) return ok();
    // The page goes on with the newest branch beside it, or else with what was above.
    std::string leaf = found.message.parent;
    const auto take = [&](const SqlRow& row) {
      leaf = row.text(0);
      return false;
    };
    if (leaf.empty()) {
      TRY_STATUS(
          sql.each("SELECT id FROM messages WHERE conversation = ?1 ORDER BY seq DESC "
                   "LIMIT 1",
                   {std::string_view(found.conversation)}, take));
    } else {
      TRY_STATUS(
          sql.each("WITH RECURSIVE down(id, seq) AS (SELECT ?1, 0 UNION ALL "
                   "SELECT m.id, m.seq FROM messages m JOIN down d ON m.parent = d.id) "
                   "SELECT id FROM down ORDER BY seq DESC LIMIT 1",
                   {std::string_view(leaf)}, take));
    }
    TRY_STATUS(sql.run("UPDATE conversations SET leaf = ?2 WHERE id = ?1",
                       {std::string_view(found.conversation), std::string_view(leaf)}));
    return ok();
  });
}

Status Conversations::set_feedback(std::string_view user_id, std::string_view message_id, int value,
                                   std::string_view comment) {
  if (value < -1 || value > 1) {
    return fail(ErrorKind::invalid_argument, "value: 1, -1 or null");
  }
  if (comment.size() > 64 * 1024 || !is_valid_utf8(comment)) {
    return fail(ErrorKind::invalid_argument, "comment: at most 65536 bytes of UTF-8");
  }
  return database_.write([&](SqlSession& sql) -> Status {
    TRY_STATUS(find_message(sql, user_id, message_id));
    TRY_STATUS(sql.run("UPDATE messages SET feedback = ?2, comment = ?3 WHERE id = ?1",
                       {message_id, int64_t{value}, value == 0 ? std::string_view() : comment}));
    return ok();
  });
}

Result<std::vector<Json>> Conversations::feedback(std::string_view user_id) {
  std::vector<Json> lines;
  const auto work = [&](SqlSession& sql) {
    return sql.each(
        "SELECT m.id, m.conversation, m.feedback, m.comment, m.model, m.prompt_hash, "
        "m.parameters, m.created, m.content FROM messages m JOIN conversations c "
        "ON c.id = m.conversation WHERE c.user_id = ?1 AND m.feedback <> 0 ORDER BY m.seq",
        {user_id}, [&](const SqlRow& row) {
          auto parameters = parse_json(row.text(6), "parameters");
          lines.push_back({{"message", row.text(0)},
                           {"conversation", row.text(1)},
                           {"value", row.integer(2)},
                           {"comment", row.text(3)},
                           {"model", row.text(4)},
                           {"prompt_hash", row.text(5)},
                           {"parameters", parameters ? *std::move(parameters) : Json()},
                           {"created", row.integer(7)},
                           {"content", row.text(8)}});
          return true;
        });
  };
  TRY_STATUS(database_.read(work));
  return lines;
}

Result<Asked> Conversations::ask(std::string_view user_id, std::string_view conversation_id,
                                 Question question, AnswerPlan plan) {
  TRY_STATUS(check_question(question));
  std::optional<Asked> asked;
  const auto work = [&](SqlSession& sql) -> Status {
    TRY_STATUS(find_conversation(sql, user_id, conversation_id));
    TRY_STATUS(find_repeated(sql, conversation_id, question.request_key, &asked));
    if (asked) return ok();
    if (!question.parent.empty()) {
      TRY(const OwnedMessage parent, find_in(sql, user_id, conversation_id, question.parent));
      if (parent.message.status == MessageStatus::running) {
        return fail(ErrorKind::invalid_argument,
                    "parent: its answer is still being written; stop it, or wait");
      }
    }
    asked.emplace();
    asked->question.id = new_id();
    asked->question.parent = question.parent;
    asked->question.role = "user";
    asked->question.content = std::move(question.content);
    asked->question.parts = Json::array();
    asked->question.created = now_millis();
    asked->question.attachments = std::move(question.attachments);
    asked->answer = empty_answer(asked->question.id, plan);
    TRY_STATUS(insert_message(sql, conversation_id, asked->question, question.request_key));
    TRY_STATUS(insert_message(sql, conversation_id, asked->answer));
    return touch_conversation(sql, conversation_id, asked->answer.id);
  };
  TRY_STATUS(database_.write(work));
  return *std::move(asked);
}

Result<Message> Conversations::answer_again(std::string_view user_id,
                                            std::string_view conversation_id,
                                            std::string_view question_id, AnswerPlan plan) {
  Message answer = empty_answer(std::string(question_id), plan);
  const auto work = [&](SqlSession& sql) -> Status {
    TRY(const OwnedMessage question, find_in(sql, user_id, conversation_id, question_id));
    if (question.message.role != "user") {
      return fail(ErrorKind::invalid_argument, "parent: must be a user's message");
    }
    TRY_STATUS(insert_message(sql, conversation_id, answer));
    return touch_conversation(sql, conversation_id, answer.id);
  };
  TRY_STATUS(database_.write(work));
  return answer;
}

Result<Message> Conversations::continue_answer(std::string_view user_id,
                                               std::string_view conversation_id,
                                               std::string_view message_id, AnswerPlan plan) {
  Message answer;
  const auto work = [&](SqlSession& sql) -> Status {
    TRY(OwnedMessage found, find_in(sql, user_id, conversation_id, message_id));
    answer = std::move(found.message);
    if (answer.role != "assistant") {
      return fail(ErrorKind::invalid_argument, "message: only an assistant's can be continued");
    }
    if (answer.status == MessageStatus::running) {
      return fail(ErrorKind::invalid_argument, "message: is still being written");
    }
    answer.status = MessageStatus::running;
    answer.run = plan.run;
    answer.error.clear();
    TRY_STATUS(sql.run("UPDATE messages SET status = 'running', run = ?2, error = '' WHERE id = ?1",
                       {message_id, std::string_view(plan.run)}));
    return touch_conversation(sql, conversation_id, message_id);
  };
  TRY_STATUS(database_.write(work));
  return answer;
}

Status Conversations::save_progress(std::span<const AnswerProgress> progress) {
  return database_.write([&](SqlSession& sql) -> Status {
    for (const AnswerProgress& one : progress) TRY_STATUS(write_progress(sql, one));
    return ok();
  });
}

Status Conversations::finish(const AnswerEnd& end) {
  const std::string stats = to_string(end.stats);
  return database_.write([&](SqlSession& sql) -> Status {
    TRY_STATUS(write_progress(sql, end.progress));
    TRY_STATUS(sql.run(
        "UPDATE messages SET status = ?2, error = ?3, stats = ?4, "
        "prompt_hash = ?5, run = '' WHERE id = ?1 AND status = 'running'",
        {std::string_view(end.progress.message_id), name_of(end.status),
         std::string_view(end.error), std::string_view(stats), std::string_view(end.prompt_hash)}));
    return ok();
  });
}

Result<int64_t> Conversations::flag_interrupted() {
  int64_t flagged = 0;
  const auto work = [&](SqlSession& sql) -> Status {
    TRY(flagged, sql.run("UPDATE messages SET status = 'interrupted', run = '' "
                         "WHERE status = 'running'"));
    return ok();
  };
  TRY_STATUS(database_.write(work));
  return flagged;
}

}  // namespace jiang
