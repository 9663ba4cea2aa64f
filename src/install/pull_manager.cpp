#include "install/pull_manager.h"

#include <atomic>

#include "base/http_client.h"
#include "base/threads.h"

namespace jiang {
namespace {

constexpr size_t kMaxRunning = 8;
constexpr size_t kMaxFinished = 50;  // that can still be asked about

}  // namespace

struct PullManager::Pull {
  std::string id, name, type;
  State state = State::running;
  int n_waiting = 0;
  bool is_background = false;
  std::atomic<bool> cancelled = false;
  uint64_t last_number = 0;
  std::vector<std::pair<uint64_t, PullEvent>> events;
  std::optional<Manifest> manifest;
  std::optional<Error> error;
  Threads thread;
};

struct PullManager::Joiner {
  std::vector<std::shared_ptr<Pull>>& pulls;
  ~Joiner() {
    for (const auto& pull : pulls) pull->thread.join();
  }
};

PullManager::PullManager(std::unique_ptr<HttpClient> client, HubSettings settings, Store store,
                         Catalogue catalogue, Options options)
    : client_(std::move(client)),
      puller_(*client_, std::move(settings), std::move(store), std::move(catalogue)),
      options_(std::move(options)) {}

PullManager::~PullManager() {
  std::vector<std::shared_ptr<Pull>> pulls;
  {
    const std::lock_guard lock(mutex_);
    pulls.swap(pulls_);
  }
  for (const auto& pull : pulls) pull->cancelled = true;
  for (const auto& pull : pulls) pull->thread.join();
}

Result<std::string> PullManager::start(const std::string& name, Interest interest,
                                       const std::string& type) {
  TRY(const ModelName parsed, parse_model_name(name));
  // Joined after the lock is gone: their threads are about to end, but may want it once more.
  std::vector<std::shared_ptr<Pull>> forgotten;
  const Joiner joiner{forgotten};
  const std::lock_guard lock(mutex_);
  size_t n_running = 0;
  for (const auto& pull : pulls_) {
    if (pull->state != State::running || pull->cancelled) continue;
    ++n_running;
    if (pull->name != name || pull->type != type) continue;
    if (interest == Interest::waiting) ++pull->n_waiting;
    if (interest == Interest::background) pull->is_background = true;
    return pull->id;
  }
  if (n_running >= kMaxRunning) {
    return fail(ErrorKind::too_large, "{} pulls run already; wait for one to end", n_running);
  }
  forgotten = forget_old_ones();
  auto pull = std::make_shared<Pull>();
  pull->id = fmt::format("pull-{}", ++last_id_);
  pull->name = name;
  pull->type = type;
  pull->n_waiting = interest == Interest::waiting ? 1 : 0;
  pull->is_background = interest == Interest::background;
  pulls_.push_back(pull);
  // The pull lives as long as its thread: the manager joins it.
  auto started = pull->thread.start([this, pull = pull.get()] { run(*pull); });
  if (!started) {
    pulls_.pop_back();
    return std::move(started).error();
  }
  return pull->id;
}

void PullManager::run(Pull& pull) {
  PullOptions options;
  options.type = pull.type;
  options.threads = options_.threads;
  options.download = options_.download;
  options.cancelled = [&] { return pull.cancelled.load(); };
  options.on_event = [&](const PullEvent& event) {
    {
      const std::lock_guard lock(mutex_);
      const bool replaces = !pull.events.empty() &&
                            pull.events.back().second.phase == event.phase &&
                            pull.events.back().second.file == event.file;
      if (replaces) pull.events.pop_back();
      pull.events.emplace_back(++pull.last_number, event);
    }
    tell(pull);
  };
  auto outcome = puller_.pull(pull.name, options);
  if (outcome && options_.on_installed) options_.on_installed(*outcome);
  {
    const std::lock_guard lock(mutex_);
    pull.state = outcome ? State::done : State::failed;
    if (outcome) {
      pull.manifest = *std::move(outcome);
    } else {
      pull.error = std::move(outcome).error();
    }
  }
  tell(pull);
}

void PullManager::tell(const Pull& pull) {
  std::vector<std::function<void()>> callbacks;
  {
    const std::lock_guard lock(mutex_);
    for (const Watcher& watcher : watchers_) {
      if (watcher.pull == pull.id) callbacks.push_back(watcher.changed);
    }
  }
  for (const auto& callback : callbacks) callback();
  if (options_.on_change) options_.on_change(pull.id);
}

uint64_t PullManager::watch(const std::string& id, std::function<void()> changed) {
  const std::lock_guard lock(mutex_);
  watchers_.push_back({++last_watcher_, id, std::move(changed)});
  return last_watcher_;
}

void PullManager::unwatch(uint64_t watcher) {
  const std::lock_guard lock(mutex_);
  std::erase_if(watchers_, [&](const Watcher& each) { return each.number == watcher; });
}

std::vector<std::shared_ptr<PullManager::Pull>> PullManager::forget_old_ones() {
  std::vector<std::shared_ptr<Pull>> forgotten;
  size_t n_finished = 0;
  for (const auto& pull : pulls_) n_finished += pull->state != State::running;
  for (auto it = pulls_.begin(); it != pulls_.end() && n_finished > kMaxFinished;) {
    if ((*it)->state == State::running) {
      ++it;
      continue;
    }
    forgotten.push_back(std::move(*it));
    it = pulls_.erase(it);
    --n_finished;
  }
  return forgotten;
}

std::shared_ptr<PullManager::Pull> PullManager::find(const std::string& id) const {
  for (const auto& pull : pulls_) {
    if (pull->id == id) return pull;
  }
  return nullptr;
}

void PullManager::leave(const std::string& id) {
  const std::lock_guard lock(mutex_);
  const auto pull = find(id);
  if (!pull || pull->n_waiting == 0) return;
  if (--pull->n_waiting == 0 && !pull->is_background) pull->cancelled = true;
}

bool PullManager::cancel(const std::string& id) {
  const std::lock_guard lock(mutex_);
  const auto pull = find(id);
  if (!pull || pull->state != State::running) return false;
  pull->cancelled = true;
  return true;
}

std::vector<PullManager::Status> PullManager::list() const {
  const std::lock_guard lock(mutex_);
  std::vector<Status> all;
  for (const auto& pull : pulls_) {
    all.push_back({pull->id, pull->name, pull->state,
                   pull->events.empty() ? PullEvent() : pull->events.back().second, pull->manifest,
                   pull->error});
  }
  return all;
}

std::optional<PullManager::Status> PullManager::status(const std::string& id) const {
  for (Status& status : list()) {
    if (status.id == id) return std::move(status);
  }
  return std::nullopt;
}

std::vector<std::pair<uint64_t, PullEvent>> PullManager::events(const std::string& id,
                                                                uint64_t after) const {
  const std::lock_guard lock(mutex_);
  std::vector<std::pair<uint64_t, PullEvent>> out;
  if (const auto pull = find(id)) {
    for (const auto& event : pull->events) {
      if (event.first > after) out.push_back(event);
    }
  }
  return out;
}

}  // namespace jiang
