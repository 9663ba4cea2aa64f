// Everything that jiang serves: one table, put together from each file's rows.
#pragma once

#include <vector>

#include "server/context.h"
#include "server/route.h"

namespace jiang {

std::vector<Route> all_routes(ServerContext& context);

// The row of a POST that runs a model: for whoever may.
using ModelHandler = void (*)(ServerContext&, const RequestPtr&, const ResponderPtr&);
Route model_route(ServerContext& context, const char* path, ApiDialect dialect,
                  ModelHandler handler);

// The same for what waits for a slot of the model: refused at once when too many wait already.
Route answer_route(ServerContext& context, const char* path, ApiDialect dialect,
                   ModelHandler handler);

}  // namespace jiang
