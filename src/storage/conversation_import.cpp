// Conversations out of files: jiang's own export, ChatGPT's, Open WebUI's.
#include <cmath>
#include <unordered_map>
#include <unordered_set>

#include "base/json_value.h"
#include "storage/clock.h"
#include "storage/conversation_export.h"
#include "storage/conversations.h"
#include "storage/database.h"
#include "storage/message_rows.h"

namespace jiang {
namespace {

constexpr size_t kMaxMessages = 100000;
constexpr size_t kMaxId = 200;

std::string text_of(const Json& object, const char* key) {
  const Json* value = find_member(object, key);
  return value && value->is_string() ? value->get<std::string>() : std::string();
}

// Seconds since 1970, whole or not, as both exports write them.
int64_t millis_of(const Json& object, const char* key) {
  const Json* value = find_member(object, key);
  if (!value || !value->is_number()) return 0;
  const double seconds = value->get<double>();
  if (!std::isfinite(seconds) || seconds < 0 || seconds > 1e11) return 0;
  // Some versions write milliseconds: a time after the year 5138 is one of those.
  return static_cast<int64_t>(std::llround(seconds > 1e10 ? seconds : seconds * 1000));
}

// ---- jiang ----

Result<Message> jiang_message(const Json& json, const std::string& where) {
  Message message;
  TRY(message.id, get_string(json, "id", where));
  TRY(message.parent, get_string_or(json, "parent", "", where));
  TRY(message.role, get_string(json, "role", where));
  TRY(message.content, get_string(json, "content", where));
  TRY(message.reasoning, get_string_or(json, "reasoning", "", where));
  TRY(const std::string status, get_string_or(json, "status", "done", where));
  const auto known = message_status_of(status);
  if (!known || *known == MessageStatus::running) {
    return fail(ErrorKind::bad_file, "{}.status: {} is not one", where, status);
  }
  message.status = *known;
  TRY(message.error, get_string_or(json, "error", "", where));
  TRY(message.created, get_int_or(json, "created", 0, where));
  TRY(message.model, get_string_or(json, "model", "", where));
  TRY(const int64_t feedback, get_int_or(json, "feedback", 0, where));
  if (feedback < -1 || feedback > 1) {
    return fail(ErrorKind::bad_file, "{}.feedback: must be -1, 0 or 1", where);
  }
  message.feedback = static_cast<int>(feedback);
  TRY(message.comment, get_string_or(json, "comment", "", where));
  TRY(message.prompt_hash, get_string_or(json, "prompt_hash", "", where));
  if (const Json* parts = find_member(json, "parts")) message.parts = *parts;
  if (const Json* stats = find_member(json, "stats")) message.stats = *stats;
  if (const Json* parameters = find_member(json, "parameters")) message.parameters = *parameters;
  if (message.parts.is_null()) message.parts = Json::array();
  if (!message.parts.is_array()) {
    return fail(ErrorKind::bad_file, "{}.parts: must be an array", where);
  }
  if (const Json* attachments = find_member(json, "attachments")) {
    for (const Json& attachment : *attachments) {
      Attachment made;
      TRY(made.name, get_string(attachment, "name", where + ".attachments"));
      TRY(made.text, get_string(attachment, "text", where + ".attachments"));
      message.attachments.push_back(std::move(made));
    }
  }
  return message;
}

Result<ImportedConversation> jiang_conversation(const Json& json) {
  TRY(const int64_t version, get_int(json, "version", "export"));
  if (version != 1) {
    return fail(ErrorKind::unsupported, "the export is of version {}, this jiang reads 1", version);
  }
  const Json* head = find_member(json, "conversation");
  const Json* messages = find_member(json, "messages");
  if (!head || !head->is_object() || !messages || !messages->is_array()) {
    return fail(ErrorKind::bad_file, "the export has no conversation or no messages");
  }
  ImportedConversation imported;
  Conversation& conversation = imported.conversation;
  TRY(conversation.id, get_string(*head, "id", "conversation"));
  TRY(conversation.title, get_string_or(*head, "title", "", "conversation"));
  TRY(conversation.agent_id, get_string_or(*head, "agent_id", "", "conversation"));
  TRY(conversation.model, get_string_or(*head, "model", "", "conversation"));
  TRY(conversation.folder, get_string_or(*head, "folder", "", "conversation"));
  TRY(conversation.pinned, get_bool_or(*head, "pinned", false, "conversation"));
  TRY(conversation.created, get_int_or(*head, "created", 0, "conversation"));
  TRY(conversation.updated, get_int_or(*head, "updated", 0, "conversation"));
  TRY(conversation.leaf, get_string_or(*head, "leaf", "", "conversation"));
  if (const Json* settings = find_member(*head, "settings")) conversation.settings = *settings;
  if (conversation.settings.is_null()) conversation.settings = Json::object();
  if (!conversation.settings.is_object()) {
    return fail(ErrorKind::bad_file, "conversation.settings: must be an object");
  }
  for (size_t i = 0; i < messages->size(); ++i) {
    TRY(Message message, jiang_message((*messages)[i], fmt::format("messages[{}]", i)));
    imported.messages.push_back(std::move(message));
  }
  return imported;
}

// ---- trees by id, as ChatGPT and Open WebUI both keep them ----

struct ForeignNode {
  std::string parent;
  Message message;
  bool shown = false;  // false: a node without text; its children hang on its parent
};

// Parents before children, in the order of their ids' appearance; what is unreachable is left out.
void flatten(const std::vector<std::string>& order,
             std::unordered_map<std::string, ForeignNode>& nodes, ImportedConversation& imported) {
  std::unordered_map<std::string, std::vector<std::string>> children;
  std::vector<std::string> pending;
  for (const std::string& id : order) {
    const std::string& parent = nodes[id].parent;
    if (parent.empty() || nodes.count(parent) == 0) {
      pending.push_back(id);
    } else {
      children[parent].push_back(id);
    }
  }
  std::reverse(pending.begin(), pending.end());
  std::unordered_map<std::string, std::string> shown_as;  // id -> the id that children hang on
  while (!pending.empty()) {
    const std::string id = std::move(pending.back());
    pending.pop_back();
    ForeignNode& node = nodes[id];
    const auto above = shown_as.find(node.parent);
    const std::string parent = above == shown_as.end() ? "" : above->second;
    if (node.shown) {
      node.message.id = new_id();
      node.message.parent = parent;
      if (node.message.created == 0) node.message.created = imported.conversation.created;
      imported.messages.push_back(node.message);
    }
    shown_as[id] = node.shown ? node.message.id : parent;
    auto& below = children[id];
    for (auto child = below.rbegin(); child != below.rend(); ++child) pending.push_back(*child);
  }
}

void set_leaf(ImportedConversation& imported, const std::string& wanted,
              const std::unordered_map<std::string, ForeignNode>& nodes) {
  // Up from the wanted node to the next that is shown; else the last message.
  std::string id = wanted;
  for (size_t i = 0; i < nodes.size() && nodes.count(id) != 0; ++i) {
    const ForeignNode& node = nodes.at(id);
    if (node.shown) {
      imported.conversation.leaf = node.message.id;
      return;
    }
    id = node.parent;
  }
  if (!imported.messages.empty()) imported.conversation.leaf = imported.messages.back().id;
}

// content: {"content_type": "text", "parts": ["...", {...}]}. Parts that are no text are counted.
std::string chatgpt_text(const Json& message, size_t* dropped) {
  const Json* content = find_member(message, "content");
  if (!content || !content->is_object()) return "";
  std::string text = text_of(*content, "text");
  if (const Json* parts = find_member(*content, "parts"); parts && parts->is_array()) {
    for (const Json& part : *parts) {
      if (part.is_string()) {
        text += (text.empty() ? "" : "\n") + part.get<std::string>();
      } else {
        ++*dropped;
      }
    }
  }
  return text;
}

ImportedConversation chatgpt_conversation(const Json& json, std::vector<std::string>& skipped) {
  ImportedConversation imported;
  imported.conversation.title = text_of(json, "title");
  imported.conversation.created = millis_of(json, "create_time");
  imported.conversation.updated = millis_of(json, "update_time");
  imported.conversation.settings = Json::object();
  std::unordered_map<std::string, ForeignNode> nodes;
  std::vector<std::string> order;
  size_t dropped = 0;
  for (const auto& [id, entry] : json["mapping"].items()) {
    if (!entry.is_object()) continue;
    ForeignNode node;
    node.parent = text_of(entry, "parent");
    if (const Json* message = find_member(entry, "message"); message && message->is_object()) {
      const Json* author = find_member(*message, "author");
      node.message.role = author ? text_of(*author, "role") : "";
      node.message.content = chatgpt_text(*message, &dropped);
      node.message.created = millis_of(*message, "create_time");
      if (const Json* metadata = find_member(*message, "metadata")) {
        node.message.model = text_of(*metadata, "model_slug");
      }
      if (node.message.role != "assistant") node.message.model.clear();
      const bool role = node.message.role == "user" || node.message.role == "assistant" ||
                        node.message.role == "system";
      node.shown = role && !node.message.content.empty();
      if (!role && !node.message.content.empty()) ++dropped;
    }
    order.push_back(id);
    nodes[id] = std::move(node);
  }
  flatten(order, nodes, imported);
  set_leaf(imported, text_of(json, "current_node"), nodes);
  if (dropped > 0) {
    skipped.push_back(fmt::format("{}: {} parts that are not text (images, tools)",
                                  imported.conversation.title, dropped));
  }
  return imported;
}

ImportedConversation open_webui_conversation(const Json& json, std::vector<std::string>& skipped) {
  const Json& chat = json["chat"];
  ImportedConversation imported;
  Conversation& conversation = imported.conversation;
  conversation.title = text_of(json, "title");
  if (conversation.title.empty()) conversation.title = text_of(chat, "title");
  conversation.created = millis_of(json, "created_at");
  conversation.updated = millis_of(json, "updated_at");
  if (const Json* pinned = find_member(json, "pinned"); pinned && pinned->is_boolean()) {
    conversation.pinned = pinned->get<bool>();
  }
  conversation.settings = Json::object();
  if (const std::string system = text_of(chat, "system"); !system.empty()) {
    conversation.settings["system"] = system;
  }
  std::unordered_map<std::string, ForeignNode> nodes;
  std::vector<std::string> order;
  size_t dropped = 0;
  const Json* history = find_member(chat, "history");
  const Json* messages = history ? find_member(*history, "messages") : nullptr;
  if (messages && messages->is_object()) {
    for (const auto& [id, entry] : messages->items()) {
      if (!entry.is_object()) continue;
      ForeignNode node;
      node.parent = text_of(entry, "parentId");
      node.message.role = text_of(entry, "role");
      node.message.content = text_of(entry, "content");
      node.message.created = millis_of(entry, "timestamp");
      if (node.message.role == "assistant") node.message.model = text_of(entry, "model");
      if (const Json* files = find_member(entry, "files"); files && files->is_array()) {
        dropped += files->size();
      }
      node.shown = node.message.role == "user" || node.message.role == "assistant" ||
                   node.message.role == "system";
      order.push_back(id);
      nodes[id] = std::move(node);
    }
  }
  flatten(order, nodes, imported);
  set_leaf(imported, history ? text_of(*history, "currentId") : "", nodes);
  if (dropped > 0) {
    skipped.push_back(fmt::format("{}: {} attached files", conversation.title, dropped));
  }
  return imported;
}

}  // namespace

Result<ImportReport> parse_conversations(const Json& json) {
  const Json list = json.is_array() ? json : Json::array({json});
  ImportReport report;
  for (size_t i = 0; i < list.size(); ++i) {
    const Json& one = list[i];
    const auto skip = [&](std::string_view why) {
      report.skipped.push_back(fmt::format("item {}: {}", i + 1, why));
    };
    if (!one.is_object()) {
      skip("not an object");
    } else if (text_of(one, "format") == "jiang.conversation") {
      auto imported = jiang_conversation(one);
      if (imported) {
        report.conversations.push_back(*std::move(imported));
      } else {
        skip(imported.error().message);
      }
    } else if (one.contains("mapping") && one["mapping"].is_object()) {
      report.conversations.push_back(chatgpt_conversation(one, report.skipped));
    } else if (one.contains("chat") && one["chat"].is_object()) {
      report.conversations.push_back(open_webui_conversation(one, report.skipped));
    } else {
      skip("neither an export of jiang, nor of ChatGPT, nor of Open WebUI");
    }
  }
  if (report.conversations.empty()) {
    return fail(ErrorKind::bad_file, "nothing to import: {}",
                report.skipped.empty() ? "the list is empty" : report.skipped.front());
  }
  return report;
}

Result<Json> Conversations::export_json(std::string_view user_id, std::string_view id) {
  Json exported;
  const auto work = [&](SqlSession& sql) -> Status {
    TRY(const Conversation conversation, find_conversation(sql, user_id, id));
    TRY(const auto messages, messages_of(sql, id));
    exported = to_export_json(conversation, messages);
    return ok();
  };
  TRY_STATUS(database_.read(work));
  return exported;
}

Result<Conversation> Conversations::import_one(std::string_view user_id,
                                               const Conversation& conversation,
                                               const std::vector<Message>& messages) {
  if (messages.size() > kMaxMessages) {
    return fail(ErrorKind::too_large, "{} messages, at most {} are imported", messages.size(),
                kMaxMessages);
  }
  Conversation made = conversation;
  const auto work = [&](SqlSession& sql) -> Status {
    bool taken = made.id.empty() || made.id.size() > kMaxId;
    const auto take = [&](const SqlRow&) {
      taken = true;
      return false;
    };
    TRY_STATUS(
        sql.each("SELECT 1 FROM conversations WHERE id = ?1", {std::string_view(made.id)}, take));
    std::unordered_set<std::string> seen;
    for (const Message& message : messages) {
      if (!message.parent.empty() && seen.count(message.parent) == 0) {
        return fail(ErrorKind::bad_file, "messages: {} comes before its parent {}", message.id,
                    message.parent);
      }
      if (message.id.empty() || !seen.insert(message.id).second) {
        return fail(ErrorKind::bad_file, "messages: an id is missing or there twice");
      }
      taken |= message.id.size() > kMaxId;
      TRY_STATUS(
          sql.each("SELECT 1 FROM messages WHERE id = ?1", {std::string_view(message.id)}, take));
    }
    // Either all ids are kept or none: ids of its own messages are what it is known by.
    std::unordered_map<std::string, std::string> renamed;
    if (taken) made.id = new_id();
    if (made.leaf.empty() || seen.count(made.leaf) == 0) {
      made.leaf = messages.empty() ? "" : messages.back().id;
    }
    for (const Message& message : messages) {
      renamed[message.id] = taken ? new_id() : message.id;
    }
    if (!made.leaf.empty()) made.leaf = renamed[made.leaf];
    if (made.created == 0) made.created = now_millis();
    if (made.updated == 0) made.updated = made.created;
    TRY_STATUS(insert_conversation(sql, user_id, made));
    for (Message message : messages) {
      message.id = renamed[message.id];
      if (!message.parent.empty()) message.parent = renamed[message.parent];
      message.run.clear();
      TRY_STATUS(insert_message(sql, made.id, message));
    }
    return ok();
  };
  TRY_STATUS(database_.write(work));
  return made;
}

}  // namespace jiang
