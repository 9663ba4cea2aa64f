// The page's own API, /jiang/v1 (docs/api.md): one function per subject that adds its routes.
//
// Handlers run on workers and may wait for the database. What a PageContext names outlives the
// server.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "agent/abilities.h"
#include "agent/agent_folder.h"
#include "runtime/model_manager.h"
#include "server/announcements.h"
#include "server/chat_files.h"
#include "server/route.h"
#include "server/runs.h"
#include "server/worker_pool.h"
#include "storage/storage.h"

namespace jiang {

struct PageContext {
  Storage& storage;
  ModelManager& models;
  AgentFolder& agents;
  Runs& runs;
  Announcements& announcements;
  WorkerPool& workers;
  // For what takes long: loading a model, running a program. Ends before the server does.
  WorkerPool& slow_workers;
  const AgentHost& host;  // the box and the web, as agents have them here
  ChatFiles files;
  std::string version = {};
  // After users or keys changed: whoever keeps what they were asks again.
  std::function<void()> credentials_changed = {};
};

std::vector<Route> page_api_routes(PageContext& page);

void add_session_routes(std::vector<Route>& routes, PageContext& page);
void add_conversation_routes(std::vector<Route>& routes, PageContext& page);
void add_run_routes(std::vector<Route>& routes, PageContext& page);
void add_agent_routes(std::vector<Route>& routes, PageContext& page);
void add_share_routes(std::vector<Route>& routes, PageContext& page);
void add_model_routes(std::vector<Route>& routes, PageContext& page);
void add_code_routes(std::vector<Route>& routes, PageContext& page);
void add_user_routes(std::vector<Route>& routes, PageContext& page);

}  // namespace jiang
