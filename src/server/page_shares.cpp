// Links by which an agent or a conversation is shown to others.
#include "server/page_support.h"

namespace jiang {
namespace {

// Relative to the page, as every URL that it uses.
Json share_json(const Share& share) {
  return {{"token", share.token},
          {"url", "s/" + share.token},
          {"kind", std::string(name_of(share.kind))},
          {"id", share.id},
          {"level", std::string(name_of(share.level))}};
}

Result<HttpResponse> create_share(PageContext& page, const HttpRequest& request) {
  TRY(const Json body, body_object(request, {"kind", "id", "level"}));
  TRY(const std::string kind, required_text(body, "kind"));
  TRY(const std::string id, required_text(body, "id"));
  TRY(const std::string level, required_text(body, "level"));
  if (kind != "agent" && kind != "conversation") {
    return fail(ErrorKind::invalid_argument, "kind: must be agent or conversation");
  }
  if (level != "link" && level != "server") {
    return fail(ErrorKind::invalid_argument, "level: must be link or server");
  }
  const bool is_agent = kind == "agent";
  if (is_agent) {
    const auto agent = page.agents.find(id);
    if (!agent || agent->id != id || !may_use_agent(page, request.caller, *agent)) {
      return fail(ErrorKind::not_found, "there is no agent {}", id);
    }
    if (!agent->built_in && !agent->owner.empty() && !may_change_agent(request, *agent)) {
      return fail(ErrorKind::invalid_argument, "id: this agent is somebody else's to share");
    }
  } else {
    TRY_STATUS(page.storage.conversations().find(request.caller.user_id, id));
  }
  TRY(const Share share,
      page.storage.shares().create(request.caller.user_id,
                                   is_agent ? Share::Kind::agent : Share::Kind::conversation, id,
                                   level == "link" ? Share::Level::link : Share::Level::server));
  return json_response(share_json(share), 201);
}

}  // namespace

void add_share_routes(std::vector<Route>& routes, PageContext& page) {
  routes.push_back(page_route(
      "GET", "shares", Access::user, [&page](const HttpRequest& request) -> Result<HttpResponse> {
        TRY(const auto all, page.storage.shares().list(request.caller.user_id));
        Json items = Json::array();
        for (const Share& share : all) items.push_back(share_json(share));
        return json_response({{"items", std::move(items)}});
      }));
  routes.push_back(page_route("POST", "shares", Access::user,
                              [&page](const HttpRequest& r) { return create_share(page, r); }));
  routes.push_back(page_route("DELETE", "shares/{token}", Access::user,
                              [&page](const HttpRequest& request) -> Result<HttpResponse> {
                                TRY_STATUS(page.storage.shares().remove(request.caller.user_id,
                                                                        request.params[0]));
                                if (page.credentials_changed) page.credentials_changed();
                                return no_content();
                              }));
}

}  // namespace jiang
