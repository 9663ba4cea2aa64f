#include "storage/conversation_export.h"

#include <ctime>

#include "base/json_value.h"

namespace jiang {
namespace {

std::string escape_html(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      case '\'':
        out += "&#39;";
        break;
      default:
        out += c;
    }
  }
  return out;
}

std::string date_of(int64_t millis) {
  const std::time_t seconds = millis / 1000;
  std::tm parts = {};
  gmtime_r(&seconds, &parts);
  char text[32];
  return {text, std::strftime(text, sizeof(text), "%Y-%m-%d %H:%M UTC", &parts)};
}

std::string one_line(std::string text) {
  for (char& c : text) {
    if (c == '\n' || c == '\r') c = ' ';
  }
  return text;
}

std::string title_of(const Conversation& conversation) {
  return conversation.title.empty() ? "(untitled)" : one_line(conversation.title);
}

// A fence that is longer than any in the text, so that the text cannot end it.
std::string fence_for(std::string_view text) {
  size_t longest = 2;
  size_t run = 0;
  for (const char c : text) {
    run = c == '`' ? run + 1 : 0;
    longest = std::max(longest, run);
  }
  return std::string(longest + 1, '`');
}

std::string note_of(const Message& message) {
  if (message.status == MessageStatus::done) return "";
  std::string note = fmt::format("[{}]", name_of(message.status));
  return message.error.empty() ? note : note + " " + message.error;
}

Json export_message(const Message& message) {
  Json attachments = Json::array();
  for (const Attachment& attachment : message.attachments) {
    attachments.push_back({{"name", attachment.name}, {"text", attachment.text}});
  }
  // A running answer is exported as what the next start would find.
  const MessageStatus status =
      message.status == MessageStatus::running ? MessageStatus::interrupted : message.status;
  return {{"id", message.id},
          {"parent", message.parent.empty() ? Json() : Json(message.parent)},
          {"role", message.role},
          {"content", message.content},
          {"reasoning", message.reasoning},
          {"parts", message.parts.is_array() ? message.parts : Json::array()},
          {"status", std::string(name_of(status))},
          {"error", message.error},
          {"created", message.created},
          {"model", message.model},
          {"stats", message.stats},
          {"feedback", message.feedback},
          {"comment", message.comment},
          {"prompt_hash", message.prompt_hash},
          {"parameters", message.parameters},
          {"attachments", std::move(attachments)}};
}

constexpr const char* kPage = R"html(<!doctype html>
<html>
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>{title}</title>
<style>
:root {{ color-scheme: light dark; }}
body {{ font: 16px/1.6 system-ui, sans-serif; max-width: 46rem; margin: 2rem auto; padding: 0 1rem; }}
article {{ border: 1px solid #8884; border-radius: .6rem; padding: .6rem 1rem; margin: 1rem 0; }}
article.user {{ background: #8881; }}
h2 {{ font-size: .85rem; margin: 0 0 .3rem; opacity: .7; }}
pre {{ white-space: pre-wrap; overflow-wrap: anywhere; font: inherit; margin: 0; }}
pre.code {{ font: .9rem/1.5 ui-monospace, monospace; background: #8882; padding: .5rem; }}
footer, .note {{ font-size: .85rem; opacity: .7; }}
</style>
</head>
<body>
<h1>{title}</h1>
)html";

// Text with ``` fences becomes blocks of text and of code. No other Markdown: nothing to get wrong.
std::string html_blocks(std::string_view text) {
  std::string out;
  bool code = false;
  std::string block;
  const auto flush = [&] {
    if (!block.empty()) {
      out += fmt::format("<pre{}>{}</pre>\n", code ? " class=\"code\"" : "", escape_html(block));
    }
    block.clear();
  };
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size() - 1) + 1;
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(end);
    if (line.substr(0, 3) == "```") {
      flush();
      code = !code;
    } else {
      block += line;
    }
  }
  flush();
  return out;
}

}  // namespace

Json to_export_json(const Conversation& conversation, const std::vector<Message>& messages) {
  Json exported = Json::array();
  for (const Message& message : messages) exported.push_back(export_message(message));
  return {{"format", "jiang.conversation"},
          {"version", 1},
          {"conversation",
           {{"id", conversation.id},
            {"title", conversation.title},
            {"agent_id", conversation.agent_id},
            {"model", conversation.model},
            {"folder", conversation.folder},
            {"pinned", conversation.pinned},
            {"created", conversation.created},
            {"updated", conversation.updated},
            {"leaf", conversation.leaf},
            {"settings", conversation.settings}}},
          {"messages", std::move(exported)}};
}

std::string to_markdown(const Conversation& conversation, const std::vector<Message>& path) {
  std::string out = "# " + title_of(conversation) + "\n";
  for (const Message& message : path) {
    const std::string model = message.model.empty() ? "" : " (" + one_line(message.model) + ")";
    out += fmt::format("\n## {}{}\n\n", message.role, model);
    for (const Attachment& attachment : message.attachments) {
      const std::string fence = fence_for(attachment.text);
      out += fmt::format("{}:\n\n{}\n{}\n{}\n\n", one_line(attachment.name), fence, attachment.text,
                         fence);
    }
    if (!message.reasoning.empty()) {
      const std::string fence = fence_for(message.reasoning);
      out += fmt::format("{}thinking\n{}\n{}\n\n", fence, message.reasoning, fence);
    }
    out += message.content + "\n";
    const std::string note = note_of(message);
    if (!note.empty()) out += "\n*" + one_line(note) + "*\n";
  }
  return out;
}

std::string to_html(const Conversation& conversation, const std::vector<Message>& path) {
  std::string out = fmt::format(kPage, fmt::arg("title", escape_html(title_of(conversation))));
  for (const Message& message : path) {
    const std::string role = escape_html(message.role);
    out += fmt::format("<article class=\"{}\">\n<h2>{}{}</h2>\n", role, role,
                       message.model.empty() ? "" : " &middot; " + escape_html(message.model));
    for (const Attachment& attachment : message.attachments) {
      out += fmt::format("<details><summary>{}</summary><pre class=\"code\">{}</pre></details>\n",
                         escape_html(attachment.name), escape_html(attachment.text));
    }
    if (!message.reasoning.empty()) {
      out += fmt::format("<details><summary>...</summary><pre>{}</pre></details>\n",
                         escape_html(message.reasoning));
    }
    out += html_blocks(message.content);
    const std::string note = note_of(message);
    if (!note.empty()) out += "<p class=\"note\">" + escape_html(note) + "</p>\n";
    out += "</article>\n";
  }
  return out + fmt::format("<footer>jiang &middot; {}</footer>\n</body>\n</html>\n",
                           date_of(conversation.updated));
}

}  // namespace jiang
