// Server: the parts of `jiang serve` put together, in the order in which they must live.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "runtime/model_manager.h"
#include "server/admission.h"
#include "server/auth.h"
#include "server/context.h"
#include "server/gate.h"
#include "server/http_server.h"

namespace jiang {

struct ServerOptions {
  HttpServerOptions http = {};
  GateOptions gate = {};
  AdmissionOptions admission = {};
  std::string version = "dev";
  int worker_threads = 4;
};

class Server {
 public:
  // `models` and `authenticator` outlive the server. `more_routes` are rows beside all_routes().
  static Result<std::unique_ptr<Server>> start(
      ServerOptions options, ModelManager& models, Authenticator& authenticator,
      const std::function<std::vector<Route>(ServerContext&)>& more_routes = {});
  ~Server();  // stop(0, 0)

  uint16_t port() const;
  ServerContext& context();
  // As HttpServer::stop().
  void stop(double grace_seconds, double last_seconds);

 private:
  struct Parts;
  explicit Server(std::unique_ptr<Parts> parts);
  std::unique_ptr<Parts> parts_;
};

}  // namespace jiang
