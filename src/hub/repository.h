// A model's repository on a hub: what files it has, at one revision that is fixed before the first
// file is fetched.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "hub/hub_settings.h"
#include "hub/model_name.h"

namespace jiang {

class HttpClient;  // base/http_client.h

struct RepoFile {
  std::string name;               // checked by check_file_names
  std::optional<uint64_t> bytes;  // none: the server did not say
  std::string sha256;             // "" when the hub does not tell
  std::string git_id;             // of files outside large-file storage, when the hub tells
  std::string revision;           // what to ask this file by
};

struct Repository {
  Hub hub = Hub::any;
  std::string repo;
  std::string wanted_revision;  // as asked, or the hub's default branch
  std::string revision;         // a commit where the hub has one for the whole repository
  std::string licence;          // "" when the hub does not tell
  std::vector<RepoFile> files;

  const RepoFile* find(std::string_view name) const;
};

// Asks the hub of `name`; for a name without one those of the settings, in their order.
Result<Repository> list_repository(HttpClient& client, const HubSettings& settings,
                                   const ModelName& name, std::function<bool()> cancelled = {});

// Where a file's bytes are.
std::string file_url(const HubSettings& settings, const Repository& repository,
                     const RepoFile& file);

// For tests: an answer's text -> a repository.
Result<Repository> parse_modelscope_listing(std::string_view json, const std::string& repo,
                                            const std::string& revision);
Result<Repository> parse_huggingface_listing(std::string_view json, const std::string& repo,
                                             const std::string& revision);

}  // namespace jiang
