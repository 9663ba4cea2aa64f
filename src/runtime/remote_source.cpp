#include "runtime/remote_source.h"

#include <algorithm>

#include "base/file.h"
#include "base/http_client.h"
#include "base/suggest.h"
#include "base/toml.h"

namespace jiang {
namespace {

Status check_keys(const Json& table, const std::string& where) {
  const std::vector<std::string> known = {"provider", "models",   "url",
                                          "key_env",  "key_file", "context"};
  for (const auto& [key, value] : table.items()) {
    if (std::find(known.begin(), known.end(), key) != known.end()) continue;
    const auto near = suggest(key, known);
    return fail(ErrorKind::invalid_argument, "{}: no such setting: {}{}", where, key,
                near ? "; did you mean " + *near + "?" : "");
  }
  return ok();
}

}  // namespace

Result<std::unique_ptr<RemoteSource>> RemoteSource::create(const Json& remote) {
  auto source = std::make_unique<RemoteSource>();
  if (remote.is_null()) return source;
  if (!remote.is_object()) {
    return fail(ErrorKind::invalid_argument, "remote must be a table of tables: [remote.NAME]");
  }
  for (const auto& [name, table] : remote.items()) {
    const std::string where = "[remote." + name + "]";
    if (!table.is_object()) return fail(ErrorKind::invalid_argument, "{}: must be a table", where);
    TRY_STATUS(check_keys(table, where));
    Offer offer;
    TRY(offer.options.provider, get_string_or(table, "provider", name, where));
    TRY_STATUS(find_remote_provider(offer.options.provider));
    TRY(offer.options.base_url, get_string_or(table, "url", "", where));
    TRY(offer.key_file, get_string_or(table, "key_file", "", where));
    TRY(offer.key_variable, get_string_or(table, "key_env", "", where));
    // A server of one's own often wants none.
    offer.wants_key =
        offer.options.base_url.empty() || !offer.key_file.empty() || !offer.key_variable.empty();
    if (find_member(table, "context")) {
      TRY(const int64_t context, get_int(table, "context", where));
      if (context < 1 || context > INT32_MAX) {
        return fail(ErrorKind::invalid_argument, "{} context: must be at least 1", where);
      }
      offer.options.context = static_cast<int32_t>(context);
    }
    const Json* models = find_member(table, "models");
    if (!models || !models->is_array() || models->empty()) {
      return fail(ErrorKind::invalid_argument, "{} models: name the models that are offered",
                  where);
    }
    for (const Json& model : *models) {
      if (!model.is_string() || model.get_ref<const std::string&>().empty()) {
        return fail(ErrorKind::invalid_argument, "{} models: must be names", where);
      }
      offer.options.model = model.get<std::string>();
      offer.name = name + "/" + offer.options.model;
      source->offers_.push_back(offer);
    }
  }
  return source;
}

const RemoteSource::Offer* RemoteSource::find(const std::string& name) const {
  for (const Offer& offer : offers_) {
    if (offer.name == name) return &offer;
  }
  return nullptr;
}

std::vector<std::string> RemoteSource::names() const {
  std::vector<std::string> all;
  for (const Offer& offer : offers_) all.push_back(offer.name);
  return all;
}

bool RemoteSource::knows(const std::string& name) const { return find(name) != nullptr; }

std::string RemoteSource::provider(const std::string& name) const {
  const Offer* offer = find(name);
  return offer ? offer->options.provider : "";
}

Result<std::unique_ptr<ChatBackend>> RemoteSource::open(const std::string& name) {
  const Offer* offer = find(name);
  if (!offer) return fail(ErrorKind::not_found, "no remote model '{}'", name);
  RemoteOptions options = offer->options;
  if (offer->wants_key) {
    TRY(const RemoteProvider* provider, find_remote_provider(options.provider));
    TRY(options.key, read_remote_key(*provider, offer->key_file, offer->key_variable));
  }
  TRY(auto client, HttpClient::create());
  return make_remote_backend(std::move(options), std::shared_ptr<HttpClient>(std::move(client)));
}

Result<std::unique_ptr<RemoteSource>> read_remote_source(const std::string& home) {
  const std::string path = home + "/config.toml";
  if (!is_regular_file(path)) return RemoteSource::create(Json());
  TRY(const TomlDocument file, parse_toml_file(path));
  const Json* remote = find_member(file.value, "remote");
  return RemoteSource::create(remote ? *remote : Json());
}

}  // namespace jiang
