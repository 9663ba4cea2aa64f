// Anthropic's dialect: rows for the route table. `context` outlives them.
#pragma once

#include <vector>

#include "server/context.h"
#include "server/route.h"

namespace jiang {

std::vector<Route> anthropic_routes(ServerContext& context);

}  // namespace jiang
