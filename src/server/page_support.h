// What the handlers of the page's API share: bodies in, JSON out, errors with the field's name.
#pragma once

#include <functional>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>

#include "base/json_value.h"
#include "base/result.h"
#include "server/page_api.h"

namespace jiang {

using PageHandler = std::function<Result<HttpResponse>(const HttpRequest&)>;

// A route of /jiang/v1 whose answer is known when the handler returns. An error's message that
// begins with a field ("title: too long") names it in `param`.
Route page_route(std::string method, std::string_view pattern, Access access, PageHandler handler);
// A table of them: functions of the context.
struct PageRow {
  const char* method;
  const char* pattern;
  Access access;
  Result<HttpResponse> (*function)(PageContext&, const HttpRequest&);
};
void add_page_rows(std::vector<Route>& routes, PageContext& page,
                   std::initializer_list<PageRow> rows);
// The same on the pool for what takes long.
Route page_slow_route(PageContext& page, std::string method, std::string_view pattern,
                      Access access, PageHandler handler);
Route page_stream_route(std::string_view pattern, Access access, Handler handler);

HttpResponse json_response(const Json& json, int status = 200);
HttpResponse no_content();
// A file for the browser to save.
HttpResponse file_response(std::string body, std::string content_type, std::string_view name);
HttpResponse page_error(const Error& error);

// A body that is a JSON object of these fields. A near miss of a field's name is refused, other
// unknown fields are passed over.
Result<Json> body_object(const HttpRequest& request, std::initializer_list<const char*> fields);
// Members of a body; the error begins with the field's name.
Result<std::string> required_text(const Json& body, const char* field);
Result<std::optional<std::string>> optional_text(const Json& body, const char* field);
Result<std::optional<bool>> optional_flag(const Json& body, const char* field);

// The model of a user's settings, or else the server's default; "": there is none.
Result<std::string> chosen_model(PageContext& page, const std::string& user_id);

// Built-in ones, one's own, those of no one, those shared with every user of this server; the
// server's owner sees all. Visitors are asked about by their share instead.
bool may_use_agent(PageContext& page, const Caller& caller, const AgentSpec& agent);
// Of any model's name: "agent:NAME" as that agent, the others are everybody's.
bool may_use_model(PageContext& page, const Caller& caller, const std::string& model);
bool may_change_agent(const HttpRequest& request, const AgentSpec& agent);
// Its instructions: who only chats with it never sees them.
bool may_read_agent(const HttpRequest& request, const AgentSpec& agent);

// Who may see an agent's instructions: users, not visitors.
bool is_visitor(const HttpRequest& request);
// The share that a visitor came by; not_found when it is gone.
Result<Share> share_of_visitor(PageContext& page, const HttpRequest& request);
// Whether the caller's session or key still stands, for streams that last: any thread that may
// wait.
std::function<bool()> still_allowed(PageContext& page, const HttpRequest& request);

}  // namespace jiang
