// GET /login?token=T: a one-time link becomes a session.
#pragma once

#include <vector>

#include "server/route.h"
#include "storage/storage.h"

namespace jiang {

std::vector<Route> login_routes(Storage& storage);
// The Set-Cookie of a session. Without a Path: it is then the folder of the login's URL, which is
// right behind proxies that put a prefix in front of us, too.
std::string session_cookie(const std::string& session, bool is_secure);

}  // namespace jiang
