#include "cli/saved_chat.h"

#include <algorithm>
#include <unordered_map>

#include "storage/clock.h"
#include "storage/conversation_export.h"

namespace jiang {

Json to_json(const SavedChat& chat) {
  const int64_t now = now_millis();
  Conversation conversation = {.id = new_id(), .model = chat.model, .created = now, .updated = now};
  conversation.settings = Json::object();
  if (chat.system) conversation.settings["system"] = *chat.system;
  std::vector<Message> messages;
  for (const Json& one : chat.messages) {
    messages.push_back({.id = new_id(),
                        .parent = conversation.leaf,
                        .role = one["role"].get<std::string>(),
                        .content = one["content"].get<std::string>(),
                        .parts = Json::array(),
                        .created = now});
    conversation.leaf = messages.back().id;
  }
  Json file = to_export_json(conversation, messages);
  if (!chat.text.empty()) file["text"] = chat.text;
  return file;
}

Result<SavedChat> read_saved_chat(const Json& file, const std::string& where) {
  auto report = parse_conversations(file);
  if (!report) return fail(report.error().kind, "{}: {}", where, report.error().message);
  const ImportedConversation& read = report->conversations.front();
  SavedChat chat;
  chat.others = static_cast<int>(report->conversations.size()) - 1;
  chat.model = read.conversation.model;
  TRY(const std::string system, get_string_or(read.conversation.settings, "system", "", where));
  if (!system.empty()) chat.system = system;
  if (file.is_object()) {
    TRY(chat.text, get_string_or(file, "text", "", where));
  }

  // Parents stand before their children, so that this walk ends.
  std::unordered_map<std::string, const Message*> by_id;
  for (const Message& message : read.messages) by_id.emplace(message.id, &message);
  std::string id = read.conversation.leaf;
  if (id.empty() && !read.messages.empty()) id = read.messages.back().id;
  std::vector<const Message*> path;
  for (auto at = by_id.find(id); at != by_id.end(); at = by_id.find(at->second->parent)) {
    if (path.size() == read.messages.size()) {
      return fail(ErrorKind::bad_file, "{}: a message is its own ancestor", where);
    }
    path.push_back(at->second);
  }
  std::reverse(path.begin(), path.end());
  for (const Message* message : path) {
    chat.messages.push_back({{"role", message->role}, {"content", message->content}});
  }
  return chat;
}

}  // namespace jiang
