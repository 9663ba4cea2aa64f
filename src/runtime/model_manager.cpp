#include "runtime/model_manager.h"

#include <pthread.h>

#include <algorithm>
#include <condition_variable>
#include <filesystem>
#include <map>
#include <mutex>
#include <thread>

#include "base/machine.h"
#include "base/quantity.h"
#include "base/suggest.h"
#include "chat/local_backend.h"
#include "hub/model_ref.h"
#include "runtime/local_model.h"

namespace jiang {
namespace {

using SteadyClock = std::chrono::steady_clock;
using Seconds = std::chrono::seconds;

// Destroyed bottom up.
class LocalEntry final : public LoadedModelEntry {
 public:
  LocalEntry(std::string name, LocalModel model, ChatModel chat, ModelDefaults defaults)
      : name_(std::move(name)),
        model_(std::move(model)),
        chat_(std::move(chat)),
        defaults_(std::move(defaults)),
        backend_(make_local_backend(chat_, *model_.engine)) {}
  const std::string& name() const override { return name_; }
  ChatBackend& backend() override { return *backend_; }
  const ChatModel* chat_model() const override { return &chat_; }
  Engine* engine() override { return model_.engine.get(); }
  const ModelDefaults& defaults() const override { return defaults_; }

 private:
  const std::string name_;
  LocalModel model_;
  ChatModel chat_;
  const ModelDefaults defaults_;
  std::unique_ptr<ChatBackend> backend_;
};

class RemoteEntry final : public LoadedModelEntry {
 public:
  RemoteEntry(std::string name, std::unique_ptr<ChatBackend> backend)
      : name_(std::move(name)), backend_(std::move(backend)) {}
  const std::string& name() const override { return name_; }
  ChatBackend& backend() override { return *backend_; }
  const ChatModel* chat_model() const override { return nullptr; }
  Engine* engine() override { return nullptr; }

 private:
  const std::string name_;
  std::unique_ptr<ChatBackend> backend_;
};

struct Slot {
  std::string path;
  std::string provider = "local";
  uint64_t bytes = 0;
  std::shared_ptr<LoadedModelEntry> entry;
  uint64_t memory_bytes = 0;
  bool is_loading = false;
  double progress = 0;
  uint64_t n_loads = 0;        // that have ended, well or not
  std::optional<Error> error;  // of the last one
  int32_t n_leases = 0;
  bool unloads_when_idle = false;
  Seconds keep_alive{0};
  SteadyClock::time_point last_used = {};

  bool is_idle() const { return entry != nullptr && n_leases == 0; }
  bool expires() const { return keep_alive.count() >= 0 || unloads_when_idle; }
  SteadyClock::time_point unload_at() const {
    return unloads_when_idle ? last_used : last_used + keep_alive;
  }
};

// Reading a request and writing a token are microseconds beside a step: they go first. Without it
// a first token waited for the scheduler's slices (docs/decisions/0071).
constexpr int kComputeNiceness = 4;

// Shared with the leases, which may be the last to go.
struct State {
  mutable std::mutex mutex;
  std::condition_variable changed;
  std::map<std::string, Slot> slots;
  bool is_stopping = false;
};

class Manager final : public ModelManager {
 public:
  explicit Manager(ModelManagerOptions options, int threads, uint64_t budget)
      : options_(std::move(options)),
        budget_(budget),
        pool_(threads, kComputeNiceness),
        janitor_([this] { unload_idle_ones(); }) {}
  ~Manager() override;

  Status add(std::string name, std::string path) override;
  void add_source(std::shared_ptr<BackendSource> source) override;
  Result<ModelLease> acquire(const std::string& name, std::optional<Seconds> keep_alive) override;
  std::optional<ModelLease> acquire_loaded(const std::string& name) override;
  Status unload(const std::string& name) override;
  std::vector<ModelStatus> list() const override;
  std::string default_model() const override;
  uint64_t memory_budget() const override { return budget_; }

