#include "server/page_server.h"

#include "server/agent_source.h"
#include "server/page_support.h"

namespace jiang {

// Destroyed bottom up: runs tell announcements, agents do, too.
struct PageServer::Parts {
  Storage& storage;
  ModelManager& models;
  StorageAuthenticator& authenticator;
  Announcements announcements = {};
  std::string files = {};
  std::unique_ptr<Sandbox> sandbox = {};
  AgentHost host = {};
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
  parts->files = home + "/files";
  auto sandbox = Sandbox::open();
  if (sandbox) {
    parts->sandbox = *std::move(sandbox);
    parts->host.sandbox = parts->sandbox.get();
  } else {
    parts->host.no_sandbox = sandbox.error().message;
  }
  TRY(parts->host.search, read_search_config(home));
  models.add_source(std::make_shared<AgentSource>(*parts->agents, models, parts->host));
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
                                      parts.host, ChatFiles(parts.files), context.version,
                                      [&parts] { parts.authenticator.keys_changed(); }});
  context.may_use = [&page = *parts.context](const Caller& caller, const std::string& model) {
    return may_use_model(page, caller, model);
  };
  return page_api_routes(*parts.context);
}

void PageServer::models_changed() { parts_->announcements.tell_all("models"); }

void PageServer::shut_down() {
  parts_->runs->shut_down();
  parts_->announcements.end();
}

}  // namespace jiang
