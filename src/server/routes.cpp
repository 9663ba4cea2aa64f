#include "server/routes.h"

#include <iterator>

#include "server/anthropic.h"
#include "server/native.h"
#include "server/ollama.h"
#include "server/openai.h"
#include "server/page.h"

namespace jiang {
namespace {

std::vector<Route> page_rows(ServerContext&) { return page_routes(); }

// One line for each file of routes.
constexpr std::vector<Route> (*kFiles[])(ServerContext&) = {
    page_rows,                 //
    native_routes,             //
    openai_model_routes,       //
    openai_chat_routes,        //
    openai_completion_routes,  //
    openai_embedding_routes,   //
    openai_response_routes,    //
    anthropic_routes,          //
    ollama_chat_routes,        //
    ollama_embed_routes,       //
};

}  // namespace

Route model_route(ServerContext& context, const char* path, ApiDialect dialect,
                  ModelHandler handler) {
  return {"POST", path, Access::model,
          [&context, handler](const RequestPtr& request, const ResponderPtr& responder) {
            handler(context, request, responder);
          },
          dialect};
}

Route answer_route(ServerContext& context, const char* path, ApiDialect dialect,
                   ModelHandler handler) {
  Route route = model_route(context, path, dialect, handler);
  route.early = [&context, dialect](const HttpRequest& request) -> std::optional<HttpResponse> {
    const auto refusal = context.admissions.refusal(request.caller.account(request.address));
    if (!refusal) return std::nullopt;
    ++context.metrics.refused;
    return error_response(dialect, *refusal);
  };
  return route;
}

std::vector<Route> all_routes(ServerContext& context) {
  std::vector<Route> all;
  for (const auto routes : kFiles) {
    std::vector<Route> rows = routes(context);
    std::move(rows.begin(), rows.end(), std::back_inserter(all));
  }
  return all;
}

}  // namespace jiang
