// JIANG_OFFLINE=1: nothing of this process touches the network.
#pragma once

#include <string_view>

#include "base/result.h"

namespace jiang {

bool is_offline();
// An error that names `what` was wanted from the network, when that is forbidden.
Status check_online(std::string_view what);

}  // namespace jiang
