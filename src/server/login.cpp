#include "server/login.h"

#include "server/errors.h"

namespace jiang {
namespace {

HttpResponse log_in(Storage& storage, const HttpRequest& request) {
  const auto token = request.query_value("token");
  if (!token || token->empty() || token->size() > 200)
    return error_response(ApiDialect::jiang, bad_request("the link has no token", "token"));
  auto session = storage.users().log_in(*token);
  if (!session) {
    return error_response(
        ApiDialect::jiang,
        {.status = 401, .message = session.error().message, .code = "link_invalid"});
  }
  HttpResponse response{.status = 303, .content_type = ""};
  response.headers = {{"location", "./"},
                      {"set-cookie", session_cookie(session->session, request.is_secure)},
                      {"cache-control", "no-store"},
                      {"referrer-policy", "no-referrer"}};
  return response;
}

}  // namespace

std::string session_cookie(const std::string& session, bool is_secure) {
  return "jiang_session=" + session + "; HttpOnly; SameSite=Strict; Max-Age=2592000" +
         (is_secure ? "; Secure" : "");
}

std::vector<Route> login_routes(Storage& storage) {
  return {{"GET", "/login", Access::open,
           answer_with([&storage](const HttpRequest& request) { return log_in(storage, request); }),
           ApiDialect::jiang}};
}

}  // namespace jiang
