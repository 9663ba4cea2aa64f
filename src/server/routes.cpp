#include "server/routes.h"

#include <iterator>

#include "server/native.h"
#include "server/openai.h"
#include "server/page.h"

namespace jiang {
namespace {

std::vector<Route> page_rows(ServerContext&) { return page_routes(); }

// One line for each file of routes.
constexpr std::vector<Route> (*kFiles[])(ServerContext&) = {
    page_rows,                 //
    native_routes,             //
    openai_model_routes,       //
    openai_chat_routes,        //
    openai_completion_routes,  //
    openai_embedding_routes,   //
    openai_response_routes,    //
};

}  // namespace

std::vector<Route> all_routes(ServerContext& context) {
  std::vector<Route> all;
  for (const auto routes : kFiles) {
    std::vector<Route> rows = routes(context);
    std::move(rows.begin(), rows.end(), std::back_inserter(all));
  }
  return all;
}

}  // namespace jiang
