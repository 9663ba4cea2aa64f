// Models: what there is, what it needs, loading and unloading.
#include <filesystem>

#include "runtime/model_facts.h"
#include "server/page_support.h"
#include "server/small_model.h"

namespace jiang {
namespace {

Json page_model_json(PageContext& page, const ModelStatus& status, const std::string& standard) {
  const auto speed = page.runs.speed_of(status.name);
  const auto facts = status.path.empty() ? std::nullopt : model_facts(status.path);
  Json json = {{"name", status.name},
               {"provider", status.provider},
               {"bytes", status.bytes},
               {"parameters", facts ? Json(facts->parameters) : Json()},
               {"type", facts ? Json(facts->type) : Json()},
               {"context", status.context == 0 ? Json() : Json(status.context)},
               {"loaded", status.loaded},
               {"loading", status.loading},
               {"load_progress", status.load_progress},
               {"memory_bytes", status.memory_bytes},
               // Before it is loaded, its weights are the part that is known.
               {"memory_needed", status.loaded ? status.memory_bytes : status.bytes},
               {"tokens_per_second", speed ? Json(*speed) : Json()},
               {"capabilities", Json::array({"completion"})},
               {"small", is_small_model(status)},
               {"default", status.name == standard}};
  if (!status.loaded) return json;
  const auto lease = page.models.acquire_loaded(status.name);
  if (!lease) return json;
  const ChatCapabilities known = (*lease)->backend().capabilities();
  if (known.tools) json["capabilities"].push_back("tools");
  if (known.thinking) json["capabilities"].push_back("thinking");
  if (known.embeddings) json["capabilities"].push_back("embedding");
  return json;
}

Result<HttpResponse> list_models(PageContext& page, const HttpRequest& request) {
  const std::string standard = page.models.default_model();
  Json items = Json::array();
  uint64_t used = 0;
  for (const ModelStatus& status : page.models.list()) {
    if (!may_use_model(page, request.caller, status.name)) continue;
    items.push_back(page_model_json(page, status, standard));
    used += status.memory_bytes;
  }
  return json_response({{"items", std::move(items)},
                        {"memory", {{"budget", page.models.memory_budget()}, {"used", used}}}});
}

Result<HttpResponse> one(PageContext& page, const std::string& name) {
  for (const ModelStatus& status : page.models.list()) {
    if (status.name == name) {
      return json_response(page_model_json(page, status, page.models.default_model()));
    }
  }
  return fail(ErrorKind::not_found, "name: there is no model {}", name);
}

Result<HttpResponse> load(PageContext& page, const HttpRequest& request) {
  TRY(const Json body, body_object(request, {"name"}));
  TRY(const std::string name, required_text(body, "name"));
  page.announcements.tell_all("models");
  const auto lease = page.models.acquire(name, std::nullopt);
  page.announcements.tell_all("models");
  if (!lease) return lease.error();
  return one(page, (*lease)->name());
}

Result<HttpResponse> unload(PageContext& page, const HttpRequest& request) {
  TRY(const Json body, body_object(request, {"name"}));
  TRY(const std::string name, required_text(body, "name"));
  TRY_STATUS(page.models.unload(name));
  page.announcements.tell_all("models");
  return one(page, name);
}

}  // namespace

void add_model_routes(std::vector<Route>& routes, PageContext& page) {
  add_page_rows(routes, page,
                {
                    {"GET", "models", Access::model, list_models},
                    {"POST", "models/unload", Access::model, unload},
                });
  routes.push_back(page_slow_route(page, "POST", "models/load", Access::model,
                                   [&page](const HttpRequest& r) { return load(page, r); }));
}

}  // namespace jiang
