// GET /v1/models and /v1/models/{id}. Anthropic's client lists models on the same path: each item
// has the fields of both.
#include <sys/stat.h>

#include "base/json_value.h"
#include "base/utc_text.h"
#include "server/errors.h"
#include "server/openai.h"

namespace jiang {
namespace {

Json model_json(const ModelStatus& model) {
  struct stat file = {};
  int64_t created = 0;
  if (!model.path.empty() && stat(model.path.c_str(), &file) == 0) created = file.st_mtime;
  return {{"id", model.name},
          {"object", "model"},
          {"created", created},
          {"owned_by", model.provider},
          {"type", "model"},
          {"display_name", model.name},
          {"created_at", utc_text(created)}};
}

HttpResponse list_models(const ServerContext& context, const Caller& caller) {
  Json data = Json::array();
  for (const ModelStatus& model : models_for(context, caller)) data.push_back(model_json(model));
  Json body = {{"object", "list"}, {"data", std::move(data)}, {"has_more", false}};
  const Json& items = body["data"];
  body["first_id"] = items.empty() ? Json() : items.front()["id"];
  body["last_id"] = items.empty() ? Json() : items.back()["id"];
  return {.body = to_string(body)};
}

HttpResponse one_model(const ServerContext& context, const Caller& caller, const std::string& id) {
  for (const ModelStatus& model : models_for(context, caller)) {
    if (model.name == id) return {.body = to_string(model_json(model))};
  }
  return error_response(ApiDialect::openai, {.status = 404,
                                             .message = "no model '" + id + "'",
                                             .code = "model_not_found",
                                             .param = "model"});
}

}  // namespace

std::vector<Route> openai_model_routes(ServerContext& context) {
  const auto list = [&context](const HttpRequest& request) {
    return list_models(context, request.caller);
  };
  const auto one = [&context](const HttpRequest& request) {
    return one_model(context, request.caller, request.params[0]);
  };
  // Ids with a slash come percent-encoded from most clients, and as they are from some.
  return {{"GET", "/v1/models", Access::model, answer_with(list), ApiDialect::openai},
          {"GET", "/v1/models/{id*}", Access::model, answer_with(one), ApiDialect::openai}};
}

}  // namespace jiang
