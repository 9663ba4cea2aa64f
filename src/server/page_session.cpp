// Who is here: login links, sessions, settings, presets, and what changes while a page is open.
#include "server/login.h"
#include "server/page_support.h"

namespace jiang {
namespace {

HttpResponse redirect(std::string to) {
  HttpResponse response = {.status = 303, .body = {}, .content_type = {}};
  response.headers = {{"location", std::move(to)}, {"cache-control", "no-store"}};
  return response;
}

// The second step of a share link: here, beside the page, the browser's usual path of a cookie is
// the page's folder, whatever prefix a proxy has added.
Result<HttpResponse> visit(PageContext& page, const HttpRequest& request) {
  const auto share = request.query_value("share");
  if (!share) return fail(ErrorKind::invalid_argument, "share: is missing");
  HttpResponse response = redirect("./");
  // Who is somebody here already stays so: a visitor's session would hide their own chats.
  if (may(request.caller, Access::user)) return response;
  TRY(const LogIn login, page.storage.users().visit(*share));
  response.headers.emplace_back("set-cookie", session_cookie(login.session, request.is_secure));
  return response;
}

Result<HttpResponse> session(PageContext& page, const HttpRequest& request) {
  const Caller& caller = request.caller;
  Json answer = {{"user", nullptr},
                 {"keyless", caller.kind == Caller::Kind::keyless},
                 {"version", page.version},
                 {"share", nullptr}};
  if (caller.user_id.empty()) return json_response(answer);
  answer["user"] = {
      {"id", caller.user_id}, {"name", caller.name}, {"role", std::string(name_of(caller.kind))}};
  if (caller.kind == Caller::Kind::visitor) {
    TRY(const Share share, share_of_visitor(page, request));
    answer["share"] = {
        {"kind", std::string(name_of(share.kind))}, {"id", share.id}, {"agent", nullptr}};
    const auto agent = page.agents.find(share.id);
    if (share.kind == Share::Kind::agent && agent) {
      answer["share"]["agent"] = to_json(*agent, false);
    }
  }
  return json_response(answer);
}

}  // namespace

void add_session_routes(std::vector<Route>& routes, PageContext& page) {
  Storage& storage = page.storage;
  const auto below_root = [&](std::string pattern, PageHandler handler) {
    Route route = page_route("GET", "", Access::open, std::move(handler));
    route.pattern = std::move(pattern);
    routes.push_back(std::move(route));
  };
  below_root("/visit", [&page](const HttpRequest& r) { return visit(page, r); });
  below_root("/s/{token}", [&storage](const HttpRequest& request) -> Result<HttpResponse> {
    TRY(const auto share, storage.shares().find(request.params[0]));
    if (!share) return fail(ErrorKind::not_found, "this link is not, or no longer, shared");
    return redirect("../visit?share=" + share->token);
  });
  routes.push_back(page_route("GET", "session", Access::open,
                              [&page](const HttpRequest& r) { return session(page, r); }));
  routes.push_back(
      page_route("POST", "logout", Access::visitor,
                 [&storage](const HttpRequest& request) -> Result<HttpResponse> {
                   TRY_STATUS(storage.users().log_out(request.cookie("jiang_session")));
                   HttpResponse response = no_content();
                   response.headers.emplace_back(
                       "set-cookie", "jiang_session=; HttpOnly; SameSite=Strict; Max-Age=0");
                   return response;
                 }));
  routes.push_back(page_route("GET", "settings", Access::visitor,
                              [&storage](const HttpRequest& request) -> Result<HttpResponse> {
                                TRY(const Json settings,
                                    storage.settings().get(request.caller.user_id));
                                return json_response(settings);
                              }));
  routes.push_back(page_route("PATCH", "settings", Access::visitor,
                              [&storage](const HttpRequest& request) -> Result<HttpResponse> {
                                TRY(const Json changes, body_object(request, {}));
                                TRY(const Json settings,
                                    storage.settings().merge(request.caller.user_id, changes));
                                return json_response(settings);
                              }));
  routes.push_back(page_route("GET", "presets", Access::user,
                              [&storage](const HttpRequest& request) -> Result<HttpResponse> {
                                TRY(Json presets,
                                    storage.settings().presets(request.caller.user_id));
                                return json_response({{"items", std::move(presets)}});
                              }));
  routes.push_back(page_route(
      "PUT", "presets/{name}", Access::user,
      [&storage](const HttpRequest& request) -> Result<HttpResponse> {
        TRY(Json preset, body_object(request, {"name", "system", "model", "parameters"}));
        preset["name"] = request.params[0];
        TRY_STATUS(
            storage.settings().put_preset(request.caller.user_id, request.params[0], preset));
        return json_response(preset);
      }));
  routes.push_back(page_route("DELETE", "presets/{name}", Access::user,
                              [&storage](const HttpRequest& request) -> Result<HttpResponse> {
                                TRY_STATUS(storage.settings().remove_preset(request.caller.user_id,
                                                                            request.params[0]));
                                return no_content();
                              }));
  routes.push_back(page_stream_route(
      "events", Access::visitor, [&page](const RequestPtr& request, const ResponderPtr& responder) {
        const EventLogPtr log = page.announcements.of(request->caller.user_id);
        EventReaderOptions options;
        options.after = log->last();
        options.on_worker = [&page](std::function<void()> work) {
          page.workers.post(std::move(work));
        };
        options.is_still_allowed = still_allowed(page, *request);
        serve_events(log, responder, std::move(options));
      }));
}

}  // namespace jiang
