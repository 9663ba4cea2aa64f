// The web app's own files, as routes: one row for each embedded file, and "/" for the page itself.
#pragma once

#include <vector>

#include "server/route.h"

namespace jiang {

std::vector<Route> page_routes();

}  // namespace jiang
