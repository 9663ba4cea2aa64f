#include "install/pull.h"

#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <ctime>
#include <filesystem>
#include <map>
#include <mutex>

#include "base/json_value.h"
#include "base/machine.h"
#include "base/offline.h"
#include "base/quantity.h"
#include "base/suggest.h"
#include "base/threads.h"
#include "convert/quantize.h"
#include "install/check_model.h"
#include "install/quantise_folder.h"
#include "install/shard_gate.h"

namespace jiang {
namespace {

namespace fs = std::filesystem;
using Phase = PullEvent::Phase;

constexpr double kMemoryShare = 0.8;  // of what the machine grants

// A folder that goes away with its owner.
class ScratchFolder {
 public:
  static Result<ScratchFolder> create(const std::string& parent) {
    static std::atomic<int> count = 0;
    ScratchFolder folder;
    folder.path_ = fmt::format("{}/pull-{}-{}", parent, ::getpid(), ++count);
    std::error_code error;
    fs::remove_all(folder.path_, error);
    fs::create_directories(folder.path_, error);
    if (error) return fail(ErrorKind::io, "{}: {}", folder.path_, error.message());
    return folder;
  }
  ScratchFolder(ScratchFolder&& other) noexcept : path_(std::exchange(other.path_, "")) {}
  ScratchFolder& operator=(ScratchFolder&&) = delete;
  ~ScratchFolder() {
    std::error_code ignored;
    if (!path_.empty()) fs::remove_all(path_, ignored);
  }
  const std::string& path() const { return path_; }

 private:
  ScratchFolder() = default;
  std::string path_;
};

Status link_file(const std::string& from, const std::string& to) {
  std::error_code error;
  fs::create_directories(fs::path(to).parent_path(), error);
  fs::remove(to, error);
  fs::create_hard_link(from, to, error);
  if (error) fs::create_symlink(fs::absolute(from), to, error);
  if (error) return fail(ErrorKind::io, "{}: cannot link: {}", to, error.message());
  return ok();
}

class Job {
 public:
  Job(HttpClient& client, const HubSettings& settings, const Store& store,
      const Catalogue& catalogue, const PullOptions& options)
      : client_(client),
        settings_(settings),
        store_(store),
        catalogue_(catalogue),
        options_(options) {}

  Result<Manifest> run(const std::string& wanted) {
    TRY_STATUS(check_online(wanted));
    TRY(std::optional<FileLock> lock, store_.begin_pull());
    TRY_STATUS(choose(wanted));
    tell({.phase = Phase::listing});
    if (name_.hub == Hub::url) {
      TRY_STATUS(list_url());
    } else {
      TRY(repository_, list_repository(client_, settings_, name_, options_.cancelled));
      TRY(selection_, select_files(repository_, choice_, quantize_type_names()));
    }
    TRY_STATUS(choose_type());
    TRY(const std::optional<Manifest> there, find_unchanged());
    if (there) {
      tell({.phase = Phase::done, .note = fmt::format("{} is up to date", there->name)});
      return *there;
    }
    TRY_STATUS(plan());
    TRY_STATUS(quantises_ ? fetch_and_quantise() : fetch_all());
    manifest_.originals_kept = quantises_ && options_.keep_originals;
    TRY_STATUS(store_.add(manifest_));
    lock.reset();
    // Ours to take away, unless somebody pulls just now: then `jiang gc` will.
    if (quantises_ && !options_.keep_originals) {
      auto dropped = store_.drop(manifest_.quantised_from);
      if (!dropped) return std::move(dropped).error();
    }
    tell({.phase = Phase::done});
    return manifest_;
  }

 private:
  // ---- what is wanted

