// Ollama's dialect: rows for the route table; those over the store are in store_routes.h.
// `context` outlives them.
#pragma once

#include <vector>

#include "server/context.h"
#include "server/route.h"

namespace jiang {

std::vector<Route> ollama_chat_routes(ServerContext& context);
std::vector<Route> ollama_embed_routes(ServerContext& context);

}  // namespace jiang
