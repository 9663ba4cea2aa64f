// Tavily.
#include "agent/search.h"

namespace jiang {
namespace {

HttpRequestOptions tavily_request(const SearchConfig& config, const SearchQuery& query) {
  HttpRequestOptions request;
  request.url = config.url + "/search";
  request.method = "POST";
  request.headers = {{"authorization", "Bearer " + config.key},
                     {"content-type", "application/json"}};
  request.body = to_string(Json{{"query", query.text}, {"max_results", query.count}});
  return request;
}

Result<std::vector<SearchResult>> tavily_results(const Json& answer) {
  return read_results(find_path(answer, {"results"}), "title", "url", "content");
}

}  // namespace

extern const SearchProvider kTavily = {
    .name = "tavily",
    .url = "https://api.tavily.com",
    .needs_key = true,
    .request = tavily_request,
    .parse = tavily_results,
};

}  // namespace jiang
