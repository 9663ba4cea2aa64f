// ModelManager: models by name, loaded on demand within one memory budget, the least recently used
// unloaded first. The CLI, the server and agents get their backends here.
//
// Thread-safe. acquire() may take as long as a model takes to load, and one load serves all who
// wait for it; call it on a thread that may wait. A ModelLease keeps its model loaded.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "chat/backend.h"
#include "chat/chat.h"
#include "engine/engine.h"
#include "runtime/model_defaults.h"
#include "weights/adapter_file.h"

namespace jiang {

struct ModelStatus {
  std::string name = {};
  std::string path = {};      // "" for a remote model
  std::string provider = {};  // "local", or the remote provider's name
  uint64_t bytes = 0;         // of its weights on disk
  bool loaded = false;
  bool loading = false;
  double load_progress = 0;   // 0 to 1 while loading
  uint64_t memory_bytes = 0;  // when loaded: weights, state, workspace
  int32_t context = 0;        // when loaded
  EngineStats stats = {};     // when loaded and local
  std::optional<std::chrono::system_clock::time_point> unload_at = {};
};

class LoadedModelEntry {
 public:
  virtual ~LoadedModelEntry() = default;
  virtual const std::string& name() const = 0;
  virtual ChatBackend& backend() = 0;
  // Null for a remote model.
  virtual const ChatModel* chat_model() const = 0;
  virtual Engine* engine() = 0;
  // What its files say of answers; jiang's own for models that have none.
  virtual const ModelDefaults& defaults() const {
    static const ModelDefaults none;
    return none;
  }
};
using ModelLease = std::shared_ptr<LoadedModelEntry>;

struct ModelManagerOptions {
  int32_t threads = 0;                   // 0: the machine's default
  EngineOptions engine = {};             // of every local model
  uint64_t memory_budget = 0;            // 0: 80 % of what the machine grants
  std::chrono::seconds keep_alive{300};  // idle time before unloading; negative: for ever
  std::string home = {};                 // "": jiang_home()
  // Of the model that is added first: its adapters, and the model that guesses for it ("": none).
  std::vector<AdapterReference> adapters = {};
  std::string draft = {};
};

// Models that are no files of ours: remote LLM APIs ("provider/model"), agents ("agent:NAME"). Any
// thread; knows() and names() answer at once.
class BackendSource {
 public:
  virtual ~BackendSource() = default;
  virtual std::vector<std::string> names() const = 0;
  virtual bool knows(const std::string& name) const = 0;
  virtual std::string provider(const std::string& name) const = 0;
  virtual Result<std::unique_ptr<ChatBackend>> open(const std::string& name) = 0;
};

class ModelManager {
 public:
  static Result<std::unique_ptr<ModelManager>> create(ModelManagerOptions options);
  virtual ~ModelManager() = default;

  // Adds a model by an explicit name (jiang serve NAME=PATH); installed ones are known by theirs.
  virtual Status add(std::string name, std::string path) = 0;
  virtual void add_source(std::shared_ptr<BackendSource> source) = 0;
  // `name`: an added, installed, bundled or remote ("provider/model") one. not_found has a
  // did-you-mean. `keep_alive` replaces the default for this model from now on.
  virtual Result<ModelLease> acquire(const std::string& name,
                                     std::optional<std::chrono::seconds> keep_alive = {}) = 0;
  // The model if it is loaded already, under exactly this name: never waits.
  virtual std::optional<ModelLease> acquire_loaded(const std::string& name) = 0;
  // As soon as nobody uses it.
  virtual Status unload(const std::string& name) = 0;
  virtual std::vector<ModelStatus> list() const = 0;
  // What is used when a request names no model; "" when there is none at all.
  virtual std::string default_model() const = 0;
  virtual uint64_t memory_budget() const = 0;  // bytes
};

}  // namespace jiang