  Status choose(const std::string& wanted) {
    TRY(name_, parse_model_name(wanted));
    choice_ = name_.choice;
    manifest_.wanted = wanted;
    manifest_.name = name_.store_name();
    if (name_.hub == Hub::url || !name_.repo.empty()) return ok();
    const CatalogueEntry* entry = catalogue_.find(name_.short_name);
    if (!entry) {
      const auto near = suggest(name_.short_name, catalogue_.names());
      return fail(ErrorKind::not_found,
                  "'{}' is not in the catalogue{}; a hub's model is written org/model (jiang pull "
                  "--list names the catalogue)",
                  name_.short_name, near ? fmt::format(": did you mean '{}'?", *near) : "");
    }
    manifest_.name = entry->name;
    manifest_.licence = entry->licence;
    recommended_ = entry->type;
    name_.repo = entry->modelscope.empty() ? entry->huggingface : entry->modelscope;
    name_.huggingface_repo = entry->huggingface;
    if (entry->modelscope.empty()) name_.hub = Hub::huggingface;
    if (entry->huggingface.empty()) name_.hub = Hub::modelscope;
    return ok();
  }

  Status list_url() {
    RepoFile file;
    file.name = name_.short_name + ".gguf";
    repository_.hub = Hub::url;
    repository_.repo = name_.url;
    repository_.files.push_back(std::move(file));
    selection_.files = {&repository_.files[0]};
    selection_.is_gguf = true;
    return ok();
  }

  Status choose_type() {
    std::string type = options_.type;
    if (type.empty()) type = selection_.type;
    if (selection_.is_gguf) {
      if (!options_.type.empty() && options_.type != "none") {
        return fail(ErrorKind::invalid_argument,
                    "{} is a GGUF file, which is taken as it is; --quant is for a model in floats",
                    selection_.files[0]->name);
      }
      return ok();
    }
    if (type == "none") return ok();
    if (type.empty()) type = recommended_;
    if (type.empty()) type = kDefaultQuantizeType;
    TRY(const QuantizeType found, find_quantize_type(type));
    type_ = found;
    manifest_.type = found.name;
    quantises_ = true;
    return ok();
  }

  // The model of that name as it would become: then nothing is fetched.
  Result<std::optional<Manifest>> find_unchanged() const {
    TRY(std::optional<Manifest> there, store_.find(manifest_.name));
    if (!there || repository_.hub == Hub::url) return std::optional<Manifest>();
    const std::vector<ManifestFile>& files = quantises_ ? there->quantised_from : there->files;
    if (files.size() != selection_.files.size() || there->type != manifest_.type ||
        there->originals_kept != (quantises_ && options_.keep_originals)) {
      return std::optional<Manifest>();
    }
    std::map<std::string, const ManifestFile*> by_name;
    for (const ManifestFile& file : files) by_name[file.name] = &file;
    for (const RepoFile* file : selection_.files) {
      const auto found = by_name.find(file->name);
      if (found == by_name.end()) return std::optional<Manifest>();
      // Without a hash from the hub the same commit is the same file.
      const bool same = file->sha256.empty()
                            ? there->revision == repository_.revision && !there->revision.empty()
                            : found->second->sha256 == file->sha256;
      if (!same) return std::optional<Manifest>();
    }
    TRY(const VerifyReport sizes, check_blobs(*there));
    return sizes.problems.empty() ? there : std::optional<Manifest>();
  }

  // Whether the files are there at all; their content is `jiang verify`'s business.
  Result<VerifyReport> check_blobs(const Manifest& manifest) const {
    VerifyReport report;
    std::error_code error;
    for (const ManifestFile& file : manifest.files) {
      const auto bytes = fs::file_size(blob_path(store_.blobs(), file.sha256), error);
      if (error || bytes != file.bytes) report.problems.push_back({file.name, file.sha256, ""});
    }
    return report;
  }

  // ---- will it do

  uint64_t result_bytes() const {
    if (!quantises_) return selection_.bytes();
    uint64_t weights = 0;
    for (const RepoFile* file : selection_.files) {
      if (is_weights_file(file->name)) weights += file->bytes.value_or(0);
    }
    // Floats of two bytes, as nearly all are published; tokenizer and tables come on top.
    return static_cast<uint64_t>(static_cast<double>(weights) * bits_per_weight(type_.name) / 16) +
           (uint64_t{16} << 20);
  }

