// The store of installed models over HTTP: Ollama's /api/pull, create, copy, delete, show, tags,
// ps, version, and the page's catalogue and pulls.
#pragma once

#include <vector>

#include "hub/store.h"
#include "install/pull_manager.h"
#include "server/context.h"
#include "server/route.h"

namespace jiang {

struct StoreService {
  Store store;
  PullManager& pulls;
};

// `service` and `context` outlive the routes.
std::vector<Route> ollama_store_routes(ServerContext& context, const StoreService& service);
std::vector<Route> page_pull_routes(const StoreService& service);
// Both.
std::vector<Route> store_routes(ServerContext& context, const StoreService& service);

// Tells a pull's events to a client until its end: `line` makes text of each event ("": nothing),
// `last` of the outcome. The client is counted as waiting; when it goes away, it leaves.
struct PullStream {
  std::string pull;
  HttpResponse head;
  std::string ping;
  std::function<std::string(uint64_t number, const PullEvent&)> line;
  std::function<std::string(const PullManager::Status&)> last;
  bool counts_as_waiting = false;
};
void stream_pull(PullManager& pulls, const ResponderPtr& responder, PullStream stream);

}  // namespace jiang
