// Everything that jiang serves: one table, put together from each file's rows.
#pragma once

#include <vector>

#include "server/context.h"
#include "server/route.h"

namespace jiang {

std::vector<Route> all_routes(ServerContext& context);

}  // namespace jiang
