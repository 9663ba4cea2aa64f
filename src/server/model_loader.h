// ModelLoader: models without waiting for them: a thread of its own does that.
//
// Any thread. The callback comes once, from the caller's thread when the model is there already.
#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <string>

#include "runtime/model_manager.h"
#include "server/worker_pool.h"

namespace jiang {

class ModelLoader {
 public:
  using Callback = std::function<void(Result<ModelLease>)>;
  explicit ModelLoader(ModelManager& models) : models_(models) {}
  void acquire(const std::string& name, std::optional<std::chrono::seconds> keep_alive,
               Callback callback);
  // Finishes what was begun; what is asked later never calls back.
  void stop() { thread_.stop(); }

 private:
  ModelManager& models_;
  WorkerPool thread_{1};  // loads take turns anyhow: each must know what memory the last one left
};

}  // namespace jiang