  Status plan() {
    uint64_t to_fetch = 0;
    std::error_code error;
    for (const RepoFile* file : selection_.files) {
      all_total_ += file->bytes.value_or(0);
      const bool is_there =
          !file->sha256.empty() && fs::exists(blob_path(store_.blobs(), file->sha256), error);
      if (is_there) continue;
      struct stat part = {};
      const std::string path = blob_path(store_.blobs(), file->sha256) + ".part";
      const bool has_part = !file->sha256.empty() && ::stat(path.c_str(), &part) == 0;
      const uint64_t reserved = has_part ? static_cast<uint64_t>(part.st_blocks) * 512 : 0;
      to_fetch += file->bytes.value_or(0) - std::min(file->bytes.value_or(0), reserved);
    }
    const uint64_t made = quantises_ ? result_bytes() : 0;
    const uint64_t available = free_bytes(store_.root());
    if (to_fetch + made > available) {
      return fail(
          ErrorKind::too_large,
          "{} needs {} on the disk of {} ({} to fetch{}), and {} are free there; free some "
          "space, or set JIANG_HOME to another disk",
          manifest_.name, human_bytes(to_fetch + made), store_.root(), human_bytes(to_fetch),
          made > 0 ? fmt::format(", {} for the {} model", human_bytes(made), type_.name) : "",
          human_bytes(available));
    }
    const uint64_t memory = inspect_machine().memory_bytes;
    const uint64_t running = result_bytes();
    const auto budget = static_cast<uint64_t>(static_cast<double>(memory) * kMemoryShare);
    if (memory > 0 && running > budget && !options_.even_if_too_large) {
      return fail(
          ErrorKind::too_large,
          "{} would need about {} of memory for its weights alone, and {} of this machine's "
          "{} are for models; choose a smaller model or type, or pull it all the same with "
          "--even-if-too-large",
          manifest_.name, human_bytes(running), human_bytes(budget), human_bytes(memory));
    }
    std::string note = fmt::format(
        "{} from {}{}: {}{}", repository_.hub == Hub::url ? name_.url : repository_.repo,
        hub_name(repository_.hub),
        repository_.revision.empty() ? ""
                                     : fmt::format(" ({})", repository_.revision.substr(0, 12)),
        all_total_ > 0 ? fmt::format("{} to fetch", human_bytes(to_fetch)) : "of unknown size",
        quantises_ ? fmt::format(", then {} as {} ({} of disk at the peak)", human_bytes(made),
                                 type_.name, human_bytes(to_fetch + made))
                   : "");
    PullEvent event{
        .phase = Phase::planned, .total = to_fetch, .all_total = all_total_, .note = note};
    tell(event);
    if (options_.confirm && !options_.confirm(event)) {
      return Error{ErrorKind::cancelled, "nothing was fetched"};
    }
    manifest_.hub = hub_prefix(repository_.hub);
    manifest_.repo = repository_.repo;
    manifest_.revision = repository_.revision;
    if (!repository_.licence.empty()) manifest_.licence = repository_.licence;
    return ok();
  }

  // ---- fetching

  Result<ManifestFile> fetch(const RepoFile& file, ShardGate* gate = nullptr, size_t shard = 0,
                             std::function<bool()> enough = {}) {
    DownloadFile wanted;
    wanted.label = file.name;
    wanted.bytes = file.bytes;
    wanted.sha256 = file.sha256;
    wanted.git_id = file.git_id;
    if (repository_.hub == Hub::url) {
      wanted.url = name_.url;
    } else {
      wanted.url = file_url(settings_, repository_, file);
      wanted.headers = settings_.headers(repository_.hub);
    }
    DownloadOptions options = options_.download;
    // http:// only where the person wrote it: in the URL itself or in a hub's setting.
    options.allow_plain_http = wanted.url.rfind("http://", 0) == 0;
    options.cancelled = [this, enough] {
      return (options_.cancelled && options_.cancelled()) || stopping_ || (enough && enough());
    };
    options.on_progress = [&](const DownloadProgress& now) {
      PullEvent event;
      event.phase = now.phase == DownloadPhase::fetching    ? Phase::fetching
                    : now.phase == DownloadPhase::verifying ? Phase::verifying
                                                            : Phase::waiting;
      event.file = file.name;
      event.sha256 = file.sha256;
      event.done = now.done;
      event.total = now.total;
      tell(event);
    };
    options.on_start = [&](const std::string& part, std::shared_ptr<ChunkMap> map) {
      if (on_part_) on_part_(file, part, map);
      if (gate) gate->started(shard, std::move(map));
    };
    TRY(const Blob blob, download_blob(client_, store_.blobs(), wanted, options));
    PullEvent event{.phase = Phase::fetching,
                    .file = file.name,
                    .sha256 = blob.sha256,
                    .done = blob.bytes,
                    .total = blob.bytes};
    tell(event);
    {
      const std::lock_guard lock(mutex_);
      finished_bytes_ += blob.bytes;
      current_ = 0;
    }
    return ManifestFile{file.name, blob.sha256, blob.bytes,
                        std::string(verified_name(blob.verified))};
  }

