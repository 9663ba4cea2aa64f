#include "server/context.h"

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

}  // namespace jiang
