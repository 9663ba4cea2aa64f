// What belongs to no dialect: health, readiness, metrics, slots, tokenize and detokenize, and what
// "/" says in a build without the page.
#pragma once

#include <vector>

#include "server/context.h"
#include "server/route.h"

namespace jiang {

std::vector<Route> native_routes(ServerContext& context);

}  // namespace jiang
