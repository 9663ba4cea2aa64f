// Users and keys. Users are the owner's affair; keys are everybody's own.
#include "server/page_support.h"

namespace jiang {
namespace {

constexpr std::chrono::hours kInvitationValid{72};

Json user_json(const User& user) {
  return {{"id", user.id}, {"name", user.name}, {"role", std::string(name_of(user.role))}};
}

Json key_json(const ApiKey& key) {
  return {{"id", key.id},
          {"name", key.name},
          {"start", key.start},
          {"created", key.created},
          {"used", key.used == 0 ? Json() : Json(key.used)}};
}

}  // namespace

void add_user_routes(std::vector<Route>& routes, PageContext& page) {
  Users& users = page.storage.users();
  routes.push_back(page_route("GET", "users", Access::owner,
                              [&users](const HttpRequest&) -> Result<HttpResponse> {
                                TRY(const auto all, users.list());
                                Json items = Json::array();
                                for (const User& user : all) items.push_back(user_json(user));
                                return json_response({{"items", std::move(items)}});
                              }));
  routes.push_back(page_route(
      "POST", "users", Access::owner, [&users](const HttpRequest& request) -> Result<HttpResponse> {
        TRY(const Json body, body_object(request, {"name", "role"}));
        TRY(const std::string name, required_text(body, "name"));
        TRY(const std::string role_name, required_text(body, "role"));
        const auto role = role_of(role_name);
        if (!role || *role == Role::visitor) {
          return fail(ErrorKind::invalid_argument, "role: must be owner or user");
        }
        TRY(const User user, users.create(name, *role));
        TRY(const std::string token, users.make_login_token(user.id, kInvitationValid));
        // Relative to the page: the server may not know under which name it is reached.
        return json_response({{"id", user.id}, {"link", "login?token=" + token}}, 201);
      }));
  routes.push_back(page_route("DELETE", "users/{id}", Access::owner,
                              [&page, &users](const HttpRequest& request) -> Result<HttpResponse> {
                                TRY_STATUS(users.remove(request.params[0]));
                                page.runs.stop_all_of(request.params[0]);
                                if (page.credentials_changed) page.credentials_changed();
                                return no_content();
                              }));
  routes.push_back(page_route("GET", "keys", Access::user,
                              [&users](const HttpRequest& request) -> Result<HttpResponse> {
                                TRY(const auto all, users.keys(request.caller.user_id));
                                Json items = Json::array();
                                for (const ApiKey& key : all) items.push_back(key_json(key));
                                return json_response({{"items", std::move(items)}});
                              }));
  routes.push_back(
      page_route("POST", "keys", Access::user,
                 [&page, &users](const HttpRequest& request) -> Result<HttpResponse> {
                   TRY(const Json body, body_object(request, {"name"}));
                   TRY(const std::string name, required_text(body, "name"));
                   TRY(const auto made, users.create_key(request.caller.user_id, name));
                   if (page.credentials_changed) page.credentials_changed();
                   return json_response({{"id", made.key.id}, {"key", made.secret}}, 201);
                 }));
  routes.push_back(page_route("DELETE", "keys/{id}", Access::user,
                              [&page, &users](const HttpRequest& request) -> Result<HttpResponse> {
                                TRY_STATUS(
                                    users.remove_key(request.caller.user_id, request.params[0]));
                                if (page.credentials_changed) page.credentials_changed();
                                return no_content();
                              }));
}

}  // namespace jiang
