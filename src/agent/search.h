// Searching the web, through a provider that the owner has named: one file each in search/ and one
// line in search/table.cpp. There is no default: nobody's questions go anywhere unasked.
#pragma once

#include <atomic>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/http_client.h"
#include "base/json_value.h"
#include "base/result.h"

namespace jiang {

struct SearchConfig {
  std::string provider;  // "" when none is set up
  std::string url;       // of the service; "": the provider's own
  std::string key;       // never logged, never sent elsewhere
};

struct SearchResult {
  std::string title;
  std::string url;
  std::string quote;
};

struct SearchQuery {
  std::string text;
  int32_t count = 8;
};

struct SearchProvider {
  const char* name;
  const char* url;  // "": the owner must give one
  bool needs_key;
  HttpRequestOptions (*request)(const SearchConfig& config, const SearchQuery& query);
  // The provider's answer; an answer of another shape is an error, not an empty list.
  Result<std::vector<SearchResult>> (*parse)(const Json& answer);
};

std::span<const SearchProvider> search_providers();
const SearchProvider* find_search_provider(std::string_view name);

// [search] of config.toml: provider, url, and the key from the variable that key_env names
// (JIANG_SEARCH_KEY by default). Unknown providers and missing keys are errors that say what is
// there.
Result<SearchConfig> search_config(const Json& config);
// From HOME/config.toml; none when there is no such file or no [search] in it.
Result<SearchConfig> read_search_config(const std::string& home);

// Every failure has a sentence: none set up, no network, a status, an answer that is no answer.
Result<std::vector<SearchResult>> search_web(const SearchConfig& config, const SearchQuery& query,
                                             const std::atomic<bool>* cancelled);

// For providers.
std::string percent_encoded(std::string_view text);
// Of `list`, an array of objects, by the names of the three members.
Result<std::vector<SearchResult>> read_results(const Json* list, const char* title, const char* url,
                                               const char* quote);
// Walks {"a": {"b": ...}}; null when it is not there.
const Json* find_path(const Json& json, std::initializer_list<const char*> path);

}  // namespace jiang
