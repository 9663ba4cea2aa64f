#include "hub/repository.h"

#include <atomic>
#include <condition_variable>
#include <mutex>

#include "base/ascii.h"
#include "base/http_client.h"
#include "base/json_value.h"
#include "base/sha256.h"
#include "base/threads.h"
#include "hub/file_name.h"

namespace jiang {
namespace {

// A listing is read whole: bounds on its bytes, its files and their sizes.
constexpr uint64_t kMaxListingBytes = uint64_t{8} << 20;
constexpr size_t kMaxFiles = 10000;
constexpr int64_t kMaxFileBytes = int64_t{1} << 44;  // 16 TiB
constexpr double kListingSeconds = 60;

std::string percent_encoded(std::string_view text, std::string_view keep) {
  std::string out;
  for (const char c : text) {
    const bool is_plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                          (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.' || c == '~' ||
                          keep.find(c) != std::string_view::npos;
    out += is_plain ? std::string(1, c) : fmt::format("%{:02X}", static_cast<unsigned char>(c));
  }
  return out;
}

std::string default_revision(Hub hub) { return hub == Hub::modelscope ? "master" : "main"; }

std::string listing_url(const HubSettings& settings, Hub hub, const std::string& repo,
                        const std::string& revision) {
  if (hub == Hub::modelscope) {
    return fmt::format("{}/api/v1/models/{}/repo/files?Revision={}&Recursive=true",
                       settings.modelscope, repo, percent_encoded(revision, ""));
  }
  return fmt::format("{}/api/models/{}/revision/{}?blobs=true", settings.huggingface, repo,
                     percent_encoded(revision, ""));
}

// What a hub says instead of a listing, in a sentence that says what to do.
Error refusal(Hub hub, const HubSettings& settings, const std::string& repo,
              const std::string& revision, const HttpClientResponse& response) {
  const std::string page = hub == Hub::modelscope
                               ? fmt::format("{}/models/{}", settings.modelscope, repo)
                               : fmt::format("{}/{}", settings.huggingface, repo);
  const std::string variable = hub == Hub::modelscope ? "MODELSCOPE_API_TOKEN" : "HF_TOKEN";
  const bool has_token = !settings.headers(hub).empty();
  const std::string code = response.header("x-error-code").value_or("");
  if (code == "GatedRepo" || response.status == 403) {
    return fail(ErrorKind::unsupported,
                "{} gives {} only to people who accepted its conditions: open {}, accept them, "
                "{}and pull again",
                hub_name(hub), repo, page,
                has_token ? "with the account whose token is set, "
                          : fmt::format("make a read token, set it as {}, ", variable));
  }
  if (code == "RevisionNotFound") {
    return fail(ErrorKind::not_found, "{} on {} has no revision '{}'; see {}", repo, hub_name(hub),
                revision, page);
  }
  if (response.status == 404 || code == "RepoNotFound" || (response.status == 401 && !has_token)) {
    return fail(
        ErrorKind::not_found,
        "{} has no model {}{}; check the name at {}, or, if it is private, set {}", hub_name(hub),
        repo,
        revision == default_revision(hub) ? "" : fmt::format(" with a revision '{}'", revision),
        settings.endpoint(hub), variable);
  }
  if (response.status == 401) {
    return fail(ErrorKind::unsupported, "{} does not know the token in {}: make a new one",
                hub_name(hub), variable);
  }
  return fail(ErrorKind::io, "{} answered {} to the question for {}'s files: {}", hub_name(hub),
              response.status, repo, response.body.substr(0, 200));
}

Result<Repository> ask(HttpClient& client, const HubSettings& settings, Hub hub,
                       const ModelName& name, const std::function<bool()>& cancelled) {
  const std::string revision = name.revision.empty() ? default_revision(hub) : name.revision;
  const std::string& repo = name.repo_at(hub);
  HttpRequestOptions request;
  request.url = listing_url(settings, hub, repo, revision);
  request.headers = settings.headers(hub);
  request.max_bytes = kMaxListingBytes;
  request.total_seconds = kListingSeconds;
  request.cancelled = cancelled;
  TRY(const HttpClientResponse response, client.send(request));
  if (response.status != 200) return refusal(hub, settings, repo, revision, response);
  const size_t first = response.body.find_first_not_of(" \r\n\t");
  if (first != std::string::npos && response.body[first] == '<') {
    return fail(ErrorKind::io,
                "{} sent a web page instead of {}'s files (a login page of the network?): {}",
                settings.endpoint(hub), repo, response.body.substr(first, 200));
  }
  if (hub == Hub::modelscope) return parse_modelscope_listing(response.body, repo, revision);
  return parse_huggingface_listing(response.body, repo, revision);
}

Result<uint64_t> checked_size(int64_t size, const std::string& name) {
  if (size < 0 || size > kMaxFileBytes) {
    return fail(ErrorKind::bad_file, "the hub lists {} with a size of {}", name, size);
  }
  return static_cast<uint64_t>(size);
}

Status check_files(const Repository& repository) {
  if (repository.files.size() > kMaxFiles) {
    return fail(ErrorKind::too_large, "{} has more than {} files", repository.repo, kMaxFiles);
  }
  for (const RepoFile& file : repository.files) {
    if (!file.sha256.empty() && !is_sha256_hex(file.sha256)) {
      return fail(ErrorKind::bad_file, "the hub lists {} with a SHA-256 that is none", file.name);
    }
  }
  return ok();
}

}  // namespace

const RepoFile* Repository::find(std::string_view name) const {
  for (const RepoFile& file : files) {
    if (file.name == name) return &file;
  }
  return nullptr;
}

Result<Repository> parse_modelscope_listing(std::string_view json, const std::string& repo,
                                            const std::string& revision) {
  const std::string where = "the file list of ModelScope";
  TRY(const Json answer, parse_json(json, where, {.max_bytes = kMaxListingBytes, .max_depth = 32}));
  const Json* data = find_member(answer, "Data");
  const Json* files = data && data->is_object() ? find_member(*data, "Files") : nullptr;
  if (!files || !files->is_array()) {
    TRY(const std::string message, get_string_or(answer, "Message", "no files are listed", where));
    return fail(ErrorKind::not_found, "ModelScope does not list {}: {}", repo, message);
  }
  Repository out;
  out.hub = Hub::modelscope;
  out.repo = repo;
  out.wanted_revision = revision;
  std::vector<std::string> names;
  for (const Json& entry : *files) {
    if (!entry.is_object()) return fail(ErrorKind::bad_file, "{}: an entry is no object", where);
    TRY(const std::string type, get_string_or(entry, "Type", "blob", where));
    if (type == "tree") continue;
    RepoFile file;
    TRY(file.name, get_string(entry, "Path", where));
    TRY(const int64_t size, get_int(entry, "Size", where));
    TRY(file.bytes, checked_size(size, file.name));
    TRY(std::string sha256, get_string_or(entry, "Sha256", "", where));
    file.sha256 = ascii_lower(std::move(sha256));
    // ModelScope has no commit for the whole repository in this answer, but each file's own: the
    // file as it is now, whatever is pushed while we fetch.
    TRY(file.revision, get_string_or(entry, "Revision", revision, where));
    if (file.revision.empty()) file.revision = revision;
    TRY_STATUS(check_file_name(file.revision));
    names.push_back(file.name);
    out.files.push_back(std::move(file));
    if (out.files.size() > kMaxFiles) break;
  }
  out.revision = revision;
  TRY_STATUS(check_file_names(names));
  TRY_STATUS(check_files(out));
  return out;
}

Result<Repository> parse_huggingface_listing(std::string_view json, const std::string& repo,
                                             const std::string& revision) {
  const std::string where = "the file list of Hugging Face";
  TRY(const Json answer, parse_json(json, where, {.max_bytes = kMaxListingBytes, .max_depth = 32}));
  Repository out;
  out.hub = Hub::huggingface;
  out.repo = repo;
  out.wanted_revision = revision;
  TRY(out.revision, get_string(answer, "sha", where));
  TRY_STATUS(check_file_name(out.revision));
  const Json* files = find_member(answer, "siblings");
  if (!files || !files->is_array()) {
    return fail(ErrorKind::bad_file, "{}: \"siblings\" is missing", where);
  }
  if (const Json* card = find_member(answer, "cardData"); card && card->is_object()) {
    if (const Json* licence = find_member(*card, "license"); licence && licence->is_string()) {
      out.licence = licence->get<std::string>();
    }
  }
  std::vector<std::string> names;
  for (const Json& entry : *files) {
    if (!entry.is_object()) return fail(ErrorKind::bad_file, "{}: an entry is no object", where);
    RepoFile file;
    TRY(file.name, get_string(entry, "rfilename", where));
    if (find_member(entry, "size")) {
      TRY(const int64_t size, get_int(entry, "size", where));
      TRY(file.bytes, checked_size(size, file.name));
    }
    if (const Json* lfs = find_member(entry, "lfs"); lfs && lfs->is_object()) {
      TRY(std::string sha256, get_string_or(*lfs, "sha256", "", where));
      file.sha256 = ascii_lower(std::move(sha256));
      if (find_member(*lfs, "size")) {
        TRY(const int64_t size, get_int(*lfs, "size", where));
        TRY(file.bytes, checked_size(size, file.name));
      }
    } else {
      TRY(std::string id, get_string_or(entry, "blobId", "", where));
      file.git_id = ascii_lower(std::move(id));
    }
    file.revision = out.revision;
    names.push_back(file.name);
    out.files.push_back(std::move(file));
    if (out.files.size() > kMaxFiles) break;
  }
  TRY_STATUS(check_file_names(names));
  TRY_STATUS(check_files(out));
  return out;
}

Result<Repository> list_repository(HttpClient& client, const HubSettings& settings,
                                   const ModelName& name, std::function<bool()> cancelled) {
  if (name.hub != Hub::any) return ask(client, settings, name.hub, name, cancelled);
  if (settings.first != Hub::any) {
    const Hub second = settings.first == Hub::modelscope ? Hub::huggingface : Hub::modelscope;
    auto found = ask(client, settings, settings.first, name, cancelled);
    if (found || found.error().kind == ErrorKind::cancelled) return found;
    auto other = ask(client, settings, second, name, cancelled);
    if (other) return other;
    return fail(found.error().kind, "{}; and {}", found.error().message, other.error().message);
  }
  // Both at once; the first that has it, and the other one is let go.
  struct Race {
    std::mutex mutex;
    std::condition_variable changed;
    std::optional<Result<Repository>> answers[2];
    std::atomic<bool> is_over = false;
  } race;
  const Hub hubs[] = {Hub::modelscope, Hub::huggingface};
  Threads runners;
  for (size_t i = 0; i < 2; ++i) {
    const auto tell = [&race, i](Result<Repository> answer) {
      const std::lock_guard lock(race.mutex);
      race.answers[i] = std::move(answer);
      race.changed.notify_all();
    };
    auto started = runners.start([&, i, tell] {
      tell(ask(client, settings, hubs[i], name,
               [&] { return race.is_over || (cancelled && cancelled()); }));
    });
    if (!started) tell(std::move(started).error());
  }
  std::optional<Result<Repository>> winner;
  {
    std::unique_lock lock(race.mutex);
    const auto succeeded = [&]() -> std::optional<Result<Repository>>* {
      for (auto& answer : race.answers) {
        if (answer && *answer) return &answer;
      }
      return nullptr;
    };
    race.changed.wait(lock, [&] { return succeeded() || (race.answers[0] && race.answers[1]); });
    if (auto* found = succeeded()) winner = std::move(*found);
  }
  race.is_over = true;
  runners.join();
  if (winner) return *std::move(winner);
  const Error &first = race.answers[0]->error(), &second = race.answers[1]->error();
  if (first.kind == ErrorKind::cancelled) return first;
  return fail(first.kind == ErrorKind::not_found ? second.kind : first.kind, "{}; and {}",
              first.message, second.message);
}

std::string file_url(const HubSettings& settings, const Repository& repository,
                     const RepoFile& file) {
  const std::string revision = percent_encoded(file.revision, "");
  const std::string path = percent_encoded(file.name, "/");
  if (repository.hub == Hub::modelscope) {
    return fmt::format("{}/models/{}/resolve/{}/{}", settings.modelscope, repository.repo, revision,
                       path);
  }
  return fmt::format("{}/{}/resolve/{}/{}", settings.huggingface, repository.repo, revision, path);
}

}  // namespace jiang