 private:
  struct Known {
    std::string path;
    uint64_t bytes = 0;
  };
  // Names that need no loading to be known: added, installed, bundled.
  std::map<std::string, Known> known_files() const;
  Result<std::string> resolve(const std::string& name) const;
  Result<std::shared_ptr<LoadedModelEntry>> load(const std::string& name, uint64_t& memory_bytes);
  Result<std::shared_ptr<LoadedModelEntry>> load_file(const std::string& name,
                                                      const std::string& path,
                                                      uint64_t& memory_bytes);
  // Unloads idle models, the least recently used first, until `bytes` are free; what is free then.
  uint64_t make_room(uint64_t bytes);
  ModelLease lease(const std::string& name, Slot& slot);
  void unload_idle_ones();

  const ModelManagerOptions options_;
  const uint64_t budget_;
  const std::shared_ptr<State> state_ = std::make_shared<State>();
  std::mutex load_mutex_;           // one load at a time: each needs to know what the others left
  std::vector<std::string> added_;  // in order; guarded by state_->mutex
  std::vector<std::shared_ptr<BackendSource>> sources_;  // guarded by state_->mutex
  ThreadPool pool_;
  std::thread janitor_;  // last
};

Manager::~Manager() {
  std::map<std::string, Slot> slots;
  {
    const std::lock_guard lock(state_->mutex);
    state_->is_stopping = true;
    slots = std::move(state_->slots);
    state_->slots.clear();
  }
  state_->changed.notify_all();
  janitor_.join();
}

Status Manager::add(std::string name, std::string path) {
  if (name.empty()) return fail(ErrorKind::invalid_argument, "a model needs a name");
  TRY(path, find_model(path));
  std::error_code ignored;
  const auto size = std::filesystem::is_regular_file(path, ignored)
                        ? std::filesystem::file_size(path, ignored)
                        : 0;
  const std::lock_guard lock(state_->mutex);
  if (std::find(added_.begin(), added_.end(), name) != added_.end())
    return fail(ErrorKind::invalid_argument, "two models are called '{}'; give one NAME=PATH",
                name);
  added_.push_back(name);
  Slot& slot = state_->slots[name];
  slot.path = std::move(path);
  slot.bytes = ignored ? 0 : size;
  slot.keep_alive = options_.keep_alive;
  return ok();
}

void Manager::add_source(std::shared_ptr<BackendSource> source) {
  const std::lock_guard lock(state_->mutex);
  sources_.push_back(std::move(source));
}

std::map<std::string, Manager::Known> Manager::known_files() const {
  std::map<std::string, Known> known;
  if (const auto bundled = bundled_model()) {
    std::error_code ignored;
    const auto size = std::filesystem::file_size(*bundled, ignored);
    known[std::filesystem::path(*bundled).stem().string()] = {*bundled, ignored ? 0 : size};
  }
  const std::string home = options_.home.empty() ? jiang_home() : options_.home;
  for (const InstalledModel& model : installed_models(home))
    known[model.name] = {model.path, model.bytes};
  const std::lock_guard lock(state_->mutex);
  for (const std::string& name : added_) {
    const auto slot = state_->slots.find(name);
    if (slot != state_->slots.end()) known[name] = {slot->second.path, slot->second.bytes};
  }
  return known;
}

Result<std::string> Manager::resolve(const std::string& name) const {
  const auto known = known_files();
  if (known.count(name) > 0) return name;
  std::vector<std::string> names;
  for (const auto& [known_name, file] : known) names.push_back(known_name);
  std::vector<std::shared_ptr<BackendSource>> sources;
  {
    const std::lock_guard lock(state_->mutex);
    sources = sources_;
  }
  for (const auto& source : sources) {
    if (source->knows(name)) return name;
    for (const auto& other : source->names()) names.push_back(other);
  }
  // Ollama's clients write the tag that we have no use for.
  const std::string_view tag = ":latest";
  if (name.size() > tag.size() && name.substr(name.size() - tag.size()) == tag)
    return resolve(name.substr(0, name.size() - tag.size()));
  if (const auto near = suggest(name, names))
    return fail(ErrorKind::not_found, "no model '{}'; did you mean '{}'?", name, *near);
  return fail(ErrorKind::not_found, "no model '{}'; /v1/models lists those there are", name);
}

ModelLease Manager::lease(const std::string& name, Slot& slot) {
  ++slot.n_leases;
  slot.last_used = SteadyClock::now();
  // The deleter keeps the entry alive until it has told the slot.
  return {slot.entry.get(), [state = state_, name, entry = slot.entry](LoadedModelEntry*) mutable {
            std::shared_ptr<LoadedModelEntry> last;  // destroyed without the lock
            {
              const std::lock_guard lock(state->mutex);
              const auto found = state->slots.find(name);
              if (found != state->slots.end() && found->second.entry == entry) {
                --found->second.n_leases;
                found->second.last_used = SteadyClock::now();
              }
              last = std::move(entry);
            }
            state->changed.notify_all();
          }};
}

std::optional<ModelLease> Manager::acquire_loaded(const std::string& name) {
  const std::lock_guard lock(state_->mutex);
  const auto found = state_->slots.find(name);
  if (found == state_->slots.end() || found->second.entry == nullptr) return std::nullopt;
  return lease(name, found->second);
}

Result<ModelLease> Manager::acquire(const std::string& asked, std::optional<Seconds> keep_alive) {
  TRY(const std::string name, resolve(asked));
  const auto known = known_files();
  std::unique_lock lock(state_->mutex);
  if (state_->is_stopping) return fail(ErrorKind::cancelled, "the server is stopping");
  auto [place, is_new] = state_->slots.try_emplace(name);
  Slot& slot = place->second;  // slots are never erased while the manager lives
  if (is_new) {
    slot.keep_alive = options_.keep_alive;
    if (const auto file = known.find(name); file != known.end()) {
      slot.path = file->second.path;
      slot.bytes = file->second.bytes;
    }
  }
  if (keep_alive) slot.keep_alive = *keep_alive;
  if (slot.entry) {
    slot.unloads_when_idle = false;
    return lease(name, slot);
  }
  if (slot.is_loading) {
    const uint64_t seen = slot.n_loads;
    state_->changed.wait(lock, [&] { return slot.n_loads != seen || state_->is_stopping; });
    if (slot.entry) return lease(name, slot);
    if (slot.error) return *slot.error;
    return fail(ErrorKind::cancelled, "the server is stopping");
  }
  slot.is_loading = true;
  slot.progress = 0;
  slot.error.reset();
  lock.unlock();
  uint64_t memory_bytes = 0;
  auto loaded = load(name, memory_bytes);
  lock.lock();
  slot.is_loading = false;
  ++slot.n_loads;
  std::optional<ModelLease> leased;
  if (loaded) {
    slot.entry = std::move(*loaded);
    slot.memory_bytes = memory_bytes;
    slot.unloads_when_idle = false;
    slot.n_leases = 0;
    leased = lease(name, slot);
  } else {
    slot.error = loaded.error();
  }
  lock.unlock();
  state_->changed.notify_all();
  if (!leased) return loaded.error();
  return *leased;
}

Result<std::shared_ptr<LoadedModelEntry>> Manager::load(const std::string& name,
                                                        uint64_t& memory_bytes) {
  std::string path;
  std::vector<std::shared_ptr<BackendSource>> sources;
  {
    const std::lock_guard lock(state_->mutex);
    path = state_->slots[name].path;
    sources = sources_;
  }
  if (!path.empty()) {
    const std::lock_guard one_at_a_time(load_mutex_);
    return load_file(name, path, memory_bytes);
  }
  for (const auto& source : sources) {
    if (!source->knows(name)) continue;
    TRY(auto backend, source->open(name));
    {
      const std::lock_guard lock(state_->mutex);
      state_->slots[name].provider = source->provider(name);
    }
    return std::shared_ptr<LoadedModelEntry>(
        std::make_shared<RemoteEntry>(name, std::move(backend)));
  }
  return fail(ErrorKind::not_found, "no model '{}'", name);
}

Result<std::shared_ptr<LoadedModelEntry>> Manager::load_file(const std::string& name,
                                                             const std::string& path,
                                                             uint64_t& memory_bytes) {
  TRY(auto source, open_model(path));
  LocalModelOptions options{.engine = options_.engine, .context = options_.engine.context};
  bool is_first = false;
  {
    const std::lock_guard lock(state_->mutex);
    is_first = !added_.empty() && added_.front() == name;
  }
  if (is_first) options.adapters = options_.adapters;
  if (is_first && !options_.draft.empty()) {
    TRY(options.draft, open_model(options_.draft));
  }
  const uint64_t weights =
      weight_file_bytes(*source) + (options.draft ? weight_file_bytes(*options.draft) : 0);
  uint64_t free_bytes = make_room(weights + weights / 8);
  if (free_bytes < weights) {
    return fail(ErrorKind::too_large,
                "'{}' needs {} for its weights alone, {} of the budget of {} are free; unload "
                "another model or use a smaller one",
                name, human_bytes(weights), human_bytes(free_bytes), human_bytes(budget_));
  }
  options.progress = [&](uint64_t done, uint64_t total) {
    const std::lock_guard lock(state_->mutex);
    state_->slots[name].progress =
        total > 0 ? static_cast<double>(done) / static_cast<double>(total) : 0;
  };
  options.engine.memory_budget = free_bytes;
  auto loaded = load_local_model(source, pool_, options);
  if (!loaded && loaded.error().kind == ErrorKind::too_large) {
    // Its state did not fit beside the others: without all that are idle it may.
    const uint64_t more = make_room(budget_);
    if (more <= free_bytes) return loaded.error();
    options.engine.memory_budget = more;
    loaded = load_local_model(std::move(source), pool_, options);
  }
  if (!loaded) return loaded.error();
  TRY(ChatModel chat, ChatModel::create(loaded->text));
  TRY(ModelDefaults defaults,
      model_defaults(loaded->source->generation_config(), loaded->settings));
  memory_bytes = loaded->engine->stats().memory_bytes;
  return std::shared_ptr<LoadedModelEntry>(
      std::make_shared<LocalEntry>(name, *std::move(loaded), std::move(chat), std::move(defaults)));
}

uint64_t Manager::make_room(uint64_t bytes) {
  while (true) {
    std::shared_ptr<LoadedModelEntry> victim;  // destroyed without the lock
    const std::lock_guard lock(state_->mutex);
    uint64_t used = 0;
    Slot* oldest = nullptr;
    for (auto& [name, slot] : state_->slots) {
      used += slot.entry ? slot.memory_bytes : 0;
      const bool is_older = oldest == nullptr || slot.last_used < oldest->last_used;
      if (slot.is_idle() && slot.memory_bytes > 0 && is_older) oldest = &slot;
    }
    const uint64_t free_bytes = budget_ > used ? budget_ - used : 0;
    if (free_bytes >= bytes || oldest == nullptr) return free_bytes;
    victim = std::move(oldest->entry);
    oldest->entry.reset();
    oldest->memory_bytes = 0;
  }
}

Status Manager::unload(const std::string& asked) {
  TRY(const std::string name, resolve(asked));
  {
    const std::lock_guard lock(state_->mutex);
    const auto found = state_->slots.find(name);
    if (found == state_->slots.end() || !found->second.entry) return ok();
    found->second.unloads_when_idle = true;
  }
  state_->changed.notify_all();
  return ok();
}

void Manager::unload_idle_ones() {
  pthread_setname_np(pthread_self(), "jiang-models");
  std::unique_lock lock(state_->mutex);
  while (!state_->is_stopping) {
    std::vector<std::shared_ptr<LoadedModelEntry>> expired;
    auto next = SteadyClock::now() + Seconds(3600);
    for (auto& [name, slot] : state_->slots) {
      if (!slot.is_idle() || !slot.expires()) continue;
      if (slot.unload_at() <= SteadyClock::now()) {
        expired.push_back(std::move(slot.entry));
        slot.entry.reset();
        slot.memory_bytes = 0;
        slot.unloads_when_idle = false;
      } else {
        next = std::min(next, slot.unload_at());
      }
    }
    if (!expired.empty()) {
      lock.unlock();
      expired.clear();
      state_->changed.notify_all();
      lock.lock();
      continue;
    }
    state_->changed.wait_until(lock, next);
  }
}

std::vector<ModelStatus> Manager::list() const {
  std::map<std::string, ModelStatus> found;
  for (const auto& [name, file] : known_files())
    found[name] = {.name = name, .path = file.path, .provider = "local", .bytes = file.bytes};
  std::vector<std::shared_ptr<BackendSource>> sources;
  {
    const std::lock_guard lock(state_->mutex);
    sources = sources_;
  }
  for (const auto& source : sources) {
    for (const std::string& name : source->names())
      found[name] = {.name = name, .path = "", .provider = source->provider(name)};
  }
  // Asked after the lock is let go: an agent asks us for its model.
  std::map<std::string, std::shared_ptr<LoadedModelEntry>> entries;
  std::unique_lock lock(state_->mutex);
  for (const auto& [name, slot] : state_->slots) {
    const auto place = found.find(name);
    if (place == found.end()) continue;  // deleted since
    ModelStatus& status = place->second;
    status.loaded = slot.entry != nullptr;
    status.loading = slot.is_loading;
    status.load_progress = slot.progress;
    status.memory_bytes = slot.memory_bytes;
    if (!slot.entry) continue;
    entries[name] = slot.entry;
    if (slot.expires() && slot.n_leases == 0) {
      const auto left = slot.unload_at() - SteadyClock::now();
      status.unload_at = std::chrono::system_clock::now() +
                         std::chrono::duration_cast<std::chrono::system_clock::duration>(left);
    }
  }
  const std::vector<std::string> added = added_;
  lock.unlock();
  for (const auto& [name, entry] : entries) {
    ModelStatus& status = found[name];
    status.context = entry->backend().capabilities().context;
    if (Engine* engine = entry->engine()) status.stats = engine->stats();
  }
  std::vector<ModelStatus> all;
  for (const std::string& name : added) {  // the first added one is the default: it leads
    if (const auto place = found.find(name); place != found.end()) {
      all.push_back(std::move(place->second));
      found.erase(place);
    }
  }
  for (auto& [name, status] : found) all.push_back(std::move(status));
  return all;
}

std::string Manager::default_model() const {
  {
    const std::lock_guard lock(state_->mutex);
    if (!added_.empty()) return added_.front();
  }
  if (const auto bundled = bundled_model()) return std::filesystem::path(*bundled).stem().string();
  // A file of ours rather than somebody's service; never an agent, which would ask for it again.
  std::string elsewhere;
  for (const ModelStatus& model : list()) {
    if (model.provider == "local") return model.name;
    if (model.provider != "agent" && elsewhere.empty()) elsewhere = model.name;
  }
  return elsewhere;
}

}  // namespace

Result<std::unique_ptr<ModelManager>> ModelManager::create(ModelManagerOptions options) {
  const Machine machine = inspect_machine();
  if (options.memory_budget > machine.memory_bytes && machine.memory_bytes > 0) {
    return fail(ErrorKind::invalid_argument, "a memory budget of {} is more than the machine's {}",
                human_bytes(options.memory_budget), human_bytes(machine.memory_bytes));
  }
  uint64_t budget = options.memory_budget;
  if (budget == 0) budget = machine.memory_bytes / 5 * 4;
  if (budget == 0) budget = uint64_t{1} << 62;  // the machine does not say
  const int threads = options.threads > 0 ? options.threads : default_thread_count(machine);
  return std::unique_ptr<ModelManager>(
      std::make_unique<Manager>(std::move(options), threads, budget));
}

}  // namespace jiang
