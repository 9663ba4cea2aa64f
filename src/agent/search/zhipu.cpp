// Zhipu (智谱) web search.
#include "agent/search.h"

namespace jiang {
namespace {

HttpRequestOptions zhipu_request(const SearchConfig& config, const SearchQuery& query) {
  HttpRequestOptions request;
  request.url = config.url + "/api/paas/v4/web_search";
  request.method = "POST";
  request.headers = {{"authorization", "Bearer " + config.key},
                     {"content-type", "application/json"}};
  request.body = to_string(
      Json{{"search_engine", "search_std"}, {"search_query", query.text}, {"count", query.count}});
  return request;
}

Result<std::vector<SearchResult>> zhipu_results(const Json& answer) {
  return read_results(find_path(answer, {"search_result"}), "title", "link", "content");
}

}  // namespace

extern const SearchProvider kZhipu = {
    .name = "zhipu",
    .url = "https://open.bigmodel.cn",
    .needs_key = true,
    .request = zhipu_request,
    .parse = zhipu_results,
};

}  // namespace jiang
