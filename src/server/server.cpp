#include "server/server.h"

#include <iterator>
#include <system_error>

#include "server/http_text.h"
#include "server/routes.h"

namespace jiang {

// Destroyed bottom up, but for the pools: what they still run may answer, so they end before the
// HTTP server goes (see ~Server).
struct Server::Parts {
  Parts(const ServerOptions& options, ModelManager& models)
      : log(options.http.log),
        admissions(options.admission),
        workers(std::make_unique<WorkerPool>(options.worker_threads, on_exception())),
        patient(std::make_unique<WorkerPool>(2, on_exception())),
        loader(std::make_unique<ModelLoader>(models)),
        context{.models = models,
                .workers = *workers,
                .patient = *patient,
                .loader = *loader,
                .admissions = admissions,
                .metrics = metrics,
                .version = options.version} {}
  std::function<void(const std::string&)> on_exception() const {
    return [log = log](const std::string& what) {
      if (log) log("error " + log_text(what, 500));
    };
  }

  const std::function<void(std::string_view)> log;
  std::unique_ptr<HttpServer> http;
  Metrics metrics;
  Admissions admissions;
  std::unique_ptr<WorkerPool> workers;
  std::unique_ptr<WorkerPool> patient;
  std::unique_ptr<ModelLoader> loader;
  ServerContext context;
};

Server::Server(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}

Server::~Server() {
  stop(0, 0);
  parts_->loader->stop();
  parts_->patient->stop();
  parts_->workers->stop();
  parts_->loader.reset();
  parts_->patient.reset();
  parts_->workers.reset();
  parts_->http.reset();
}

Result<std::unique_ptr<Server>> Server::start(
    ServerOptions options, ModelManager& models, Authenticator& authenticator,
    const std::function<std::vector<Route>(ServerContext&)>& more_routes) try {
  auto parts = std::make_unique<Parts>(options, models);
  Parts* const raw = parts.get();
  parts->context.http_counters = [raw] {
    return raw->http ? raw->http->counters() : HttpCounters{};
  };
  std::vector<Route> routes = all_routes(parts->context);
  if (more_routes) {
    std::vector<Route> more = more_routes(parts->context);
    std::move(more.begin(), more.end(), std::back_inserter(routes));
  }
  TRY(Gate gate, Gate::create(std::move(options.gate), RouteTable(std::move(routes))));
  TRY(parts->http,
      HttpServer::create(std::move(options.http), std::move(gate), authenticator, *parts->workers));
  return std::unique_ptr<Server>(new Server(std::move(parts)));
} catch (const std::system_error& failure) {  // a thread that the system refused
  return fail(ErrorKind::io, "cannot start the server's threads: {}; is a limit of processes set?",
              failure.what());
}

uint16_t Server::port() const { return parts_->http->port(); }
ServerContext& Server::context() { return parts_->context; }
void Server::stop(double grace_seconds, double last_seconds) {
  parts_->http->stop(grace_seconds, last_seconds);
}

}  // namespace jiang
