// SearXNG, a search engine to run oneself: its JSON format must be switched on in settings.yml.
#include "agent/search.h"

namespace jiang {
namespace {

HttpRequestOptions searxng_request(const SearchConfig& config, const SearchQuery& query) {
  HttpRequestOptions request;
  request.url = config.url + "/search?format=json&q=" + percent_encoded(query.text);
  if (!config.key.empty()) request.headers = {{"authorization", "Bearer " + config.key}};
  return request;
}

Result<std::vector<SearchResult>> searxng_results(const Json& answer) {
  return read_results(find_path(answer, {"results"}), "title", "url", "content");
}

}  // namespace

extern const SearchProvider kSearxng = {
    .name = "searxng",
    .url = "",
    .needs_key = false,
    .request = searxng_request,
    .parse = searxng_results,
};

}  // namespace jiang
