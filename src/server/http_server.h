// HttpServer: connections, limits, time-outs; a few I/O threads, a strand for each connection.
//
// create() listens, and answers from then on. stop() may be called once, from any thread but the
// server's own. Handlers run as their route says (route.h).
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"
#include "server/auth.h"
#include "server/gate.h"
#include "server/worker_pool.h"

namespace jiang {

struct HttpServerOptions {
  std::string host = "127.0.0.1";  // an address, or a name that stands for one
  uint16_t port = 8080;            // 0: a free one
  int io_threads = 2;
  size_t max_header_bytes = size_t{32} << 10;
  size_t max_body_bytes = size_t{32} << 20;
  int32_t max_connections = 1024;
  int32_t max_connections_per_address = 256;  // not of trusted proxies
  double header_seconds = 10;    // from the first byte of a request to the last of its headers
  double idle_seconds = 75;      // between two requests
  double body_seconds = 30;      // of a body, and one more for each 1024 bytes of it
  double stall_seconds = 60;     // a client that takes nothing of its answer for so long is gone
  double ping_seconds = 10;      // of silence in a stream
  std::string certificate = {};  // PEM files; both: TLS
  std::string private_key = {};
  // One line for each answer, without its line break; called from any thread. Never holds keys,
  // queries or bodies.
  std::function<void(std::string_view)> log = {};
};

struct HttpCounters {
  int32_t connections = 0;
  uint64_t accepted = 0;
  uint64_t refused_connections = 0;  // over a limit
  uint64_t requests = 0;
};

class HttpServer {
 public:
  // `authenticator` and `workers` outlive the server's stop(); Responders must be gone before it is
  // destroyed: stop(), then end the workers and whatever else answers, then destroy. Throws
  // std::system_error where the system refuses a thread.
  static Result<std::unique_ptr<HttpServer>> create(HttpServerOptions options, Gate gate,
                                                    Authenticator& authenticator,
                                                    WorkerPool& workers);
  virtual ~HttpServer() = default;  // stops at once

  virtual uint16_t port() const = 0;
  virtual HttpCounters counters() const = 0;
  // No new connections or requests; answers under way have `grace_seconds`, then they are told
  // (Responder::on_stop) and get `last_seconds` to say goodbye. Returns when all are gone.
  virtual void stop(double grace_seconds, double last_seconds) = 0;
};

}  // namespace jiang
