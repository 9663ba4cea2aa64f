// Rows of the tables conversations and messages, to and from their structs. Of src/storage alone.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "storage/database.h"
#include "storage/message.h"

namespace jiang {

// The user's conversation, or not_found: the same sentence for another user's and for none.
Result<Conversation> find_conversation(SqlSession& sql, std::string_view user_id,
                                       std::string_view id);
Status insert_conversation(SqlSession& sql, std::string_view user_id, const Conversation& made);
// The conversation moves to the front of its user's list.
Status touch_conversation(SqlSession& sql, std::string_view id, std::string_view leaf);

// Messages with their attachments, in the order of `sql_tail`: what comes after "FROM messages m ".
// ?1 is `key`.
Result<std::vector<Message>> read_messages(SqlSession& sql, const char* sql_tail,
                                           std::string_view key);
Result<std::vector<Message>> messages_of(SqlSession& sql, std::string_view conversation_id);
struct OwnedMessage {
  Message message;
  std::string conversation;
};
Result<OwnedMessage> find_message(SqlSession& sql, std::string_view user_id,
                                  std::string_view message_id);
Status insert_message(SqlSession& sql, std::string_view conversation_id, const Message& message,
                      std::string_view request_key = {});

}  // namespace jiang
