// PullManager: the pulls of a server. One download serves all who ask for the same model; its
// events can be read from any place, again and again.
//
// Thread-safe. Every pull has a thread of its own; the destructor stops them, keeping what was
// fetched.
#pragma once

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "install/pull.h"

namespace jiang {

class PullManager {
 public:
  struct Options {
    int threads = 1;  // to quantise with
    DownloadOptions download = {};
    // Called from the pull's thread, never under a lock, when a pull has new events or ended.
    std::function<void(const std::string& id)> on_change = {};
    // The same, when a model has come.
    std::function<void(const Manifest&)> on_installed = {};
  };
  enum class State { running, done, failed };
  struct Status {
    std::string id;
    std::string name;  // as asked for
    State state = State::running;
    PullEvent last = {};
    std::optional<Manifest> manifest = {};  // when done
    std::optional<Error> error = {};        // when failed
  };
  // Somebody who waits for a pull. When the last one goes, a pull that nobody started for its own
  // sake (Interest::waiting) is stopped.
  enum class Interest { waiting, background };

  PullManager(std::unique_ptr<HttpClient> client, HubSettings settings, Store store,
              Catalogue catalogue, Options options);
  ~PullManager();

  // The id of the pull of `name`: a running one, or a new one. Every call with `waiting` is to be
  // followed by one of leave(id).
  Result<std::string> start(const std::string& name, Interest interest,
                            const std::string& type = "");
  void leave(const std::string& id);
  // False when there is no such pull, or it is over.
  bool cancel(const std::string& id);

  std::vector<Status> list() const;
  std::optional<Status> status(const std::string& id) const;
  // Events after number `after`, with their numbers. Progress of one file is one event that is
  // replaced, so that who comes late reads little.
  std::vector<std::pair<uint64_t, PullEvent>> events(const std::string& id, uint64_t after) const;

  // Calls `changed` as Options::on_change is, until unwatch() of the number returned; perhaps once
  // more while unwatch() runs on another thread.
  uint64_t watch(const std::string& id, std::function<void()> changed);
  void unwatch(uint64_t watcher);

  const Puller& puller() const { return puller_; }

 private:
  struct Pull;
  struct Joiner;
  void run(Pull& pull);
  void tell(const Pull& pull);
  std::vector<std::shared_ptr<Pull>> forget_old_ones();  // under the lock
  std::shared_ptr<Pull> find(const std::string& id) const;

  std::unique_ptr<HttpClient> client_;
  Puller puller_;
  Options options_;
  mutable std::mutex mutex_;  // guards what follows and what is in the pulls
  std::vector<std::shared_ptr<Pull>> pulls_;
  uint64_t last_id_ = 0;
  struct Watcher {
    uint64_t number;
    std::string pull;
    std::function<void()> changed;
  };
  std::vector<Watcher> watchers_;
  uint64_t last_watcher_ = 0;
};

}  // namespace jiang
