#include "base/http_client.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>

#include "tests/support/loopback_server.h"

namespace jiang {
namespace {

using testing::HasSubstr;
using testing::Not;
using Answer = LoopbackServer::Answer;

class HttpClientTest : public testing::Test {
 protected:
  void SetUp() override {
    ::setenv("no_proxy", "*", 1);
    client_ = *HttpClient::create();
  }
  // "GET /path" of a request.
  static std::string target(const std::string& request) {
    return request.substr(0, request.find(" HTTP/"));
  }
  static LoopbackServer hello() {
    return LoopbackServer(
        [](const std::string&) -> Answer { return {http_answer("200 OK", "hi")}; });
  }

  std::unique_ptr<HttpClient> client_;
};

TEST_F(HttpClientTest, AnAnswerOfAnyStatusIsAResponse) {
  LoopbackServer server([](const std::string& request) -> Answer {
    if (target(request) == "GET /missing")
      return {http_answer("404 Not Found", "no", "X-A: b\r\n")};
    return {http_answer("200 OK", request)};
  });
  const auto missing = client_->send({.url = server.url("/missing")});
  ASSERT_TRUE(missing) << missing.error().message;
  EXPECT_EQ(missing->status, 404);
  EXPECT_EQ(missing->body, "no");
  EXPECT_EQ(missing->header("x-A"), "b");
  EXPECT_EQ(missing->header("x-b"), std::nullopt);

  const auto posted = client_->send({.method = "POST",
                                     .url = server.url("/p?q=1"),
                                     .headers = {{"X-Key", "v"}, {"Empty", ""}},
                                     .body = "body!"});
  ASSERT_TRUE(posted) << posted.error().message;
  EXPECT_EQ(target(posted->body), "POST /p?q=1");
  EXPECT_THAT(posted->body, HasSubstr("X-Key: v\r\n"));
  EXPECT_THAT(posted->body, HasSubstr("Empty:\r\n"));
  EXPECT_THAT(posted->body, HasSubstr("body!"));
  EXPECT_EQ(posted->url, server.url("/p?q=1"));
}

TEST_F(HttpClientTest, PiecesComeThroughTheCallbackAfterTheHeaders) {
  LoopbackServer server(
      [](const std::string&) -> Answer { return {http_answer("206 Partial", "abc")}; });
  std::string seen;
  const auto response = client_->send({.url = server.url("/"),
                                       .on_body =
                                           [&](std::string_view piece) {
                                             seen += piece;
                                             return ok();
                                           },
                                       .on_headers =
                                           [&](int status, const auto&) {
                                             seen += std::to_string(status) + ":";
                                             return ok();
                                           }});
  ASSERT_TRUE(response);
  EXPECT_EQ(seen, "206:abc");
  EXPECT_EQ(response->body, "");
  const auto stopped =
      client_->send({.url = server.url("/"), .on_body = [](std::string_view) -> Status {
                       return fail(ErrorKind::io, "disk full");
                     }});
  ASSERT_FALSE(stopped);
  EXPECT_EQ(stopped.error().message, "disk full");
}

TEST_F(HttpClientTest, CredentialsStayWithTheirHost) {
  LoopbackServer other(
      [](const std::string& request) -> Answer { return {http_answer("200 OK", request)}; });
  LoopbackServer server([&](const std::string& request) -> Answer {
    const std::string where = target(request) == "GET /far" ? other.url("/end") : "/far";
    return {http_answer("302 Found", "", "Location: " + where + "\r\n")};
  });
  const auto response = client_->send({.url = server.url("/start"),
                                       .headers = {{"Authorization", "Bearer secret"},
                                                   {"X-Api-Key", "secret"},
                                                   {"Cookie", "c=secret"},
                                                   {"X-Other", "kept"}}});
  ASSERT_TRUE(response) << response.error().message;
  EXPECT_THAT(server.requests().at(1), HasSubstr("Bearer secret"));  // the same host
  EXPECT_THAT(response->body, Not(HasSubstr("secret")));
  EXPECT_THAT(response->body, HasSubstr("X-Other: kept"));
  EXPECT_EQ(response->url, other.url("/end"));
}

TEST_F(HttpClientTest, RedirectsHaveBounds) {
  LoopbackServer server([](const std::string& request) -> Answer {
    const std::string where = target(request) == "GET /file" ? "file:///etc/passwd" : "/again";
    return {http_answer("307 Again", "", "Location: " + where + "\r\n")};
  });
  EXPECT_THAT(client_->send({.url = server.url("/x")}).error().message, HasSubstr("more than 5"));
  EXPECT_EQ(server.requests().size(), 6u);
  EXPECT_THAT(client_->send({.url = server.url("/file")}).error().message, HasSubstr("not http"));
  const auto plain = client_->send({.url = server.url("/x"), .max_redirects = 0});
  ASSERT_TRUE(plain);
  EXPECT_EQ(plain->status, 307);
}

TEST_F(HttpClientTest, TheGuardSeesTheAddressOfEveryHop) {
  LoopbackServer other(
      [](const std::string&) -> Answer { return {http_answer("200 OK", "inner")}; });
  LoopbackServer server([&](const std::string&) -> Answer {
    return {http_answer("302 Found", "",
                        "Location: http://localhost:" + std::to_string(other.port()) + "/\r\n")};
  });
  ASSERT_TRUE(
      client_->send({.url = server.url("/")}));  // its connection must not serve the guarded
  std::vector<std::string> seen;
  const auto response = client_->send(
      {.url = server.url("/"),
       .allow_address = [&](std::string_view host, std::string_view address) -> Status {
         seen.push_back(std::string(host) + "=" + std::string(address));
         if (host == "localhost") return fail(ErrorKind::invalid_argument, "private");
         return ok();
       }});
  ASSERT_FALSE(response);
  EXPECT_EQ(response.error().message, "private");
  EXPECT_EQ(seen.at(0), "127.0.0.1=127.0.0.1");
  EXPECT_THAT(seen.at(1), HasSubstr("localhost="));
  EXPECT_EQ(other.requests().size(), 1u);
}

TEST_F(HttpClientTest, LongAndSilentAnswersEnd) {
  LoopbackServer server([](const std::string& request) -> Answer {
    if (target(request) == "GET /long") return {http_answer("200 OK", std::string(5000, 'x'))};
    return {"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc", true};
  });
  const auto longer = client_->send({.url = server.url("/long"), .max_bytes = 4999});
  EXPECT_EQ(longer.error().kind, ErrorKind::too_large);
  const auto silent = client_->send({.url = server.url("/s"), .stall_seconds = 0.05});
  EXPECT_THAT(silent.error().message, HasSubstr("sent nothing"));
  EXPECT_EQ(silent.error().kind, ErrorKind::io);
  const auto late = client_->send({.url = server.url("/s"), .total_seconds = 0.05});
  EXPECT_THAT(late.error().message, HasSubstr("did not finish"));
  const auto stopped = client_->send({.url = server.url("/s"), .cancelled = [] { return true; }});
  EXPECT_EQ(stopped.error().kind, ErrorKind::cancelled);
}

TEST_F(HttpClientTest, BrokenConnectionsAreErrors) {
  LoopbackServer server([](const std::string& request) -> Answer {
    if (target(request) == "GET /none") return {""};
    return {"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc"};
  });
  EXPECT_THAT(client_->send({.url = server.url("/short")}).error().message, HasSubstr("broke"));
  EXPECT_THAT(client_->send({.url = server.url("/none")}).error().message, HasSubstr("broke"));
  std::string gone;
  {
    const LoopbackServer closed = hello();
    gone = closed.url("/");
  }
  EXPECT_THAT(client_->send({.url = gone}).error().message, HasSubstr("no connection"));
}

TEST_F(HttpClientTest, WhatIsNotARequestIsRefused) {
  for (const char* url :
       {"", "ftp://a/b", "file:///etc/passwd", "http://", "http://a b/", "a.gguf"}) {
    const auto response = client_->send({.url = url});
    ASSERT_FALSE(response) << url;
    EXPECT_EQ(response.error().kind, ErrorKind::invalid_argument) << url;
  }
  EXPECT_EQ(client_->send({.url = "http://a/\r\nX: y"}).error().kind, ErrorKind::invalid_argument);
  EXPECT_EQ(client_->send({.url = "http://a/", .headers = {{"A", "b\r\nC: d"}}}).error().kind,
            ErrorKind::invalid_argument);
}

TEST_F(HttpClientTest, OfflineForbidsEveryRequest) {
  LoopbackServer server = hello();
  ::setenv("JIANG_OFFLINE", "1", 1);
  const auto forbidden = client_->send({.url = server.url("/")});
  ::setenv("JIANG_OFFLINE", "0", 1);
  const auto allowed = client_->send({.url = server.url("/")});
  ::unsetenv("JIANG_OFFLINE");
  ASSERT_FALSE(forbidden);
  EXPECT_THAT(forbidden.error().message, HasSubstr("JIANG_OFFLINE"));
  ASSERT_TRUE(allowed) << allowed.error().message;
  EXPECT_EQ(server.requests().size(), 1u);
}

}  // namespace
}  // namespace jiang
