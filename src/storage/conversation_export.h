// Conversations as files: our lossless JSON, Markdown, one HTML page; and those of others.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/json_value.h"
#include "base/result.h"
#include "storage/message.h"

namespace jiang {

// Exporting what was imported gives the same bytes.
Json to_export_json(const Conversation& conversation, const std::vector<Message>& messages);
// `path`: from the first message to the one shown.
std::string to_markdown(const Conversation& conversation, const std::vector<Message>& path);
// One file without script and without anything from outside; all text is escaped.
std::string to_html(const Conversation& conversation, const std::vector<Message>& path);

struct ImportedConversation {
  Conversation conversation;
  std::vector<Message> messages;  // parents before children
};
struct ImportReport {
  std::vector<ImportedConversation> conversations;
  std::vector<std::string> skipped;  // sentences: what was left out, and why
};
// jiang's own export (one or an array of them), ChatGPT's conversations.json, Open WebUI's export.
Result<ImportReport> parse_conversations(const Json& json);

}  // namespace jiang
