#include "server/login.h"

#include "server/errors.h"
#include "server/rate_limit.h"

namespace jiang {
namespace {

constexpr int kWrongLinksPerMinute = 20;  // of an address

HttpResponse log_in(Storage& storage, RateLimit& wrong_links, const HttpRequest& request) {
  if (const int seconds = wrong_links.wait(request.address); seconds > 0) {
    return error_response(ApiDialect::jiang,
                          {.status = 429,
                           .message = "too many links that are not valid came from your address",
                           .code = "rate_limit_exceeded",
                           .retry_after = seconds});
  }
  const auto token = request.query_value("token");
  if (!token || token->empty() || token->size() > 200)
    return error_response(ApiDialect::jiang, bad_request("the link has no token", "token"));
  auto session = storage.users().log_in(*token);
  if (!session) {
    wrong_links.take(request.address);
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
  const auto wrong_links = std::make_shared<RateLimit>(kWrongLinksPerMinute);
  return {{"GET", "/login", Access::open,
           answer_with([&storage, wrong_links](const HttpRequest& request) {
             return log_in(storage, *wrong_links, request);
           }),
           ApiDialect::jiang}};
}

}  // namespace jiang
