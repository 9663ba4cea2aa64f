// Brave Search.
#include "agent/search.h"

namespace jiang {
namespace {

HttpRequestOptions brave_request(const SearchConfig& config, const SearchQuery& query) {
  HttpRequestOptions request;
  request.url = config.url + "/res/v1/web/search?count=" + std::to_string(query.count) +
                "&q=" + percent_encoded(query.text);
  request.headers = {{"x-subscription-token", config.key}, {"accept", "application/json"}};
  return request;
}

Result<std::vector<SearchResult>> brave_results(const Json& answer) {
  return read_results(find_path(answer, {"web", "results"}), "title", "url", "description");
}

}  // namespace

extern const SearchProvider kBrave = {
    .name = "brave",
    .url = "https://api.search.brave.com",
    .needs_key = true,
    .request = brave_request,
    .parse = brave_results,
};

}  // namespace jiang
