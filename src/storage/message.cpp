#include "storage/message.h"

#include "base/json_value.h"

namespace jiang {
namespace {

constexpr std::string_view kStatusNames[] = {"done",        "running", "stopped",
                                             "interrupted", "error",   "length"};

Json text_or_null(const std::string& text) { return text.empty() ? Json() : Json(text); }

}  // namespace

std::string_view name_of(MessageStatus status) { return kStatusNames[static_cast<size_t>(status)]; }

std::optional<MessageStatus> message_status_of(std::string_view name) {
  for (size_t i = 0; i < std::size(kStatusNames); ++i) {
    if (name == kStatusNames[i]) return static_cast<MessageStatus>(i);
  }
  return std::nullopt;
}

Json to_json(const Conversation& conversation) {
  Json json = {
      {"id", conversation.id},
      {"title", conversation.title},
      {"agent_id", text_or_null(conversation.agent_id)},
      {"model", conversation.model},
      {"folder", conversation.folder},
      {"pinned", conversation.pinned},
      {"created", conversation.created},
      {"updated", conversation.updated},
      {"leaf", text_or_null(conversation.leaf)},
      {"settings", conversation.settings.is_object() ? conversation.settings : Json::object()},
      {"running", conversation.running}};
  if (!conversation.snippet.empty()) json["snippet"] = conversation.snippet;
  return json;
}

Json to_json(const Message& message) {
  Json attachments = Json::array();
  for (const Attachment& attachment : message.attachments) {
    attachments.push_back({{"name", attachment.name}, {"bytes", attachment.text.size()}});
  }
  return {{"id", message.id},
          {"parent", text_or_null(message.parent)},
          {"role", message.role},
          {"content", message.content},
          {"reasoning", message.reasoning},
          {"parts", message.parts.is_array() ? message.parts : Json::array()},
          {"status", std::string(name_of(message.status))},
          {"error", text_or_null(message.error)},
          {"created", message.created},
          {"model", message.model},
          {"stats", message.stats},
          {"feedback", message.feedback == 0 ? Json() : Json(message.feedback)},
          {"run", text_or_null(message.run)},
          {"run_event", message.run_event},
          {"attachments", std::move(attachments)}};
}

}  // namespace jiang
