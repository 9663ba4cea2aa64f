#include "server/context.h"

#include <algorithm>

namespace jiang {

std::shared_ptr<Admission> Admissions::of(const std::string& model) {
  const std::lock_guard lock(mutex_);
  auto& admission = admissions_[model];
  if (!admission) admission = std::make_shared<Admission>(options_);
  return admission;
}

int32_t Admissions::n_waiting() const {
  const std::lock_guard lock(mutex_);
  int32_t total = 0;
  for (const auto& [name, admission] : admissions_) total += admission->n_waiting();
  return total;
}

std::optional<ApiError> Admissions::refusal(const std::string& account) const {
  const std::lock_guard lock(mutex_);
  int32_t waiting = 0, of_account = 0;
  int retry_after = 1;
  for (const auto& [name, admission] : admissions_) {
    waiting += admission->n_waiting();
    of_account += admission->n_waiting(account);
    retry_after = std::max(retry_after, admission->retry_after());
  }
  return Admission::refusal(options_, waiting, of_account, retry_after);
}

bool may_use_model(const ServerContext& context, const Caller& caller, const std::string& model) {
  return !context.may_use || context.may_use(caller, model);
}

Error no_such_model(const std::string& model) {
  return fail(ErrorKind::not_found, "there is no model {}", model);
}

std::vector<ModelStatus> models_for(const ServerContext& context, const Caller& caller) {
  std::vector<ModelStatus> models = context.models.list();
  std::erase_if(models, [&](const ModelStatus& model) {
    return !may_use_model(context, caller, model.name);
  });
  return models;
}

}  // namespace jiang
