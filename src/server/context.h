// ServerContext: what handlers of all dialects work with.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "runtime/model_manager.h"
#include "server/access.h"
#include "server/admission.h"
#include "server/http_server.h"
#include "server/metrics.h"
#include "server/model_loader.h"
#include "server/worker_pool.h"

namespace jiang {

// One Admission for each model.
class Admissions {
 public:
  explicit Admissions(AdmissionOptions options) : options_(options) {}
  std::shared_ptr<Admission> of(const std::string& model);
  int32_t n_waiting() const;
  // What `account` is told before its request is read, when too many wait already: of all models
  // together, for they share the machine.
  std::optional<ApiError> refusal(const std::string& account) const;

 private:
  const AdmissionOptions options_;
  mutable std::mutex mutex_;
  std::map<std::string, std::shared_ptr<Admission>> admissions_;
};

struct ServerContext {
  ModelManager& models;
  WorkerPool& workers;  // for what takes milliseconds
  WorkerPool& patient;  // for what takes seconds: embeddings
  ModelLoader& loader;
  Admissions& admissions;
  Metrics& metrics;
  std::string version = {};
  std::function<HttpCounters()> http_counters = {};
  // Whether `caller` may see and use a model: an agent that somebody keeps is no model of others.
  // Set with the routes, before the first request; empty: all may.
  std::function<bool(const Caller& caller, const std::string& model)> may_use = {};
};

bool may_use_model(const ServerContext& context, const Caller& caller, const std::string& model);
// What such a model is called: it is not told from one that is not there.
Error no_such_model(const std::string& model);
// ModelManager::list() without the models that are not the caller's to see.
std::vector<ModelStatus> models_for(const ServerContext& context, const Caller& caller);

}  // namespace jiang
