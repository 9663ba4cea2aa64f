// Preferences: direct preference optimisation (Rafailov et al., arXiv 2305.18290). The loss of a
// pair is -log sigmoid(beta ((log p(chosen) - log r(chosen)) - (log p(rejected) - log
// r(rejected)))) where r is the model as it was before the run.
#pragma once

#include <memory>
#include <vector>

#include "train/objective.h"

namespace jiang {

struct PreferencePair {
  std::vector<TokenId> prompt;
  std::vector<TokenId> chosen;
  std::vector<TokenId> rejected;
};

struct PreferenceOptions {
  double beta = 0.1;
  int64_t batch_rows = 1024;
  int64_t longest_sequence = 1024;
  uint64_t seed = 0;
  bool shuffles = true;
};

class PreferenceObjective : public Objective {
 public:
  // Scores every pair by the model as its parameters are now: the reference. Call before anything
  // is trained or restored.
  virtual void measure_reference(Tape& tape, Workspace& work, const Model& model) = 0;
};

std::unique_ptr<PreferenceObjective> make_preference_objective(std::vector<PreferencePair> pairs,
                                                               const PreferenceOptions& options);

}  // namespace jiang
