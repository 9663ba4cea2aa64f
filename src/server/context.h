// ServerContext: what handlers of all dialects work with.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "runtime/model_manager.h"
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
};

}  // namespace jiang
