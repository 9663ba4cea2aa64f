// Bing Web Search v7, and services that speak its form.
#include "agent/search.h"

namespace jiang {
namespace {

HttpRequestOptions bing_request(const SearchConfig& config, const SearchQuery& query) {
  HttpRequestOptions request;
  request.url = config.url + "/v7.0/search?count=" + std::to_string(query.count) +
                "&q=" + percent_encoded(query.text);
  request.headers = {{"ocp-apim-subscription-key", config.key}};
  return request;
}

Result<std::vector<SearchResult>> bing_results(const Json& answer) {
  return read_results(find_path(answer, {"webPages", "value"}), "name", "url", "snippet");
}

}  // namespace

extern const SearchProvider kBing = {
    .name = "bing",
    .url = "https://api.bing.microsoft.com",
    .needs_key = true,
    .request = bing_request,
    .parse = bing_results,
};

}  // namespace jiang
