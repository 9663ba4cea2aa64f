// Bocha (博查).
#include "agent/search.h"

namespace jiang {
namespace {

HttpRequestOptions bocha_request(const SearchConfig& config, const SearchQuery& query) {
  HttpRequestOptions request;
  request.url = config.url + "/v1/web-search";
  request.method = "POST";
  request.headers = {{"authorization", "Bearer " + config.key},
                     {"content-type", "application/json"}};
  request.body = to_string(Json{{"query", query.text}, {"count", query.count}, {"summary", false}});
  return request;
}

Result<std::vector<SearchResult>> bocha_results(const Json& answer) {
  return read_results(find_path(answer, {"data", "webPages", "value"}), "name", "url", "snippet");
}

}  // namespace

extern const SearchProvider kBocha = {
    .name = "bocha",
    .url = "https://api.bochaai.com",
    .needs_key = true,
    .request = bocha_request,
    .parse = bocha_results,
};

}  // namespace jiang
