#include "storage/message_rows.h"

#include <unordered_map>

#include "base/json_value.h"
#include "storage/clock.h"

namespace jiang {
namespace {

#define MESSAGE_COLUMNS                                                                     \
  "m.id, m.parent, m.role, m.content, m.reasoning, m.parts, m.status, m.error, m.created, " \
  "m.model, m.stats, m.feedback, m.comment, m.run, m.prompt_hash, m.parameters"

// What we wrote ourselves, so what does not parse was damaged: null then, and the rest is shown.
Json json_from(const std::string& text) {
  auto json = parse_json(text, "data.db");
  return json ? *std::move(json) : Json();
}

Message message_from(const SqlRow& row) {
  Message message;
  message.id = row.text(0);
  message.parent = row.text(1);
  message.role = row.text(2);
  message.content = row.text(3);
  message.reasoning = row.text(4);
  message.parts = json_from(row.text(5));
  message.status = message_status_of(row.text(6)).value_or(MessageStatus::error);
  message.error = row.text(7);
  message.created = row.integer(8);
  message.model = row.text(9);
  message.stats = json_from(row.text(10));
  message.feedback = static_cast<int>(row.integer(11));
  message.comment = row.text(12);
  message.run = row.text(13);
  message.prompt_hash = row.text(14);
  message.parameters = json_from(row.text(15));
  return message;
}

SqlValue null_if_empty(std::string_view text) { return text.empty() ? SqlValue() : SqlValue(text); }

Error no_conversation() { return fail(ErrorKind::not_found, "there is no such conversation"); }

}  // namespace

Result<Conversation> find_conversation(SqlSession& sql, std::string_view user_id,
                                       std::string_view id) {
  std::optional<Conversation> found;
  TRY_STATUS(
      sql.each("SELECT id, title, agent_id, model, folder, pinned, created, updated, leaf, "
               "settings, EXISTS (SELECT 1 FROM messages m WHERE m.conversation = c.id "
               "AND m.status = 'running') FROM conversations c WHERE id = ?1 "
               "AND user_id = ?2",
               {id, user_id}, [&](const SqlRow& row) {
                 found = Conversation{.id = row.text(0),
                                      .title = row.text(1),
                                      .agent_id = row.text(2),
                                      .model = row.text(3),
                                      .folder = row.text(4),
                                      .pinned = row.integer(5) != 0,
                                      .created = row.integer(6),
                                      .updated = row.integer(7),
                                      .leaf = row.text(8),
                                      .settings = json_from(row.text(9)),
                                      .running = row.integer(10) != 0,
                                      .snippet = {}};
                 return false;
               }));
  if (!found) return no_conversation();
  return *std::move(found);
}

Status insert_conversation(SqlSession& sql, std::string_view user_id, const Conversation& made) {
  const std::string settings =
      made.settings.is_object() ? to_string(made.settings) : std::string("{}");
  TRY_STATUS(sql.run(
      "INSERT INTO conversations (id, user_id, title, agent_id, model, folder, pinned, created, "
      "updated, place, leaf, settings) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, "
      "(SELECT COALESCE(MAX(place), 0) + 1 FROM conversations WHERE user_id = ?2), ?10, ?11)",
      {std::string_view(made.id), user_id, std::string_view(made.title),
       std::string_view(made.agent_id), std::string_view(made.model), std::string_view(made.folder),
       int64_t{made.pinned}, made.created, made.updated, std::string_view(made.leaf),
       std::string_view(settings)}));
  return ok();
}

Status touch_conversation(SqlSession& sql, std::string_view id, std::string_view leaf) {
  TRY_STATUS(
      sql.run("UPDATE conversations SET leaf = ?2, updated = ?3, place = "
              "(SELECT MAX(other.place) + 1 FROM conversations other "
              "WHERE other.user_id = conversations.user_id) WHERE id = ?1",
              {id, leaf, now_millis()}));
  return ok();
}

Result<std::vector<Message>> read_messages(SqlSession& sql, const char* sql_tail,
                                           std::string_view key) {
  std::vector<Message> messages;
  std::unordered_map<std::string, size_t> places;
  const std::string select = std::string("SELECT " MESSAGE_COLUMNS " FROM messages m ") + sql_tail;
  TRY_STATUS(sql.each(select.c_str(), {key}, [&](const SqlRow& row) {
    messages.push_back(message_from(row));
    places[messages.back().id] = messages.size() - 1;
    return true;
  }));
  const std::string with_files =
      std::string(
          "SELECT a.message, a.name, a.content FROM attachments a WHERE a.message IN "
          "(SELECT m.id FROM messages m ") +
      sql_tail + ") ORDER BY a.message, a.number";
  TRY_STATUS(sql.each(with_files.c_str(), {key}, [&](const SqlRow& row) {
    messages[places.at(row.text(0))].attachments.push_back({row.text(1), row.text(2)});
    return true;
  }));
  return messages;
}

Result<std::vector<Message>> messages_of(SqlSession& sql, std::string_view conversation_id) {
  return read_messages(sql, "WHERE m.conversation = ?1 ORDER BY m.seq", conversation_id);
}

Result<OwnedMessage> find_message(SqlSession& sql, std::string_view user_id,
                                  std::string_view message_id) {
  std::string conversation;
  TRY_STATUS(
      sql.each("SELECT c.id FROM messages m JOIN conversations c ON c.id = m.conversation "
               "WHERE m.id = ?1 AND c.user_id = ?2",
               {message_id, user_id}, [&](const SqlRow& row) {
                 conversation = row.text(0);
                 return false;
               }));
  if (conversation.empty()) return fail(ErrorKind::not_found, "there is no such message");
  TRY(auto found, read_messages(sql, "WHERE m.id = ?1", message_id));
  JIANG_CHECK(found.size() == 1, "a message that is there");
  return OwnedMessage{std::move(found.front()), std::move(conversation)};
}

Status insert_message(SqlSession& sql, std::string_view conversation_id, const Message& message,
                      std::string_view request_key) {
  const std::string parts = message.parts.is_array() ? to_string(message.parts) : "[]";
  const std::string stats = to_string(message.stats);
  const std::string parameters = to_string(message.parameters);
  TRY_STATUS(sql.run(
      "INSERT INTO messages (id, conversation, parent, role, content, reasoning, parts, status, "
      "error, created, model, stats, feedback, comment, run, prompt_hash, parameters, "
      "request_key) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, "
      "?16, ?17, ?18)",
      {std::string_view(message.id), conversation_id, null_if_empty(message.parent),
       std::string_view(message.role), std::string_view(message.content),
       std::string_view(message.reasoning), std::string_view(parts), name_of(message.status),
       std::string_view(message.error), message.created, std::string_view(message.model),
       std::string_view(stats), int64_t{message.feedback}, std::string_view(message.comment),
       std::string_view(message.run), std::string_view(message.prompt_hash),
       std::string_view(parameters), null_if_empty(request_key)}));
  int64_t number = 0;
  for (const Attachment& attachment : message.attachments) {
    TRY_STATUS(
        sql.run("INSERT INTO attachments (message, number, name, content) "
                "VALUES (?1, ?2, ?3, ?4)",
                {std::string_view(message.id), number++, std::string_view(attachment.name),
                 std::string_view(attachment.text)}));
  }
  return ok();
}

}  // namespace jiang
