// Conversations: listed, made, changed, exported, imported. What visitors see has no settings: a
// system prompt may stand there.
#include <charconv>

#include "server/page_support.h"
#include "storage/conversation_export.h"

namespace jiang {
namespace {

Json conversation_json(const HttpRequest& request, const Conversation& conversation) {
  Json json = to_json(conversation);
  if (is_visitor(request)) json["settings"] = Json::object();
  return json;
}

// Whose conversation this is for the caller: their own, or the one that they were shown.
Result<std::string> reader_of(PageContext& page, const HttpRequest& request,
                              const std::string& id) {
  if (!is_visitor(request)) return request.caller.user_id;
  TRY(const Share share, share_of_visitor(page, request));
  if (share.kind == Share::Kind::conversation && share.id == id) return share.user_id;
  return request.caller.user_id;
}

Result<HttpResponse> list_conversations(PageContext& page, const HttpRequest& request) {
  ConversationQuery query;
  query.text = request.query_value("q").value_or("");
  query.folder = request.query_value("folder");
  query.cursor = request.query_value("cursor").value_or("");
  if (const auto limit = request.query_value("limit")) {
    const char* end = limit->data() + limit->size();
    if (std::from_chars(limit->data(), end, query.limit).ptr != end || limit->empty()) {
      return fail(ErrorKind::invalid_argument, "limit: must be a number");
    }
  }
  TRY(const ConversationPage found,
      page.storage.conversations().list(request.caller.user_id, query));
  Json items = Json::array();
  for (const Conversation& one : found.items) items.push_back(conversation_json(request, one));
  return json_response(
      {{"items", std::move(items)}, {"next", found.next.empty() ? Json() : Json(found.next)}});
}

Result<HttpResponse> create_conversation(PageContext& page, const HttpRequest& request) {
  TRY(const Json body, body_object(request, {"agent_id", "model", "title", "folder", "settings"}));
  Conversation draft;
  TRY(const auto agent, optional_text(body, "agent_id"));
  TRY(const auto model, optional_text(body, "model"));
  TRY(const auto title, optional_text(body, "title"));
  TRY(const auto folder, optional_text(body, "folder"));
  draft.agent_id = agent.value_or("");
  draft.model = model.value_or("");
  draft.title = title.value_or("");
  draft.folder = folder.value_or("");
  if (const Json* settings = find_member(body, "settings")) draft.settings = *settings;
  if (is_visitor(request)) {
    // A visitor talks with what was shared, as its owner made it.
    TRY(const Share share, share_of_visitor(page, request));
    if (share.kind != Share::Kind::agent) {
      return fail(ErrorKind::invalid_argument, "a shared conversation can be read, not continued");
    }
    if (!draft.agent_id.empty() && draft.agent_id != share.id) {
      return fail(ErrorKind::not_found, "there is no agent {}", draft.agent_id);
    }
    draft.agent_id = share.id;
    draft.model.clear();
    draft.settings = Json::object();
  }
  if (!draft.agent_id.empty()) {
    const auto spec = page.agents.find(draft.agent_id);
    if (!spec || !(is_visitor(request) || may_use_agent(page, request.caller, *spec))) {
      return fail(ErrorKind::invalid_argument, "agent_id: there is no such agent");
    }
    draft.agent_id = spec->id;
  }
  TRY(const Conversation made,
      page.storage.conversations().create(request.caller.user_id, std::move(draft)));
  page.announcements.tell_conversation(request.caller.user_id, made.id);
  return json_response(conversation_json(request, made), 201);
}

Result<HttpResponse> show_conversation(PageContext& page, const HttpRequest& request) {
  const std::string& id = request.params[0];
  TRY(const std::string reader, reader_of(page, request, id));
  Conversations& conversations = page.storage.conversations();
  TRY(const Conversation conversation, conversations.find(reader, id));
  TRY(auto messages, conversations.messages(reader, id));
  Json items = Json::array();
  for (Message& message : messages) {
    if (message.status == MessageStatus::running) page.runs.bring_up_to_date(message);
    items.push_back(to_json(message));
  }
  return json_response(
      {{"conversation", conversation_json(request, conversation)}, {"messages", std::move(items)}});
}

Result<HttpResponse> change(PageContext& page, const HttpRequest& request) {
  TRY(const Json body,
      body_object(request, {"title", "folder", "pinned", "leaf", "model", "settings"}));
  ConversationChange change;
  TRY(change.title, optional_text(body, "title"));
  TRY(change.folder, optional_text(body, "folder"));
  TRY(change.pinned, optional_flag(body, "pinned"));
  TRY(change.leaf, optional_text(body, "leaf"));
  TRY(change.model, optional_text(body, "model"));
  if (body.contains("leaf") && body["leaf"].is_null()) change.leaf = "";
  if (const Json* settings = find_member(body, "settings")) change.settings = *settings;
  if (is_visitor(request)) {
    change.model.reset();
    change.settings.reset();
  }
  TRY(const Conversation changed,
      page.storage.conversations().change(request.caller.user_id, request.params[0], change));
  page.announcements.tell_conversation(request.caller.user_id, changed.id);
  return json_response(conversation_json(request, changed));
}

Result<HttpResponse> remove_conversation(PageContext& page, const HttpRequest& request) {
  const std::string& user = request.caller.user_id;
  TRY(const auto messages, page.storage.conversations().messages(user, request.params[0]));
  for (const Message& message : messages) {
    if (message.status == MessageStatus::running) page.runs.stop(message.run, user);
  }
  TRY_STATUS(page.storage.conversations().remove(user, request.params[0]));
  page.files.remove(request.params[0]);
  page.announcements.tell_conversation(user, request.params[0]);
  return no_content();
}

Result<HttpResponse> download(PageContext& page, const HttpRequest& request) {
  TRY(const std::string reader, reader_of(page, request, request.params[0]));
  TRY_STATUS(page.storage.conversations().find(reader, request.params[0]));
  return page.files.download(request.params[0], request.params[1]);
}

Result<HttpResponse> export_conversation(PageContext& page, const HttpRequest& request) {
  const std::string& id = request.params[0];
  TRY(const std::string reader, reader_of(page, request, id));
  Conversations& conversations = page.storage.conversations();
  const std::string format = request.query_value("format").value_or("json");
  TRY(Conversation conversation, conversations.find(reader, id));
  if (format == "json") {
    if (is_visitor(request)) {
      conversation.settings = Json::object();
      TRY(auto messages, conversations.messages(reader, id));
      for (Message& message : messages) message.parameters = Json();
      return file_response(to_string(to_export_json(conversation, messages), 2) + "\n",
                           "application/json", "conversation.json");
    }
    TRY(const Json exported, conversations.export_json(reader, id));
    return file_response(to_string(exported, 2) + "\n", "application/json", "conversation.json");
  }
  std::vector<Message> path;
  if (!conversation.leaf.empty()) {
    TRY(path, conversations.path(reader, conversation.leaf));
  }
  if (format == "markdown") {
    return file_response(to_markdown(conversation, path), "text/markdown; charset=utf-8",
                         "conversation.md");
  }
  if (format == "html") {
    return file_response(to_html(conversation, path), "text/html; charset=utf-8",
                         "conversation.html");
  }
  return fail(ErrorKind::invalid_argument, "format: must be json, markdown or html");
}

Result<HttpResponse> import_conversation(PageContext& page, const HttpRequest& request) {
  TRY(const Json json,
      parse_json(request.body, "body", {.max_bytes = size_t{64} << 20, .max_depth = 64}));
  auto report = parse_conversations(json);
  if (!report) return fail(ErrorKind::invalid_argument, "{}", report.error().message);
  Json ids = Json::array();
  for (const ImportedConversation& one : report->conversations) {
    const auto made = page.storage.conversations().import_one(request.caller.user_id,
                                                              one.conversation, one.messages);
    if (!made && made.error().kind == ErrorKind::io) return made.error();
    if (made) {
      ids.push_back(made->id);
      page.announcements.tell_conversation(request.caller.user_id, made->id);
    } else {
      report->skipped.push_back(one.conversation.title + ": " + made.error().message);
    }
  }
  return json_response({{"ids", std::move(ids)}, {"skipped", report->skipped}}, 201);
}

Result<HttpResponse> set_feedback(PageContext& page, const HttpRequest& request) {
  TRY(const Json body, body_object(request, {"value", "comment"}));
  TRY(const auto comment, optional_text(body, "comment"));
  int value = 0;
  if (const Json* given = find_member(body, "value")) {
    if (!given->is_number_integer() || (*given != 1 && *given != -1)) {
      return fail(ErrorKind::invalid_argument, "value: must be 1, -1 or null");
    }
    value = given->get<int>();
  }
  TRY_STATUS(page.storage.conversations().set_feedback(request.caller.user_id, request.params[0],
                                                       value, comment.value_or("")));
  return no_content();
}

Result<HttpResponse> remove_message(PageContext& page, const HttpRequest& request) {
  const std::string& user = request.caller.user_id;
  TRY(const std::string id, page.storage.conversations().conversation_of(user, request.params[0]));
  TRY_STATUS(page.storage.conversations().remove_message(user, request.params[0]));
  page.announcements.tell_conversation(user, id);
  return no_content();
}

Result<HttpResponse> all_feedback(PageContext& page, const HttpRequest& request) {
  TRY(const auto lines, page.storage.conversations().feedback(request.caller.user_id));
  std::string text;
  for (const Json& line : lines) text += to_string(line) + "\n";
  return file_response(std::move(text), "application/jsonl; charset=utf-8", "feedback.jsonl");
}

Result<HttpResponse> folders(PageContext& page, const HttpRequest& request) {
  TRY(const auto names, page.storage.conversations().folders(request.caller.user_id));
  return json_response(Json(names));
}

}  // namespace

void add_conversation_routes(std::vector<Route>& routes, PageContext& page) {
  add_page_rows(routes, page,
                {
                    {"GET", "conversations", Access::visitor, list_conversations},
                    {"POST", "conversations", Access::visitor, create_conversation},
                    {"POST", "conversations/import", Access::user, import_conversation},
                    {"GET", "conversations/{id}", Access::visitor, show_conversation},
                    {"PATCH", "conversations/{id}", Access::visitor, change},
                    {"DELETE", "conversations/{id}", Access::visitor, remove_conversation},
                    {"GET", "conversations/{id}/export", Access::visitor, export_conversation},
                    {"GET", "conversations/{id}/files/{name}", Access::visitor, download},
                    {"DELETE", "messages/{id}", Access::visitor, remove_message},
                    {"PUT", "messages/{id}/feedback", Access::visitor, set_feedback},
                    {"GET", "feedback.jsonl", Access::user, all_feedback},
                    {"GET", "folders", Access::visitor, folders},
                });
}

}  // namespace jiang
