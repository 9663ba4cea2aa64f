#include "server/http_server.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <mutex>
#include <thread>

#include "server/test_client.h"

namespace jiang {
namespace {

using testing::HasSubstr;
using testing::Not;

// A server with a few routes that show what a handler can do.
struct Fixture {
  HttpServerOptions options{.port = 0, .io_threads = 2};
  GateOptions gate = {};
  FakeAuthenticator authenticator;
  std::atomic<int> n_closed = 0;
  std::atomic<int> n_stopped = 0;
  std::atomic<uint64_t> n_written = 0;
  std::mutex mutex;
  std::vector<std::string> lines;
  std::vector<ResponderPtr> held;
  std::unique_ptr<HttpServer> server;
  std::unique_ptr<WorkerPool> workers = std::make_unique<WorkerPool>(2);

  ~Fixture() {
    if (server) server->stop(0, 0);
    held.clear();
    workers.reset();
  }

  void start() {
    options.log = [this](std::string_view line) {
      const std::lock_guard lock(mutex);
      lines.emplace_back(line);
    };
    const auto echo = [](const HttpRequest& request) {
      std::string text = request.method + " " + request.path;
      for (const auto& param : request.params) text += " [" + param + "]";
      for (const auto& [name, value] : request.query) text += " " + name + "=" + value;
      return HttpResponse{.body = text + " " + request.body, .content_type = "text/plain"};
    };
    std::vector<Route> routes;
    routes.push_back({"GET", "/echo", Access::open, answer_with(echo)});
    routes.push_back({"POST", "/echo", Access::open, answer_with(echo)});
    routes.push_back({"GET", "/items/{id}", Access::open, answer_with(echo)});
    routes.push_back({"GET", "/rest/{rest*}", Access::open, answer_with(echo)});
    routes.push_back({"GET", "/quick", Access::open, answer_with(echo), ApiDialect::openai,
                      Route::Where::io_thread});
    routes.push_back({"GET", "/throws", Access::open, [](const RequestPtr&, const ResponderPtr&) {
                        throw std::runtime_error("secret detail");
                      }});
    routes.push_back(
        {"GET", "/nothing", Access::open, [](const RequestPtr&, const ResponderPtr&) {}});
    routes.push_back(
        {"GET", "/hold", Access::open, [this](const RequestPtr&, const ResponderPtr& responder) {
           responder->on_close([this] { ++n_closed; });
           responder->on_stop([this, responder] {
             ++n_stopped;
             responder->write("data: stopped\n\n");
             responder->end();
           });
           responder->begin(event_stream_head(), kSsePing);
           responder->write("data: first\n\n");
           const std::lock_guard lock(mutex);
           held.push_back(responder);
         }});
    routes.push_back(
        {"GET", "/flood", Access::open, [this](const RequestPtr&, const ResponderPtr& responder) {
           responder->on_close([this] { ++n_closed; });
           responder->begin(event_stream_head(), kSsePing);
           const auto pour = [this, responder] {
             while (responder->unsent() < Responder::kHighWater) {
               responder->write(std::string(1000, 'x'));
               n_written += 1000;
             }
           };
           responder->on_drain(pour);
           pour();
         }});
    auto made = Gate::create(gate, RouteTable(std::move(routes)));
    server = HttpServer::create(options, std::move(*made), authenticator, *workers).value();
  }
  TestAnswer get(std::string_view target, std::string_view headers = {}) {
    return exchange(server->port(), request_text("GET", target, headers));
  }
  void wait_for(const std::function<bool()>& condition) {
    for (int i = 0; i < 20000 && !condition(); ++i)
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    EXPECT_TRUE(condition());
  }
};

TEST(HttpServer, AnswersWithParametersQueryAndBody) {
  Fixture f;
  f.start();
  EXPECT_EQ(f.get("/echo?a=1&b=x%20y+z").body, "GET /echo a=1 b=x y z ");
  EXPECT_EQ(f.get("/items/org%2Fmodel:tag").body, "GET /items/org%2Fmodel:tag [org/model:tag] ");
  EXPECT_EQ(f.get("/rest/a/b%20c").body, "GET /rest/a/b%20c [a/b c] ");
  const auto posted = exchange(f.server->port(), request_text("POST", "/echo", {}, "{\"x\":1}"));
  EXPECT_EQ(posted.status, 200);
  EXPECT_EQ(posted.body, "POST /echo {\"x\":1}");
  EXPECT_TRUE(posted.has("x-request-id: req_"));
  EXPECT_TRUE(posted.has("x-content-type-options: nosniff"));
}

TEST(HttpServer, WhatIsInNoRowIsNotFoundAndWrongMethodsAreNamed) {
  Fixture f;
  f.start();
  for (const char* target : {"/nowhere", "/", "//echo", "/Echo", "/echo/", "/%65cho", "/items/",
                             "/items", "/echo/../echo", "/echo/..%2fecho", "/items/a/b"}) {
    EXPECT_EQ(f.get(target).status, 404) << target;
  }
  const auto wrong = exchange(f.server->port(), request_text("DELETE", "/echo"));
  EXPECT_EQ(wrong.status, 405);
  EXPECT_TRUE(wrong.has("allow: GET, HEAD, POST")) << wrong.head;
  EXPECT_THAT(wrong.body, HasSubstr("\"param\":null"));
}

TEST(HttpServer, HeadHasTheHeadersOfGetAndNoBody) {
  Fixture f;
  f.start();
  const auto head = exchange(f.server->port(), request_text("HEAD", "/echo"));
  EXPECT_EQ(head.status, 200);
  EXPECT_TRUE(head.has("content-length: 10")) << head.head;
  EXPECT_EQ(head.body, "");
}

TEST(HttpServer, KeepAliveServesManyRequestsAndPipeliningKeepsTheirOrder) {
  Fixture f;
  f.start();
  TestSocket socket(f.server->port());
  std::string all;
  for (int i = 0; i < 50; ++i)
    all += "GET /items/" + std::to_string(i) + " HTTP/1.1\r\nhost: localhost\r\n\r\n";
  all +=
      "POST /echo HTTP/1.1\r\nhost: localhost\r\ncontent-length: 3\r\nconnection: close\r\n\r\nend";
  socket.send_all(all);
  const std::string& received = socket.read_to_end();
  size_t at = 0;
  for (int i = 0; i < 50; ++i) {
    at = received.find("[" + std::to_string(i) + "]", at);
    ASSERT_NE(at, std::string::npos) << i;
  }
  EXPECT_NE(received.find("POST /echo end", at), std::string::npos);
  EXPECT_EQ(f.server->counters().requests, 51u);
}

TEST(HttpServer, RubbishAfterAGoodRequestIsRefusedInItsTurn) {
  Fixture f;
  f.start();
  TestSocket socket(f.server->port());
  socket.send_all("GET /echo HTTP/1.1\r\nhost: localhost\r\n\r\nrubbish\r\n\r\n");
  const std::string& received = socket.read_to_end();
  EXPECT_THAT(received, HasSubstr("GET /echo"));
  EXPECT_THAT(received, HasSubstr("HTTP/1.1 400 Bad Request"));
}

TEST(HttpServer, MalformedRequestsGetTheRightStatusAndTheConnectionEnds) {
  struct Case {
    std::string request;
    int status;
  };
  const std::string host = "host: localhost\r\nconnection: close\r\n";
  const std::vector<Case> cases = {
      {"BAD\r\n\r\n", 400},
      {"GET /echo HTTP/1.1\r\nconnection: close\r\n\r\n", 403},
      {"GET  /echo HTTP/1.1\r\n" + host + "\r\n", 400},
      {"GET /echo HTTP/2.0\r\n" + host + "\r\n", 505},
      {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505},
      {"GET /echo\r\n\r\n", 400},
      {"GET /ec\x01ho HTTP/1.1\r\n" + host + "\r\n", 400},
      {"GET echo HTTP/1.1\r\n" + host + "\r\n", 400},
      {"GET /echo?%zz=1 HTTP/1.1\r\n" + host + "\r\n", 400},
      {"GET /items/%ff HTTP/1.1\r\n" + host + "\r\n", 400},
      {"GET /items/%00 HTTP/1.1\r\n" + host + "\r\n", 400},
      {"GET /echo HTTP/1.1\r\n" + host + "x : y\r\n\r\n", 400},
      {"GET /echo HTTP/1.1\r\n" + host + "x: a\x01z\r\n\r\n", 400},
      {"GET /echo HTTP/1.1\r\n" + host + "host: localhost\r\n\r\n", 400},
      {"POST /echo HTTP/1.1\r\n" + host + "content-length: -1\r\n\r\n", 400},
      {"POST /echo HTTP/1.1\r\n" + host + "content-length: 1\r\ncontent-length: 2\r\n\r\nab", 400},
      {"POST /echo HTTP/1.1\r\n" + host +
           "content-length: 3\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
       400},
      {"POST /echo HTTP/1.1\r\n" + host + "transfer-encoding: chunked\r\n\r\n-2\r\n", 400},
      {"POST /echo HTTP/1.1\r\n" + host + "transfer-encoding: chunked\r\n\r\n0x10\r\n\r\n", 400},
      {"POST /echo HTTP/1.1\r\n" + host + "transfer-encoding: chunked\r\n\r\n10000000000000000\r\n",
       400},
      {"POST /echo HTTP/1.1\r\n" + host + "transfer-encoding: chunked\r\n\r\n2\r\nabXY\r\n", 400},
      {"POST /echo HTTP/1.1\r\n" + host + "content-length: 99999999999\r\n\r\n", 413},
      {"POST /echo HTTP/1.1\r\n" + host + "content-encoding: gzip\r\ncontent-length: 2\r\n\r\nab",
       415},
      {"GET /echo HTTP/1.1\r\n" + host + "x: " + std::string(40000, 'a') + "\r\n\r\n", 431},
      {"GET /" + std::string(40000, 'a') + " HTTP/1.1\r\n" + host + "\r\n", 431},
      {std::string(100000, 'a'), 431},
  };
  Fixture f;
  f.start();
  for (const Case& c : cases) {
    const auto answer = exchange(f.server->port(), c.request);
    EXPECT_EQ(answer.status, c.status) << c.request.substr(0, 120) << "\n" << answer.body;
    EXPECT_TRUE(answer.has("connection: close")) << answer.head;
  }
}

TEST(HttpServer, ChunkedBodiesAndTrailersArePutTogether) {
  Fixture f;
  f.start();
  const auto answer = exchange(f.server->port(),
                               "POST /echo HTTP/1.1\r\nhost: localhost\r\nconnection: "
                               "close\r\ntransfer-encoding: chunked\r\n\r\n"
                               "3\r\nabc\r\n4;x=y\r\ndefg\r\n0\r\nx-tail: 1\r\n\r\n");
  EXPECT_EQ(answer.body, "POST /echo abcdefg");
}

TEST(HttpServer, ABodyBeyondTheLimitIsRefusedWhileItComes) {
  Fixture f;
  f.options.max_body_bytes = 1000;
  f.start();
  const auto exact =
      exchange(f.server->port(), request_text("POST", "/echo", {}, std::string(1000, 'b')));
  EXPECT_EQ(exact.status, 200);
  const auto declared =
      exchange(f.server->port(), request_text("POST", "/echo", {}, std::string(1001, 'b')));
  EXPECT_EQ(declared.status, 413);
  std::string chunked =
      "POST /echo HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n";
  for (int i = 0; i < 20; ++i) chunked += "64\r\n" + std::string(100, 'c') + "\r\n";
  EXPECT_EQ(exchange(f.server->port(), chunked).status, 413);
}

TEST(HttpServer, Expect100IsAnsweredBeforeTheBody) {
  Fixture f;
  f.start();
  TestSocket socket(f.server->port());
  socket.send_all(
      "POST /echo HTTP/1.1\r\nhost: localhost\r\nexpect: 100-continue\r\n"
      "content-length: 2\r\nconnection: close\r\n\r\n");
  ASSERT_TRUE(socket.read_until("100 Continue\r\n\r\n"));
  socket.send_all("hi");
  EXPECT_THAT(socket.read_to_end(), HasSubstr("POST /echo hi"));
}

TEST(HttpServer, Http10GetsAnAnswerAndTheEnd) {
  Fixture f;
  f.start();
  TestSocket socket(f.server->port());
  socket.send_all("GET /hold HTTP/1.0\r\nhost: localhost\r\n\r\n");
  ASSERT_TRUE(socket.read_until("first"));
  EXPECT_THAT(socket.received, Not(HasSubstr("chunked")));
}

TEST(HttpServer, AClientThatEndsItsSideEarlyStillGetsAPlainAnswer) {
  Fixture f;
  f.start();
  TestSocket socket(f.server->port());
  socket.send_all("GET /echo HTTP/1.1\r\nhost: localhost\r\n\r\n");
  socket.end_sending();
  EXPECT_THAT(socket.read_to_end(), HasSubstr("GET /echo"));
}

TEST(HttpServer, AHandlerThatThrowsOrForgetsIsA500WithoutDetails) {
  Fixture f;
  f.start();
  const auto thrown = f.get("/throws");
  EXPECT_EQ(thrown.status, 500);
  EXPECT_THAT(thrown.body, Not(HasSubstr("secret")));
  EXPECT_EQ(f.get("/nothing").status, 500);
  f.wait_for([&] {
    const std::lock_guard lock(f.mutex);
    return f.lines.size() >= 3;
  });
  const std::lock_guard lock(f.mutex);
  EXPECT_THAT(f.lines, testing::Contains(HasSubstr("secret\\x20detail")));
}

TEST(HttpServer, StreamsCarryTheHeadersThatProxiesNeed) {
  Fixture f;
  f.start();
  TestSocket socket(f.server->port());
  socket.send_all(request_text("GET", "/hold"));
  ASSERT_TRUE(socket.read_until("data: first\n\n"));
  const auto answer = parse_answer(socket.received);
  EXPECT_TRUE(answer.has("content-type: text/event-stream; charset=utf-8"));
  EXPECT_TRUE(answer.has("cache-control: no-cache"));
  EXPECT_TRUE(answer.has("x-accel-buffering: no"));
  EXPECT_TRUE(answer.has("transfer-encoding: chunked"));
}

TEST(HttpServer, SilentStreamsArePinged) {
  Fixture f;
  f.options.ping_seconds = 0.1;  // ticks come once a second
  f.start();
  TestSocket socket(f.server->port());
  socket.send_all(request_text("GET", "/hold"));
  EXPECT_TRUE(socket.read_until(": ping\n\n"));
}

TEST(HttpServer, AClientThatGoesAwayIsToldToTheHandlerAtOnce) {
  Fixture f;
  f.start();
  TestSocket ends(f.server->port());
  TestSocket resets(f.server->port());
  TestSocket stays(f.server->port());
  for (TestSocket* socket : {&ends, &resets, &stays}) {
    socket->send_all(request_text("GET", "/hold"));
    ASSERT_TRUE(socket->read_until("first"));
  }
  ends.hang_up();
  f.wait_for([&] { return f.n_closed == 1; });
  resets.reset();
  f.wait_for([&] { return f.n_closed == 2; });
  f.wait_for([&] { return f.server->counters().connections == 1; });
}

TEST(HttpServer, AReaderThatDoesNotReadHoldsBackItsWriterOnly) {
  Fixture f;
  f.start();
  TestSocket socket(f.server->port());
  const int small = 4096;
  setsockopt(socket.descriptor(), SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
  socket.send_all(request_text("GET", "/flood"));
  ASSERT_TRUE(socket.read_until("xxx"));
  uint64_t before = 0;
  f.wait_for([&] {  // until nothing moves any more
    before = f.n_written;
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    return f.n_written == before;
  });
  EXPECT_LT(before, uint64_t{16} << 20) << "bounded by our buffer and the kernel's";
  EXPECT_EQ(f.get("/quick").status, 200);
  const int large = 4 << 20;
  setsockopt(socket.descriptor(), SOL_SOCKET, SO_RCVBUF, &large, sizeof large);
  while (f.n_written == before) ASSERT_TRUE(socket.read_more()) << "reading on lets it write on";
  socket.hang_up();
  f.wait_for([&] { return f.n_closed == 1; });
}

TEST(HttpServer, SlowRequestsTimeOutAndOthersDoNotNotice) {
  Fixture f;
  f.options.header_seconds = 0.5;
  f.options.body_seconds = 0.5;
  f.start();
  TestSocket silent(f.server->port());
  TestSocket header(f.server->port());
  header.send_all("GET /echo HTTP/1.1\r\nhost: loc");
  TestSocket body(f.server->port());
  body.send_all("POST /echo HTTP/1.1\r\nhost: localhost\r\ncontent-length: 10\r\n\r\nab");
  EXPECT_EQ(f.get("/echo").status, 200);
  EXPECT_EQ(parse_answer(body.read_to_end()).status, 408);
  body.hang_up();
  EXPECT_EQ(silent.read_to_end(), "");
  header.read_to_end();
  header.hang_up();
  f.wait_for([&] { return f.server->counters().connections == 0; });
}

TEST(HttpServer, MoreConnectionsThanAllowedAreTurnedAway) {
  Fixture f;
  f.options.max_connections_per_address = 2;
  f.start();
  TestSocket first(f.server->port());
  TestSocket second(f.server->port());
  f.wait_for([&] { return f.server->counters().connections == 2; });
  const auto refused = f.get("/echo");
  EXPECT_TRUE(refused.status == 503 || refused.status == 0);
  EXPECT_EQ(f.server->counters().refused_connections, 1u);
  first.hang_up();
  f.wait_for([&] { return f.server->counters().connections == 1; });
  EXPECT_EQ(f.get("/echo").status, 200);
}

TEST(HttpServer, StoppingLetsAnswersEndAndTellsThoseThatDoNot) {
  Fixture f;
  f.start();
  TestSocket idle(f.server->port());
  idle.send_all("GET /echo HTTP/1.1\r\nhost: localhost\r\n\r\n");
  ASSERT_TRUE(idle.read_until("/echo"));
  TestSocket stream(f.server->port());
  stream.send_all(request_text("GET", "/hold"));
  ASSERT_TRUE(stream.read_until("first"));
  f.server->stop(0.05, 10);
  EXPECT_EQ(f.n_stopped, 1);
  EXPECT_THAT(parse_answer(stream.read_to_end()).body, HasSubstr("data: stopped\n\n"));
  idle.read_to_end();
  EXPECT_EQ(f.server->counters().connections, 0);
  EXPECT_FALSE(TestSocket(f.server->port()).is_connected());
}

TEST(HttpServer, TheLogNamesWhoAndWhatAndNoSecrets) {
  Fixture f;
  f.authenticator.keys = true;
  f.start();
  f.get("/echo?token=hush", "authorization: Bearer user-key\r\nuser-agent: a\\x1b\r\n");
  f.wait_for([&] {
    const std::lock_guard lock(f.mutex);
    return !f.lines.empty();
  });
  const std::lock_guard lock(f.mutex);
  EXPECT_THAT(f.lines[0], testing::StartsWith("127.0.0.1 GET /echo 200 "));
  EXPECT_THAT(f.lines[0], Not(HasSubstr("hush")));
  EXPECT_THAT(f.lines[0], Not(HasSubstr("user-key")));
}

TEST(HttpServer, APortThatIsTakenIsSaid) {
  Fixture f;
  f.start();
  auto gate = Gate::create({}, RouteTable({}));
  const auto second =
      HttpServer::create({.port = f.server->port()}, std::move(*gate), f.authenticator, *f.workers);
  ASSERT_FALSE(second);
  EXPECT_THAT(second.error().message, HasSubstr("another program has this port"));
}

}  // namespace
}  // namespace jiang