  Status fetch_all() {
    for (const RepoFile* file : selection_.files) {
      TRY(ManifestFile fetched, fetch(*file));
      manifest_.files.push_back(std::move(fetched));
    }
    manifest_.created = std::time(nullptr);
    return try_result();
  }

  // Before it has a name that others see: through links of its own.
  Status try_result() {
    tell({.phase = Phase::trying});
    TRY(const ScratchFolder folder, ScratchFolder::create(store_.scratch()));
    for (const ManifestFile& file : manifest_.files) {
      TRY_STATUS(
          link_file(blob_path(store_.blobs(), file.sha256), folder.path() + "/" + file.name));
    }
    const std::string gguf = manifest_.gguf_name();
    return check_model(gguf.empty() ? folder.path() : folder.path() + "/" + gguf, options_.threads);
  }

  // ---- fetching and quantising at once

  Status fetch_and_quantise() {
    TRY(const ScratchFolder scratch, ScratchFolder::create(store_.scratch()));
    // The folder's name becomes general.name.
    const std::string folder = scratch.path() + "/" + file_stem();
    std::error_code error;
    fs::create_directories(folder, error);
    std::vector<const RepoFile*> shards;
    for (const RepoFile* file : selection_.files) {
      if (is_weights_file(file->name)) {
        shards.push_back(file);
        continue;
      }
      TRY(ManifestFile fetched, fetch(*file));
      TRY_STATUS(link_file(blob_path(store_.blobs(), fetched.sha256), folder + "/" + file->name));
      manifest_.quantised_from.push_back(std::move(fetched));
    }
    const std::string out = scratch.path() + "/out.gguf";
    TRY_STATUS(fetch_headers(shards, folder));
    TRY_STATUS(overlap(shards, folder, out));
    TRY(ManifestFile made, store_.take_file(out, file_stem() + "-" + type_.name + ".gguf"));
    manifest_.files = {std::move(made)};
    manifest_.created = std::time(nullptr);
    return try_result();
  }

  std::string file_stem() const {
    const std::string& repo = repository_.repo;
    return repo.substr(repo.rfind('/') + 1);
  }

  // The front of each file, so that all tensors and their places are known. The .part files are
  // linked into the folder: they become the blobs.
  Status fetch_headers(const std::vector<const RepoFile*>& shards, const std::string& folder) {
    for (const RepoFile* shard : shards) {
      const std::string link = folder + "/" + shard->name;
      std::shared_ptr<ChunkMap> map;
      std::string part;
      on_part_ = [&](const RepoFile&, const std::string& path, std::shared_ptr<ChunkMap> started) {
        part = path;
        map = std::move(started);
      };
      std::atomic<bool> has_header = false;  // every connection asks
      auto fetched = fetch(*shard, nullptr, 0, [&] {
        if (!has_header && map && map->prefix() >= 8) {
          has_header = safetensors_header_is_there(part, map->prefix());
        }
        return has_header.load();
      });
      on_part_ = {};
      if (fetched) {
        const std::lock_guard lock(mutex_);
        finished_bytes_ -= fetched->bytes;  // it is told again when its turn comes
        TRY_STATUS(link_file(blob_path(store_.blobs(), fetched->sha256), link));
      } else if (has_header) {
        TRY_STATUS(link_file(part, link));
      } else {
        return std::move(fetched).error();
      }
    }
    return ok();
  }

