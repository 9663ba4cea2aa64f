// OpenAI's dialect: rows for the route table, a file for each route. `context` outlives them.
#pragma once

#include <vector>

#include "server/context.h"
#include "server/route.h"

namespace jiang {

std::vector<Route> openai_chat_routes(ServerContext& context);
std::vector<Route> openai_completion_routes(ServerContext& context);
std::vector<Route> openai_embedding_routes(ServerContext& context);
std::vector<Route> openai_model_routes(ServerContext& context);
std::vector<Route> openai_response_routes(ServerContext& context);

}  // namespace jiang
