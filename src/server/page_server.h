// PageServer: what stands behind the page's API in `jiang serve`: runs, agents, the sandbox.
//
// open() it before the server starts, give it its routes, and shut_down() before the server stops.
// It outlives the server.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "server/context.h"
#include "server/page_api.h"
#include "server/storage_auth.h"

namespace jiang {

class PageServer {
 public:
  // `home`: JIANG_HOME, for its agents/. Agents become models of `models`, "agent:NAME". A sandbox
  // that does not open is told to the page, with its reason. All outlive this.
  static Result<std::unique_ptr<PageServer>> open(const std::string& home, Storage& storage,
                                                  ModelManager& models,
                                                  StorageAuthenticator& authenticator);
  ~PageServer();

  // Once.
  std::vector<Route> routes(ServerContext& context);
  // Tells open pages that a model came or went. Any thread.
  void models_changed();
  // Answers under way are saved as interrupted, and the streams of events end.
  void shut_down();

 private:
  struct Parts;
  explicit PageServer(std::unique_ptr<Parts> parts);
  std::unique_ptr<Parts> parts_;
};

}  // namespace jiang