  Status overlap(const std::vector<const RepoFile*>& shards, const std::string& folder,
                 const std::string& out) {
    ShardGate gate;
    std::optional<Error> fetch_error;
    Threads fetcher;
    TRY_STATUS(fetcher.start([&] {
      for (size_t i = 0; i < shards.size(); ++i) {
        auto fetched = fetch(*shards[i], &gate, i);
        if (!fetched) {
          fetch_error = std::move(fetched).error();
          gate.failed(*fetch_error);
          return;
        }
        gate.finished(i);
        manifest_.quantised_from.push_back(*std::move(fetched));
      }
    }));
    std::vector<std::string> files;
    for (const RepoFile* shard : shards) files.push_back(shard->name);
    QuantiseFolder job;
    job.folder = folder;
    job.out = out;
    job.type = type_;
    job.threads = options_.threads;
    job.progress = [&](const QuantizeProgress& now) {
      tell({.phase = Phase::quantising,
            .file = now.tensor,
            .done = now.bytes_done,
            .total = now.bytes_total});
      return !(options_.cancelled && options_.cancelled());
    };
    auto made = quantise_folder(job, files, &gate);
    // Without a result to wait for, what can still be fetched is: unless the model itself is at
    // fault, when more bytes would not mend it.
    const bool was_restarted = gate.was_restarted();
    if (!made && !was_restarted && made.error().kind != ErrorKind::io) stopping_ = true;
    fetcher.join();
    if (!made && stopping_) return std::move(made).error();
    if (fetch_error) return *fetch_error;
    if (made && !gate.was_restarted()) return ok();
    // Something was read that was not the file's final content. All is here and verified now.
    for (size_t i = 0; i < shards.size(); ++i) {
      const ManifestFile& file =
          manifest_.quantised_from[manifest_.quantised_from.size() - shards.size() + i];
      TRY_STATUS(link_file(blob_path(store_.blobs(), file.sha256), folder + "/" + file.name));
    }
    return quantise_folder(job, files, nullptr);
  }

  void tell(PullEvent event) {
    const std::lock_guard lock(mutex_);
    if (event.phase == Phase::fetching || event.phase == Phase::verifying) {
      current_ = std::max(current_, event.done);
    }
    shown_ = std::max(shown_, std::min(finished_bytes_ + current_, std::max(all_total_, shown_)));
    event.all_done = shown_;
    event.all_total = std::max(all_total_, event.all_total);
    if (options_.on_event) options_.on_event(event);
  }

  HttpClient& client_;
  const HubSettings& settings_;
  const Store& store_;
  const Catalogue& catalogue_;
  const PullOptions& options_;
  ModelName name_;
  std::string choice_, recommended_;
  Repository repository_;
  FileSelection selection_;
  bool quantises_ = false;
  QuantizeType type_;
  Manifest manifest_;
  std::function<void(const RepoFile&, const std::string&, std::shared_ptr<ChunkMap>)> on_part_;
  std::atomic<bool> stopping_ = false;
  std::mutex mutex_;  // guards what follows, and makes events come one at a time
  uint64_t all_total_ = 0, finished_bytes_ = 0, current_ = 0, shown_ = 0;
};

}  // namespace

std::string_view phase_name(PullEvent::Phase phase) {
  switch (phase) {
    case Phase::listing:
      return "listing";
    case Phase::planned:
      return "planned";
    case Phase::waiting:
      return "waiting";
    case Phase::fetching:
      return "fetching";
    case Phase::verifying:
      return "verifying";
    case Phase::quantising:
      return "quantising";
    case Phase::trying:
      return "trying";
    case Phase::done:
      break;
  }
  return "done";
}

Json event_json(const PullEvent& event) {
  Json json = {{"phase", phase_name(event.phase)}};
  if (!event.file.empty()) json["file"] = event.file;
  if (!event.sha256.empty()) json["sha256"] = event.sha256;
  if (event.total > 0) {
    json["done"] = event.done;
    json["total"] = event.total;
  }
  if (event.all_total > 0) {
    json["all_done"] = event.all_done;
    json["all_total"] = event.all_total;
  }
  if (!event.note.empty()) json["note"] = event.note;
  return json;
}

Result<Manifest> Puller::pull(const std::string& wanted, const PullOptions& options) const {
  return Job(client_, settings_, store_, catalogue_, options).run(wanted);
}

}  // namespace jiang
