#include "server/page_api.h"

namespace jiang {

std::vector<Route> page_api_routes(PageContext& page) {
  std::vector<Route> routes;
  add_session_routes(routes, page);
  add_conversation_routes(routes, page);
  add_run_routes(routes, page);
  add_agent_routes(routes, page);
  add_share_routes(routes, page);
  add_model_routes(routes, page);
  add_code_routes(routes, page);
  add_user_routes(routes, page);
  return routes;
}

}  // namespace jiang
