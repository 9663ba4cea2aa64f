#include "server/page_support.h"

#include "base/suggest.h"
#include "server/agent_source.h"
#include "server/errors.h"

namespace jiang {
namespace {

// "settings.top_p: must be ..." -> "settings.top_p"; "" when the message begins otherwise.
std::string field_of(std::string_view message) {
  const size_t end = message.find_first_not_of("abcdefghijklmnopqrstuvwxyz_.-0123456789[]");
  if (end == 0 || end == std::string_view::npos) return "";
  return message.substr(end, 2) == ": " ? std::string(message.substr(0, end)) : std::string();
}

Error wrong_type(const char* field, const char* wanted) {
  return fail(ErrorKind::invalid_argument, "{}: must be {}", field, wanted);
}

}  // namespace

HttpResponse page_error(const Error& error) {
  ApiError told = api_error(error);
  told.param = field_of(error.message);
  // What the request itself is too large for is 413; a full disk is told as such.
  if (error.kind == ErrorKind::too_large) told.status = 413;
  if (error.kind == ErrorKind::io) told.status = 507;
  return error_response(ApiDialect::jiang, told);
}

Route page_route(std::string method, std::string_view pattern, Access access, PageHandler handler) {
  Route route = page_stream_route(pattern, access, nullptr);
  route.method = std::move(method);
  route.handler = answer_with([handler = std::move(handler)](const HttpRequest& request) {
    auto response = handler(request);
    return response ? *std::move(response) : page_error(response.error());
  });
  return route;
}

void add_page_rows(std::vector<Route>& routes, PageContext& page,
                   std::initializer_list<PageRow> rows) {
  for (const PageRow& row : rows) {
    routes.push_back(page_route(
        row.method, row.pattern, row.access,
        [&page, function = row.function](const HttpRequest& r) { return function(page, r); }));
  }
}

Route page_slow_route(PageContext& page, std::string method, std::string_view pattern,
                      Access access, PageHandler handler) {
  Route route = page_route(std::move(method), pattern, access, std::move(handler));
  route.where = Route::Where::io_thread;  // which only posts
  route.handler = [&page, slow = std::move(route.handler)](const RequestPtr& request,
                                                           const ResponderPtr& responder) {
    page.slow_workers.post([slow, request, responder] { slow(request, responder); });
  };
  return route;
}

Route page_stream_route(std::string_view pattern, Access access, Handler handler) {
  Route route;
  route.method = "GET";
  route.pattern = "/jiang/v1/" + std::string(pattern);
  route.access = access;
  route.dialect = ApiDialect::jiang;
  route.handler = std::move(handler);
  return route;
}

HttpResponse json_response(const Json& json, int status) {
  return {.status = status, .body = to_string(json), .headers = {{"cache-control", "no-store"}}};
}

HttpResponse no_content() { return {.status = 204, .body = {}, .content_type = {}}; }

HttpResponse file_response(std::string body, std::string content_type, std::string_view name) {
  HttpResponse response;
  response.body = std::move(body);
  response.content_type = std::move(content_type);
  response.headers = {{"content-disposition", fmt::format("attachment; filename=\"{}\"", name)},
                      {"cache-control", "no-store"}};
  return response;
}

Result<Json> body_object(const HttpRequest& request, std::initializer_list<const char*> fields) {
  TRY(Json body,
      parse_json(request.body, "body", {.max_bytes = size_t{64} << 20, .max_depth = 64}));
  if (!body.is_object()) return fail(ErrorKind::invalid_argument, "the body must be an object");
  const std::vector<std::string> known(fields.begin(), fields.end());
  for (const auto& [key, value] : body.items()) {
    if (std::find(known.begin(), known.end(), key) != known.end()) continue;
    if (const auto meant = suggest(key, known)) {
      return fail(ErrorKind::invalid_argument, "{}: there is no such field; did you mean '{}'?",
                  key, *meant);
    }
  }
  return body;
}

Result<std::string> required_text(const Json& body, const char* field) {
  TRY(auto text, optional_text(body, field));
  if (!text) return fail(ErrorKind::invalid_argument, "{}: is missing", field);
  return *std::move(text);
}

Result<std::optional<std::string>> optional_text(const Json& body, const char* field) {
  const Json* value = find_member(body, field);
  if (!value) return std::optional<std::string>();
  if (!value->is_string()) return wrong_type(field, "a text");
  return std::optional<std::string>(value->get<std::string>());
}

Result<std::optional<bool>> optional_flag(const Json& body, const char* field) {
  const Json* value = find_member(body, field);
  if (!value) return std::optional<bool>();
  if (!value->is_boolean()) return wrong_type(field, "true or false");
  return std::optional<bool>(value->get<bool>());
}

Result<std::string> chosen_model(PageContext& page, const std::string& user_id) {
  TRY(const Json settings, page.storage.settings().get(user_id));
  const Json* chosen = find_member(settings, "default_model");
  if (chosen && chosen->is_string() && !chosen->get_ref<const std::string&>().empty()) {
    return chosen->get<std::string>();
  }
  return page.models.default_model();
}

namespace {

bool may_change(const Caller& caller, const AgentSpec& agent) {
  if (agent.built_in || caller.kind == Caller::Kind::visitor) return false;
  return caller.kind == Caller::Kind::owner || agent.owner == caller.user_id;
}

}  // namespace

bool may_change_agent(const HttpRequest& request, const AgentSpec& agent) {
  return may_change(request.caller, agent);
}

bool may_read_agent(const HttpRequest& request, const AgentSpec& agent) {
  if (is_visitor(request)) return false;
  return agent.built_in || agent.owner.empty() || may_change_agent(request, agent);
}

bool may_use_agent(PageContext& page, const Caller& caller, const AgentSpec& agent) {
  if (agent.built_in || agent.owner.empty() || may_change(caller, agent)) return true;
  // Local programs of a server without keys are its owner's.
  if (caller.kind == Caller::Kind::keyless) {
    const auto owner = page.storage.users().owner();
    if (owner && owner->id == agent.owner) return true;
  }
  const auto shared = page.storage.shares().on_server();
  if (!shared) return false;
  for (const Share& share : *shared) {
    if (share.kind == Share::Kind::agent && share.id == agent.id) return true;
  }
  return false;
}

bool may_use_model(PageContext& page, const Caller& caller, const std::string& model) {
  const std::string_view agent = AgentSource::agent_of(model);
  if (agent.empty()) return true;
  const auto spec = page.agents.find(agent);
  return !spec || may_use_agent(page, caller, *spec);
}

bool is_visitor(const HttpRequest& request) { return request.caller.kind == Caller::Kind::visitor; }

Result<Share> share_of_visitor(PageContext& page, const HttpRequest& request) {
  TRY(auto share, page.storage.shares().find(request.caller.share));
  if (!share) return fail(ErrorKind::not_found, "this link is no longer shared");
  return *std::move(share);
}

std::function<bool()> still_allowed(PageContext& page, const HttpRequest& request) {
  if (request.caller.by_session) {
    return [&page, session = std::string(request.cookie("jiang_session"))] {
      const auto user = page.storage.users().user_of_session(session);
      return !user || user->has_value();  // a database that cannot be asked ends nothing
    };
  }
  return [&page, id = request.caller.user_id] {
    const auto user = page.storage.users().find(id);
    return user.has_value() || user.error().kind != ErrorKind::not_found;
  };
}

}  // namespace jiang
