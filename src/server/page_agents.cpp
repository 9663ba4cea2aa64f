// Agents: the gallery, the form, files in and out. Visitors see theirs, without instructions.
#include "agent/agent_draft.h"
#include "agent/agent_import.h"
#include "server/page_support.h"
#include "server/small_model.h"

namespace jiang {
namespace {

constexpr size_t kMaxSentence = 2000;
constexpr double kDraftSeconds = 120;

// In the browser's language: the page shows it as it is.
std::string small_model_warning(const HttpRequest& request, const std::string& model) {
  return request.header("accept-language").substr(0, 2) == "zh"
             ? fmt::format("模型 {} 很小，可能做不到这个智能体该做的事；可以换一个更大的模型",
                           model)
             : fmt::format(
                   "the model {} is small and may not be up to what this agent should do; a "
                   "bigger one can",
                   model);
}

Json shown_agent(PageContext& page, const HttpRequest& request, const AgentSpec& spec) {
  Json json = to_json(spec, may_read_agent(request, spec));
  json["file"] = !spec.built_in && page.agents.has_file(spec.id);
  json["mine"] = may_change_agent(request, spec);
  json["warning"] = nullptr;
  // Tools need a model that can call them; the code ability needs one that writes code at all.
  if (!spec.code && !spec.web) return json;
  const auto chosen = chosen_model(page, request.caller.user_id);
  const std::string model = !spec.model.empty() ? spec.model : chosen ? *chosen : "";
  for (const ModelStatus& status : page.models.list()) {
    if (status.name == model && is_small_model(status))
      json["warning"] = small_model_warning(request, model);
  }
  return json;
}

Result<AgentSpec> find(PageContext& page, const HttpRequest& request) {
  auto spec = page.agents.find(request.params[0]);
  bool is_visible = spec && spec->id == request.params[0];
  if (is_visible && is_visitor(request)) {
    TRY(const Share share, share_of_visitor(page, request));
    is_visible = share.kind == Share::Kind::agent && share.id == spec->id;
  } else if (is_visible) {
    is_visible = may_use_agent(page, request.caller, *spec);
  }
  if (!is_visible) return fail(ErrorKind::not_found, "there is no such agent");
  return *std::move(spec);
}

Result<HttpResponse> list_agents(PageContext& page, const HttpRequest& request) {
  std::string only;
  if (is_visitor(request)) {
    TRY(const Share share, share_of_visitor(page, request));
    only = share.kind == Share::Kind::agent ? share.id : "/";  // "/" is no agent's id
  }
  Json items = Json::array();
  for (const AgentSpec& spec : page.agents.agents()) {
    if (only.empty() ? !may_use_agent(page, request.caller, spec) : spec.id != only) continue;
    items.push_back(shown_agent(page, request, spec));
  }
  Json errors = Json::array();
  if (!is_visitor(request)) {
    for (const AgentProblem& problem : page.agents.problems()) {
      errors.push_back(
          {{"file", problem.file}, {"line", problem.line}, {"message", problem.message}});
    }
  }
  return json_response({{"items", std::move(items)}, {"errors", std::move(errors)}});
}

Result<HttpResponse> show_agent(PageContext& page, const HttpRequest& request) {
  TRY(const AgentSpec spec, find(page, request));
  return json_response(shown_agent(page, request, spec));
}

// Whose the agent is once this caller has written it: who makes one owns it, and who may change
// somebody else's leaves it theirs. An id that is taken is told as such.
Result<std::string> owner_after(PageContext& page, const HttpRequest& request,
                                const std::string& id) {
  const auto old = page.agents.find(id);
  if (!old || old->id != id) return request.caller.user_id;
  if (may_change_agent(request, *old) || old->built_in) return old->owner;
  return fail(ErrorKind::invalid_argument, "id: this agent is somebody else's; choose another id");
}

Result<HttpResponse> put(PageContext& page, const HttpRequest& request) {
  TRY(Json body, parse_json(request.body, "body", {.max_bytes = size_t{1} << 20, .max_depth = 32}));
  if (!body.is_object()) return fail(ErrorKind::invalid_argument, "the body must be an object");
  body["id"] = request.params[0];
  auto spec = parse_agent_json(body, "agent");
  // "agent: name: is missing" -> "name: is missing": the field comes first here.
  if (!spec) return fail(spec.error().kind, "{}", spec.error().message.substr(7));
  TRY(spec->owner, owner_after(page, request, spec->id));
  TRY_STATUS(page.agents.put(*spec));
  return json_response(shown_agent(page, request, *spec));
}

Result<HttpResponse> remove_agent(PageContext& page, const HttpRequest& request) {
  TRY(const AgentSpec spec, find(page, request));
  if (!spec.built_in && !may_change_agent(request, spec)) {
    return fail(ErrorKind::invalid_argument, "id: this agent is somebody else's");
  }
  TRY_STATUS(page.agents.remove(request.params[0]));
  return no_content();
}

Result<HttpResponse> export_agent(PageContext& page, const HttpRequest& request) {
  TRY(AgentSpec spec, find(page, request));
  if (!may_read_agent(request, spec)) {
    return fail(ErrorKind::invalid_argument, "id: this agent is somebody else's");
  }
  spec.owner.clear();
  const std::string format = request.query_value("format").value_or("toml");
  if (format == "toml") {
    return file_response(to_toml(spec), "application/toml; charset=utf-8", "agent.toml");
  }
  if (format == "json") {
    return file_response(to_string(to_json(spec, true), 2) + "\n", "application/json",
                         "agent.json");
  }
  return fail(ErrorKind::invalid_argument, "format: must be toml or json");
}

Result<HttpResponse> import_agent_text(PageContext&, const HttpRequest& request) {
  TRY(const Json body, body_object(request, {"text", "name"}));
  TRY(const std::string text, required_text(body, "text"));
  const auto made = import_agent(text);
  if (!made) {
    return fail(
        made.error().kind == ErrorKind::bad_file ? ErrorKind::invalid_argument : made.error().kind,
        "{}", made.error().message);
  }
  Json agent = to_json(made->agent, true);
  agent["file"] = false;
  agent["warning"] = nullptr;
  return json_response({{"agent", std::move(agent)}, {"dropped", made->dropped}});
}

// nullopt: the model is too small to be asked, is not there, or wrote nothing fit.
std::optional<AgentSpec> draft_by_model(PageContext& page, const std::string& model,
                                        const std::string& sentence) {
  for (const ModelStatus& status : page.models.list()) {
    if (status.name == model && is_small_model(status)) return std::nullopt;
  }
  const auto lease = page.models.acquire(model, std::nullopt);
  if (!lease) return std::nullopt;
  auto agent = draft_agent_by_model((*lease)->backend(), sentence, kDraftSeconds);
  if (!agent) return std::nullopt;
  return *std::move(agent);
}

Result<HttpResponse> draft(PageContext& page, const HttpRequest& request) {
  TRY(const Json body, body_object(request, {"sentence", "locale"}));
  TRY(const std::string sentence, required_text(body, "sentence"));
  TRY(const auto locale, optional_text(body, "locale"));
  if (sentence.find_first_not_of(" \t\r\n") == std::string::npos ||
      sentence.size() > kMaxSentence) {
    return fail(ErrorKind::invalid_argument, "sentence: 1 to {} bytes", kMaxSentence);
  }
  TRY(const std::string model, chosen_model(page, request.caller.user_id));
  const auto by_model = draft_by_model(page, model, sentence);
  Json agent = to_json(by_model ? *by_model : draft_agent(sentence, locale.value_or("")), true);
  agent["file"] = false;
  agent["warning"] = nullptr;
  return json_response({{"agent", std::move(agent)}, {"by", by_model ? "model" : "template"}});
}

}  // namespace

void add_agent_routes(std::vector<Route>& routes, PageContext& page) {
  add_page_rows(routes, page,
                {
                    {"GET", "agents", Access::visitor, list_agents},
                    {"POST", "agents/import", Access::user, import_agent_text},
                    {"GET", "agents/{id}", Access::visitor, show_agent},
                    {"PUT", "agents/{id}", Access::user, put},
                    {"DELETE", "agents/{id}", Access::user, remove_agent},
                    {"GET", "agents/{id}/export", Access::user, export_agent},
                });
  routes.push_back(page_slow_route(page, "POST", "agents/draft", Access::user,
                                   [&page](const HttpRequest& r) { return draft(page, r); }));
}

}  // namespace jiang
