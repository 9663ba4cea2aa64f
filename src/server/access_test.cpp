#include "server/access.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/http_client.h"
#include "server/login.h"
#include "server/routes.h"
#include "server/store_routes.h"
#include "server/test_server.h"
#include "tests/support/temp_folder.h"

namespace jiang {
namespace {

using testing::HasSubstr;

struct Visitor {
  const char* name;
  const char* headers;
  Caller::Kind kind;
};
const Visitor kVisitors[] = {
    {"none", "", Caller::Kind::nobody},
    {"bad key", "authorization: Bearer user-kez\r\n", Caller::Kind::nobody},
    {"prefix of a key", "x-api-key: user-ke\r\n", Caller::Kind::nobody},
    {"basic", "authorization: Basic dXNlcg==\r\n", Caller::Kind::nobody},
    {"two keys", "authorization: Bearer user-key\r\nx-api-key: owner-key\r\n",
     Caller::Kind::nobody},
    {"two headers", "authorization: Bearer user-key\r\nauthorization: Bearer user-key\r\n",
     Caller::Kind::nobody},
    {"dead session", "cookie: jiang_session=gone\r\n", Caller::Kind::nobody},
    {"user key", "authorization: Bearer user-key\r\n", Caller::Kind::user},
    {"user key, lower case", "authorization: bearer user-key\r\n", Caller::Kind::user},
    {"user x-api-key", "x-api-key: user-key\r\n", Caller::Kind::user},
    {"owner key", "authorization: Bearer owner-key\r\n", Caller::Kind::owner},
    {"user session", "cookie: a=b; jiang_session=user-session\r\n", Caller::Kind::user},
    {"owner session", "cookie: jiang_session=owner-session\r\n", Caller::Kind::owner},
    {"visitor session", "cookie: jiang_session=visitor-session\r\n", Caller::Kind::visitor},
};

std::string example_path(const Route& route) {
  std::string path = route.pattern;
  while (true) {
    const size_t open = path.find('{');
    if (open == std::string::npos) return path;
    path.replace(open, path.find('}') - open + 1, "x");
  }
}

// Every route times every kind of caller, from the table itself. What is expected is written down
// here a second time, and not taken from may().
bool expected(Access access, Caller::Kind kind) {
  using Kind = Caller::Kind;
  switch (access) {
    case Access::open:
      return true;
    case Access::model:
      return kind == Kind::keyless || kind == Kind::user || kind == Kind::owner;
    case Access::visitor:
      return kind == Kind::visitor || kind == Kind::user || kind == Kind::owner;
    case Access::user:
      return kind == Kind::user || kind == Kind::owner;
    case Access::manage:
      return kind == Kind::keyless || kind == Kind::owner;
    case Access::owner:
      return kind == Kind::owner;
    case Access::denied:
      return false;
  }
  return false;
}

void check_matrix(TestServer& s, const std::vector<Route>& routes, const Visitor& visitor,
                  Caller::Kind kind) {
  for (const Route& route : routes) {
    const auto answer =
        exchange(s.port(), request_text(route.method, example_path(route), visitor.headers, "{}"));
    const bool is_refused = answer.status == 401 || answer.status == 403;
    EXPECT_EQ(!is_refused, expected(route.access, kind))
        << route.method << " " << route.pattern << " as " << visitor.name << ": " << answer.status;
    if (kind == Caller::Kind::nobody && !expected(route.access, kind)) {
      EXPECT_EQ(answer.status, 401) << route.pattern;
    }
  }
}

TEST(Authorization, EveryRouteForEveryCaller) {
  TestServer s;
  s.authenticator.keys = true;
  s.start();
  std::vector<Route> routes = all_routes(s.server->context());
  for (const Visitor& visitor : kVisitors) check_matrix(s, routes, visitor, visitor.kind);
}

// A store without a model and pulls without a hub: what is asked of them here names no model.
struct EmptyStore {
  TempFolder home;
  PullManager pulls{*HttpClient::create(), HubSettings(), Store(home.path()), Catalogue(),
                    PullManager::Options()};
  StoreService service{Store(home.path()), pulls};
};

TEST(Authorization, TheStoresRoutesForEveryCaller) {
  EmptyStore store;
  TestServer s;
  s.authenticator.keys = true;
  s.more_routes = [&](ServerContext& context) { return store_routes(context, store.service); };
  s.start();
  const std::vector<Route> routes = store_routes(s.server->context(), store.service);
  for (const Visitor& visitor : kVisitors) check_matrix(s, routes, visitor, visitor.kind);
}

TEST(Authorization, WithoutAKeyLocalProgramsMayRunModelsAndNoMore) {
  TestServer s;
  s.start();
  std::vector<Route> routes = all_routes(s.server->context());
  check_matrix(s, routes, {"local", "", {}}, Caller::Kind::keyless);
  // Clients insist on sending some key.
  check_matrix(s, routes, {"local", "authorization: Bearer none\r\n", {}}, Caller::Kind::keyless);
  check_matrix(s, routes, {"page", "cookie: jiang_session=user-session\r\n", {}},
               Caller::Kind::user);
}

// One route of each access, so that the matrix has no blank column whatever the table holds.
TEST(Authorization, ARowWithoutAccessIsDeniedToAll) {
  for (const bool keys : {false, true}) {
    TestServer s;
    s.authenticator.keys = keys;
    s.models = std::make_unique<FakeManager>(s.engine);
    std::vector<Route> rows;
    const auto handler = answer_with([](const HttpRequest&) { return HttpResponse{.body = "{}"}; });
    for (const Access access : {Access::denied, Access::owner, Access::manage, Access::user,
                                Access::visitor, Access::model, Access::open})
      rows.push_back(
          {"POST", "/test/" + std::to_string(static_cast<int>(access)), access, handler});
    Route dummy;
    dummy.method = "GET";
    dummy.pattern = "/dummy";
    dummy.handler = handler;
    rows.push_back(dummy);
    s.server = Server::start(s.options, *s.models, s.authenticator, [&](ServerContext&) {
                 return rows;
               }).value();
    for (const Visitor& visitor : kVisitors) {
      Caller::Kind kind = visitor.kind;
      if (!keys) {
        const bool is_session =
            std::string_view(visitor.headers).find("-session") != std::string::npos;
        if (!is_session) kind = Caller::Kind::keyless;
      }
      check_matrix(s, rows, visitor, kind);
    }
  }
}

TEST(Authorization, AKeyInTheQueryIsNoKey) {
  TestServer s;
  s.authenticator.keys = true;
  s.start();
  EXPECT_EQ(s.get("/v1/models?key=user-key&api_key=user-key").status, 401);
  EXPECT_EQ(s.get("/v1/models", "authorization: Bearer " + std::string(20000, 'k') + "\r\n").status,
            401);
}

TEST(Authorization, ErrorsSpeakTheRoutesDialect) {
  TestServer s;
  s.authenticator.keys = true;
  s.start();
  const Json error = json_of(s.get("/v1/models"))["error"];
  EXPECT_EQ(error["type"], "authentication_error");
  EXPECT_EQ(error["code"], "login_required");
  EXPECT_TRUE(s.get("/v1/models").has("www-authenticate: Bearer"));
}

TEST(Gate, HostsThatAreNotOursAreRefused) {
  TestServer s;
  s.options.gate.allow_hosts = {"jiang.example"};
  s.start();
  const auto with_host = [&](const std::string& host) {
    return exchange(s.port(),
                    "GET /v1/models HTTP/1.1\r\nconnection: close\r\nhost: " + host + "\r\n\r\n")
        .status;
  };
  for (const char* good : {"localhost", "LOCALHOST:8080", "127.0.0.1:1", "127.9.9.9", "[::1]:8080",
                           "app.localhost", "jiang.example", "Jiang.Example.:443"})
    EXPECT_EQ(with_host(good), 200) << good;
  for (const char* bad :
       {"evil.com", "127.0.0.1.evil", "localhost.evil.com", "10.0.0.1", "0.0.0.0", "notlocalhost",
        "", "a b", "127.0.0.1@evil.com", "[::2]", "localhost:99999x"})
    EXPECT_EQ(with_host(bad), 403) << bad;
}

TEST(Gate, PagesOfOthersAreRefusedAndLocalOnesGetCors) {
  TestServer s;
  s.options.gate.allow_origins = {"https://app.example"};
  s.start();
  const auto with = [&](const std::string& headers) { return s.get("/v1/models", headers); };
  for (const char* bad :
       {"https://evil.com", "null", "http://localhost.evil.com", "https://app.example.evil",
        "https://sub.app.example", "file://", "http://evil.com:80"}) {
    const auto answer = with("origin: " + std::string(bad) + "\r\n");
    EXPECT_EQ(answer.status, 403) << bad;
    EXPECT_FALSE(answer.has("access-control-allow-origin")) << bad;
  }
  for (const char* good : {"http://localhost:3000", "http://127.0.0.1", "https://app.example"}) {
    const auto answer = with("origin: " + std::string(good) + "\r\n");
    EXPECT_EQ(answer.status, 200) << good;
    EXPECT_TRUE(answer.has("access-control-allow-origin: " + std::string(good))) << answer.head;
    EXPECT_FALSE(answer.has("access-control-allow-credentials"));
  }
  EXPECT_EQ(with("sec-fetch-site: cross-site\r\nsec-fetch-mode: no-cors\r\n").status, 403);
}

TEST(Gate, PreflightsNameMethodsAndHeaders) {
  TestServer s;
  s.start();
  const auto answer = exchange(
      s.port(),
      request_text("OPTIONS", "/v1/chat/completions",
                   "origin: http://localhost:5173\r\naccess-control-request-method: POST\r\n"
                   "access-control-request-headers: content-type, authorization\r\n"));
  EXPECT_EQ(answer.status, 204);
  EXPECT_TRUE(answer.has("access-control-allow-methods: POST"));
  EXPECT_TRUE(answer.has("access-control-allow-headers: content-type, authorization"));
  const auto evil = exchange(s.port(), request_text("OPTIONS", "/v1/chat/completions",
                                                    "origin: https://evil.com\r\n"
                                                    "access-control-request-method: POST\r\n"));
  EXPECT_EQ(evil.status, 403);
  EXPECT_EQ(exchange(s.port(), request_text("OPTIONS", "/nowhere")).status, 404);
}

TEST(Gate, ABrowsersBodyMustSayThatItIsJson) {
  TestServer s;
  s.start();
  const auto post = [&](const std::string& headers) {
    return exchange(s.port(), request_text("POST", "/tokenize", headers, "{\"content\":\"a\"}"))
        .status;
  };
  EXPECT_EQ(post("origin: http://localhost:3000\r\ncontent-type: text/plain\r\n"), 415);
  EXPECT_EQ(
      post("origin: http://localhost:3000\r\ncontent-type: application/json; charset=utf-8\r\n"),
      200);
  EXPECT_EQ(post("content-type: application/x-www-form-urlencoded\r\n"), 200)
      << "as curl -d sends it";
}

TEST(Gate, ASessionIsForOurOwnPageOnly) {
  TestServer s;
  s.models = std::make_unique<FakeManager>(s.engine);
  s.server = Server::start(s.options, *s.models, s.authenticator, [](ServerContext&) {
               return std::vector<Route>{
                   {"POST", "/own", Access::user,
                    answer_with([](const HttpRequest&) { return HttpResponse{.body = "{}"}; })}};
             }).value();
  const std::string session =
      "cookie: jiang_session=user-session\r\ncontent-type: application/json\r\n";
  const auto post = [&](const std::string& headers) {
    return exchange(s.port(), request_text("POST", "/own", session + headers, "{}")).status;
  };
  EXPECT_EQ(post(""), 200);
  EXPECT_EQ(post("origin: http://localhost\r\n"), 200);
  EXPECT_EQ(post("origin: http://localhost:3000\r\n"), 403) << "another port is another page";
  EXPECT_EQ(post("sec-fetch-site: same-site\r\n"), 403);
  EXPECT_EQ(post("sec-fetch-site: same-origin\r\n"), 200);
}

TEST(Gate, ForwardedHeadersAreBelievedFromTrustedProxiesOnly) {
  for (const bool is_trusted : {false, true}) {
    TestServer s;
    if (is_trusted) s.options.gate.trusted_proxies = {"127.0.0.0/8"};
    s.options.gate.allow_hosts = {"notebook.example"};
    s.models = std::make_unique<FakeManager>(s.engine);
    std::string address;
    bool is_secure = false;
    s.server = Server::start(s.options, *s.models, s.authenticator, [&](ServerContext&) {
                 return std::vector<Route>{
                     {"GET", "/who", Access::open, answer_with([&](const HttpRequest& request) {
                        address = request.address;
                        is_secure = request.is_secure;
                        return HttpResponse{.body = "{}"};
                      })}};
               }).value();
    const std::string forwarded =
        "x-forwarded-for: 6.6.6.6, 10.1.2.3, 127.0.0.5\r\nx-forwarded-proto: https\r\n"
        "x-forwarded-host: notebook.example\r\n";
    EXPECT_EQ(s.get("/who", forwarded).status, 200);
    EXPECT_EQ(address, is_trusted ? "10.1.2.3" : "127.0.0.1");
    EXPECT_EQ(is_secure, is_trusted);
    // Who comes through a proxy is not a local program.
    EXPECT_EQ(s.get("/v1/models", forwarded).status, is_trusted ? 401 : 200);
  }
}

TEST(Gate, ABasePathIsUnderstoodWithAndWithout) {
  TestServer s;
  s.options.gate.base_path = "/dsw-1/proxy/8080/";
  s.start();
  EXPECT_EQ(s.get("/dsw-1/proxy/8080/health").status, 200);
  EXPECT_EQ(s.get("/health").status, 200);
  EXPECT_EQ(s.get("/dsw-1/proxy/8080health").status, 404);
}

TEST(Gate, BadSettingsAreSaid) {
  const auto error_of = [](GateOptions options) {
    auto gate = Gate::create(std::move(options), RouteTable({}));
    return gate ? std::string() : gate.error().message;
  };
  EXPECT_EQ(
      error_of({.allow_hosts = {"*", "a.example:80"}, .trusted_proxies = {"10.0.0.0/8", "::1"}}),
      "");
  EXPECT_THAT(error_of({.base_path = "x"}), HasSubstr("--base-path"));
  EXPECT_THAT(error_of({.allow_hosts = {"a b"}}), HasSubstr("--allow-host"));
  EXPECT_THAT(error_of({.trusted_proxies = {"10.0.0.0/33"}}), HasSubstr("--trusted-proxy"));
  EXPECT_THAT(error_of({.trusted_proxies = {"evil"}}), HasSubstr("--trusted-proxy"));
}

}  // namespace
}  // namespace jiang
