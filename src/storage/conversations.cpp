// Conversations as a list: made, found, searched, changed, removed.
#include "storage/conversations.h"

#include <charconv>

#include "base/json_value.h"
#include "base/unicode.h"
#include "storage/clock.h"
#include "storage/database.h"
#include "storage/message_rows.h"
#include "storage/search_text.h"

namespace jiang {
namespace {

constexpr int32_t kMaxPage = 200;
constexpr size_t kMaxShortText = 1000;            // titles, folders, names: bytes
constexpr size_t kMaxSettings = size_t{1} << 20;  // bytes of JSON
constexpr size_t kSnippetCharacters = 60;

// "1-42": pinned, place. Where the next page begins.
struct Cursor {
  int64_t pinned = 1;
  int64_t place = INT64_MAX;
};

Result<Cursor> parse_cursor(std::string_view text) {
  Cursor cursor;
  if (text.empty()) return cursor;
  const bool shaped = text.size() > 2 && (text[0] == '0' || text[0] == '1') && text[1] == '-';
  const char* end = text.data() + text.size();
  if (!shaped || std::from_chars(text.data() + 2, end, cursor.place).ptr != end) {
    return fail(ErrorKind::invalid_argument, "cursor: not one that this server gave");
  }
  cursor.pinned = text[0] - '0';
  return cursor;
}

Status check_short(std::string_view text, std::string_view field) {
  if (text.size() > kMaxShortText || !is_valid_utf8(text)) {
    return fail(ErrorKind::invalid_argument, "{}: at most {} bytes of UTF-8", field, kMaxShortText);
  }
  return ok();
}

Status check_settings(const Json& settings) {
  if (!settings.is_object() || to_string(settings).size() > kMaxSettings) {
    return fail(ErrorKind::invalid_argument, "settings: an object of at most {} bytes",
                kMaxSettings);
  }
  return ok();
}

// Where the text was found, for people: the title needs no snippet, it is shown anyway.
Status add_snippet(SqlSession& sql, Conversation& conversation, const std::string& needle) {
  return sql.each(
      "SELECT content FROM messages WHERE conversation = ?1 AND contains(content, ?2) "
      "ORDER BY seq LIMIT 1",
      {std::string_view(conversation.id), std::string_view(needle)}, [&](const SqlRow& row) {
        const std::string text = row.text(0);
        conversation.snippet = snippet_around(text, find_folded(text, needle), kSnippetCharacters);
        return false;
      });
}

}  // namespace

Result<ConversationPage> Conversations::list(std::string_view user_id,
                                             const ConversationQuery& query) {
  TRY(const Cursor cursor, parse_cursor(query.cursor));
  if (query.limit < 1 || query.limit > kMaxPage) {
    return fail(ErrorKind::invalid_argument, "limit: 1 to {}", kMaxPage);
  }
  const std::string needle = fold_for_search(query.text);
  const SqlValue folder =
      query.folder ? SqlValue(std::string_view(*query.folder)) : SqlValue(std::monostate());
  ConversationPage page;
  const auto work = [&](SqlSession& sql) -> Status {
    std::vector<std::string> ids;
    std::string last;
    // One more than asked for: then there is a next page.
    TRY_STATUS(
        sql.each("SELECT c.id, c.pinned, c.place FROM conversations c WHERE c.user_id = ?1 "
                 "AND (c.pinned < ?2 OR (c.pinned = ?2 AND c.place < ?3)) "
                 "AND (?4 IS NULL OR c.folder = ?4) "
                 "AND (?5 = '' OR contains(c.title, ?5) OR EXISTS (SELECT 1 FROM messages m "
                 "WHERE m.conversation = c.id AND contains(m.content, ?5))) "
                 "ORDER BY c.pinned DESC, c.place DESC",
                 {user_id, cursor.pinned, cursor.place, folder, std::string_view(needle)},
                 [&](const SqlRow& row) {
                   if (ids.size() == static_cast<size_t>(query.limit)) {
                     page.next = last;
                     return false;
                   }
                   ids.push_back(row.text(0));
                   last = fmt::format("{}-{}", row.integer(1), row.integer(2));
                   return true;
                 }));
    for (const std::string& id : ids) {
      TRY(Conversation conversation, find_conversation(sql, user_id, id));
      if (!needle.empty()) TRY_STATUS(add_snippet(sql, conversation, needle));
      page.items.push_back(std::move(conversation));
    }
    return ok();
  };
  TRY_STATUS(database_.read(work));
  return page;
}

Result<Conversation> Conversations::create(std::string_view user_id, Conversation draft) {
  if (draft.settings.is_null()) draft.settings = Json::object();
  TRY_STATUS(check_short(draft.title, "title"));
  TRY_STATUS(check_short(draft.folder, "folder"));
  TRY_STATUS(check_short(draft.model, "model"));
  TRY_STATUS(check_short(draft.agent_id, "agent_id"));
  TRY_STATUS(check_settings(draft.settings));
  draft.id = new_id();
  draft.pinned = false;
  draft.leaf.clear();
  draft.snippet.clear();
  draft.created = draft.updated = now_millis();
  TRY_STATUS(
      database_.write([&](SqlSession& sql) { return insert_conversation(sql, user_id, draft); }));
  return draft;
}

Result<Conversation> Conversations::find(std::string_view user_id, std::string_view id) {
  Conversation found;
  const auto work = [&](SqlSession& sql) -> Status {
    TRY(found, find_conversation(sql, user_id, id));
    return ok();
  };
  TRY_STATUS(database_.read(work));
  return found;
}

Result<Conversation> Conversations::change(std::string_view user_id, std::string_view id,
                                           const ConversationChange& change) {
  if (change.title) TRY_STATUS(check_short(*change.title, "title"));
  if (change.folder) TRY_STATUS(check_short(*change.folder, "folder"));
  if (change.model) TRY_STATUS(check_short(*change.model, "model"));
  if (change.settings) TRY_STATUS(check_settings(*change.settings));
  Conversation changed;
  const auto work = [&](SqlSession& sql) -> Status {
    TRY(changed, find_conversation(sql, user_id, id));
    if (change.leaf && !change.leaf->empty()) {
      TRY(const OwnedMessage leaf, find_message(sql, user_id, *change.leaf));
      if (leaf.conversation != id) {
        return fail(ErrorKind::invalid_argument, "leaf: a message of another conversation");
      }
    }
    if (change.title) changed.title = *change.title;
    if (change.folder) changed.folder = *change.folder;
    if (change.pinned) changed.pinned = *change.pinned;
    if (change.leaf) changed.leaf = *change.leaf;
    if (change.model) changed.model = *change.model;
    if (change.settings) changed.settings = *change.settings;
    const std::string settings = to_string(changed.settings);
    TRY_STATUS(
        sql.run("UPDATE conversations SET title = ?2, folder = ?3, pinned = ?4, leaf = ?5, "
                "model = ?6, settings = ?7 WHERE id = ?1",
                {id, std::string_view(changed.title), std::string_view(changed.folder),
                 int64_t{changed.pinned}, std::string_view(changed.leaf),
                 std::string_view(changed.model), std::string_view(settings)}));
    return ok();
  };
  TRY_STATUS(database_.write(work));
  return changed;
}

Status Conversations::remove(std::string_view user_id, std::string_view id) {
  return database_.write([&](SqlSession& sql) -> Status {
    TRY_STATUS(find_conversation(sql, user_id, id));
    // Shares of it go too: their links die with what they show.
    TRY_STATUS(sql.run("DELETE FROM shares WHERE kind = 'conversation' AND item = ?1", {id}));
    TRY_STATUS(sql.run("DELETE FROM conversations WHERE id = ?1", {id}));
    return ok();
  });
}

Result<std::vector<std::string>> Conversations::folders(std::string_view user_id) {
  std::vector<std::string> folders;
  const auto work = [&](SqlSession& sql) {
    return sql.each(
        "SELECT DISTINCT folder FROM conversations WHERE user_id = ?1 "
        "AND folder <> '' ORDER BY folder",
        {user_id}, [&](const SqlRow& row) {
          folders.push_back(row.text(0));
          return true;
        });
  };
  TRY_STATUS(database_.read(work));
  return folders;
}

Result<bool> Conversations::set_first_title(std::string_view id, std::string_view title) {
  int64_t changed = 0;
  const auto work = [&](SqlSession& sql) -> Status {
    TRY(changed,
        sql.run("UPDATE conversations SET title = ?2 WHERE id = ?1 AND title = ''", {id, title}));
    return ok();
  };
  TRY_STATUS(database_.write(work));
  return changed > 0;
}

}  // namespace jiang
