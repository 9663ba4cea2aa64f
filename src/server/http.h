// HTTP as handlers see it: plain values, and a Responder to answer with. Boost stays in
// http_server.cpp.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "server/access.h"

namespace jiang {

using HeaderList = std::vector<std::pair<std::string, std::string>>;  // names in lower case

struct HttpRequest {
  std::string id = {};      // of this request, for logs and error reports
  std::string method = {};  // "GET" also for HEAD: the server leaves the body out by itself
  std::string path = {};    // as sent, below the base path: "/v1/models/org%2Fm"
  std::vector<std::string> params = {};  // the pattern's {...}, decoded, in order
  std::vector<std::pair<std::string, std::string>> query = {};  // decoded
  HeaderList headers = {};
  std::string body = {};
  std::string address = {};  // the client's, behind trusted proxies the one they name
  bool is_secure = false;    // https, here or at a trusted proxy
  bool is_own_page = true;   // sent by our own page, or by no page at all
  Caller caller = {};

  // "" when absent.
  std::string_view header(std::string_view lower_case_name) const;
  std::optional<std::string> query_value(std::string_view name) const;
  std::string_view cookie(std::string_view name) const;
};

struct HttpResponse {
  int status = 200;
  std::string body = {};
  std::string content_type = "application/json";
  HeaderList headers = {};
};

// The answer to one request. Any function may be called from any thread; after the client has gone
// or the answer is complete they do nothing. Answering is a must: a Responder that is destroyed
// unused answers 500.
//
// Callbacks run one at a time on the connection's own strand, and none after the answer is over;
// they are let go of then, so they may hold what holds the Responder.
class Responder {
 public:
  virtual ~Responder() = default;

  // The whole answer.
  virtual void send(HttpResponse response) = 0;

  // Or a stream: begin, write..., end. `head.body` is its first piece. `ping` is written when
  // nothing else was for 10 seconds ("": never).
  virtual void begin(HttpResponse head, std::string ping = {}) = 0;
  virtual void write(std::string piece) = 0;
  virtual void end() = 0;

  // Bytes that the client has not taken yet. Writers stop above kHighWater until on_drain.
  static constexpr size_t kHighWater = size_t{64} * 1024;
  virtual size_t unsent() const = 0;

  virtual void on_drain(std::function<void()> callback) = 0;
  // The client went away before the answer was complete: stop working.
  virtual void on_close(std::function<void()> callback) = 0;
  // About once a second.
  virtual void on_tick(std::function<void()> callback) = 0;
  // The server is going down and has waited long enough: end the answer now.
  virtual void on_stop(std::function<void()> callback) = 0;
  // Runs `work` on the strand, also after the answer is over.
  virtual void post(std::function<void()> work) = 0;
  // For whoever has not even the memory to say that it failed: the connection ends within a second
  // or so, and on_close is called.
  virtual void give_up() noexcept = 0;
};
using ResponderPtr = std::shared_ptr<Responder>;
using RequestPtr = std::shared_ptr<HttpRequest>;

// A head for server-sent events: no proxy shall buffer them.
HttpResponse event_stream_head();
inline constexpr const char* kSsePing = ": ping\n\n";

}  // namespace jiang
