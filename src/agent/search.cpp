#include "agent/search.h"

#include <cstdlib>

#include "base/file.h"
#include "base/suggest.h"
#include "base/toml.h"

namespace jiang {
namespace {

constexpr size_t kMaxQueryBytes = 2000;

std::string names_of_providers() {
  std::string names;
  for (const SearchProvider& provider : search_providers()) {
    names += (names.empty() ? "" : ", ") + std::string(provider.name);
  }
  return names;
}

}  // namespace

std::string percent_encoded(std::string_view text) {
  static constexpr char kHex[] = "0123456789ABCDEF";
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (std::isalnum(byte) || c == '-' || c == '_' || c == '.' || c == '~') {
      out.push_back(c);
    } else {
      out += {'%', kHex[byte >> 4], kHex[byte & 15]};
    }
  }
  return out;
}

const Json* find_path(const Json& json, std::initializer_list<const char*> path) {
  const Json* at = &json;
  for (const char* name : path) {
    if (!at || !at->is_object()) return nullptr;
    at = find_member(*at, name);
  }
  return at;
}

Result<std::vector<SearchResult>> read_results(const Json* list, const char* title, const char* url,
                                               const char* quote) {
  if (!list || !list->is_array()) {
    return fail(ErrorKind::bad_file, "the search service's answer has no list of results");
  }
  std::vector<SearchResult> results;
  for (const Json& item : *list) {
    if (!item.is_object()) {
      return fail(ErrorKind::bad_file, "the search service's answer has a result of another shape");
    }
    SearchResult result;
    TRY(result.title, get_string_or(item, title, "", "a search result"));
    TRY(result.url, get_string_or(item, url, "", "a search result"));
    TRY(result.quote, get_string_or(item, quote, "", "a search result"));
    // Without an address it cannot be cited, and other schemes are not for a page to show.
    if (result.url.starts_with("https://") || result.url.starts_with("http://")) {
      results.push_back(std::move(result));
    }
  }
  return results;
}

Result<SearchConfig> search_config(const Json& config) {
  SearchConfig search;
  if (config.is_null()) return search;
  TRY(search.provider, get_string(config, "provider", "[search]"));
  const SearchProvider* provider = find_search_provider(search.provider);
  if (!provider) {
    return fail(ErrorKind::invalid_argument, "[search] provider: '{}' is not one of {}",
                search.provider, names_of_providers());
  }
  TRY(search.url, get_string_or(config, "url", provider->url, "[search]"));
  if (search.url.empty()) {
    return fail(ErrorKind::invalid_argument, "[search] url: {} needs the address of your server",
                search.provider);
  }
  while (search.url.ends_with('/')) search.url.pop_back();
  TRY(const std::string variable, get_string_or(config, "key_env", "JIANG_SEARCH_KEY", "[search]"));
  if (const char* key = std::getenv(variable.c_str())) search.key = key;
  if (provider->needs_key && search.key.empty()) {
    return fail(ErrorKind::invalid_argument, "[search]: {} needs a key in the variable {}",
                search.provider, variable);
  }
  return search;
}

Result<SearchConfig> read_search_config(const std::string& home) {
  const std::string path = home + "/config.toml";
  if (!is_regular_file(path)) return SearchConfig{};
  TRY(const TomlDocument file, parse_toml_file(path));
  const Json* search = find_member(file.value, "search");
  return search ? search_config(*search) : SearchConfig{};
}

Result<std::vector<SearchResult>> search_web(const SearchConfig& config, const SearchQuery& query,
                                             const std::atomic<bool>* cancelled) {
  const SearchProvider* provider = find_search_provider(config.provider);
  if (!provider) {
    return fail(ErrorKind::unsupported,
                "no web search is set up: name a provider ({}) under [search] in config.toml",
                names_of_providers());
  }
  if (query.text.empty() || query.text.size() > kMaxQueryBytes) {
    return fail(ErrorKind::invalid_argument, "a search has between 1 and {} bytes, this one {}",
                kMaxQueryBytes, query.text.size());
  }
  TRY(const auto client, HttpClient::create());
  HttpRequestOptions request = provider->request(config, query);
  request.total_seconds = 20;
  request.max_bytes = uint64_t{4} << 20;
  request.max_redirects = 0;  // a key goes to one place
  request.cancelled = [cancelled] { return cancelled && cancelled->load(); };
  TRY(const HttpClientResponse response, client->send(request));
  if (response.status != 200) {
    const char* why = response.status == 401 || response.status == 403 ? ": is the key right?"
                      : response.status == 429 ? ": too many searches, or the quota is used up"
                                               : "";
    return fail(ErrorKind::io, "the search service {} answered with status {}{}", config.provider,
                response.status, why);
  }
  TRY(const Json answer, parse_json(response.body, config.provider + "'s answer"));
  return provider->parse(answer);
}

}  // namespace jiang
