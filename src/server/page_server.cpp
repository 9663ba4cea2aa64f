#include "server/page_server.h"

#include "server/agent_source.h"

namespace jiang {

// Destroyed bottom up: runs tell announcements, agents do, too.
struct PageServer::Parts {
  Storage& storage;
  ModelManager& models;
  StorageAuthenticator& authenticator;
  Announcements announcements = {};
  std::unique_ptr<Sandbox> sandbox = {};
  std::string no_sandbox = {};
  std::unique_ptr<AgentFolder> agents = {};
  std::unique_ptr<Runs> runs = {};
  std::unique_ptr<PageContext> context = {};
};

PageServer::PageServer(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}

PageServer::~PageServer() { shut_down(); }

Result<std::unique_ptr<PageServer>> PageServer::open(const std::string& home, Storage& storage,
                                                     ModelManager& models,
                                                     StorageAuthenticator& authenticator) {
  std::unique_ptr<Parts> parts(new Parts{storage, models, authenticator});
  Parts* const raw = parts.get();
  TRY(parts->agents,
      AgentFolder::open(home + "/agents", [raw] { raw->announcements.tell_all("agents"); }));
  models.add_source(std::make_shared<AgentSource>(*parts->agents, models));
  auto sandbox = Sandbox::open();
  if (sandbox) {
    parts->sandbox = *std::move(sandbox);
  } else {
    parts->no_sandbox = sandbox.error().message;
  }
  RunsOptions options;
  options.changed = [raw](const std::string& user, const std::string& conversation) {
    raw->announcements.tell_conversation(user, conversation);
  };
  parts->runs = std::make_unique<Runs>(models, storage.conversations(), std::move(options));
  return std::unique_ptr<PageServer>(new PageServer(std::move(parts)));
}

std::vector<Route> PageServer::routes(ServerContext& context) {
  Parts& parts = *parts_;
  JIANG_CHECK(!parts.context, "routes() is called once");
  parts.context.reset(new PageContext{parts.storage, parts.models, *parts.agents, *parts.runs,
                                      parts.announcements, context.workers, context.patient,
                                      parts.sandbox.get(), parts.no_sandbox, context.version,
                                      [&parts] { parts.authenticator.keys_changed(); }});
  return page_api_routes(*parts.context);
}

void PageServer::shut_down() {
  parts_->runs->shut_down();
  parts_->announcements.end();
}

}  // namespace jiang
