#include "train/preference_data.h"

#include <cmath>

#include "base/check.h"
#include "train/token_data.h"

namespace jiang {
namespace {

double log_sigmoid(double x) {
  return x > 0 ? -std::log1p(std::exp(-x)) : x - std::log1p(std::exp(x));
}

class Preferences final : public PreferenceObjective {
 public:
  Preferences(std::vector<PreferencePair> pairs, const PreferenceOptions& options)
      : pairs_(std::move(pairs)), options_(options), reference_(pairs_.size()) {
    for (const PreferencePair& pair : pairs_) {
      for (const auto* ids : {&pair.prompt, &pair.chosen, &pair.rejected})
        fingerprint_ = hash_bytes(std::as_bytes(std::span(*ids)), fingerprint_ + ids->size());
      most_rows_ = std::max(most_rows_, rows_of_pair(pair));
    }
    most_rows_ = std::max(most_rows_, options.batch_rows);
  }

  void measure_reference(Tape& tape, Workspace& work, const Model& model) override {
    for (int64_t i = 0, n = batches_in(0); i < n; ++i) {
      const Made made = make(0, i);
      tape.begin(TapeMode::forward_only, 0);
      const std::vector<float> losses = losses_of(tape, work, model, made.batch);
      for (size_t p = 0; p < made.pairs.size(); ++p)
        reference_[made.pairs[p]] = sums(made, p, losses);
    }
    is_measured_ = true;
  }

  int64_t batches_in(int64_t epoch) override {
    lay_out(epoch);
    return static_cast<int64_t>(batches_.size());
  }

  BatchLoss run(Tape& tape, Workspace& work, const Model& model, int64_t epoch, int64_t index,
                double step_weight, TapeMode mode, uint64_t dropout_seed) override {
    JIANG_CHECK(is_measured_, "the reference comes first");
    Made made = make(epoch, index);
    tape.begin(mode, dropout_seed);
    const TensorView hidden = run_model(work, model, made.batch);
    std::vector<float> losses(made.batch.targets.size());
    measure_losses(tape, hidden, model, made.batch.targets, losses);
    BatchLoss result;
    for (size_t p = 0; p < made.pairs.size(); ++p) {
      const Sums now = sums(made, p, losses);
      const Sums& then = reference_[made.pairs[p]];
      // Losses are negative log-probabilities.
      const double margin =
          options_.beta * ((then.chosen - now.chosen) - (then.rejected - now.rejected));
      result.loss -= log_sigmoid(margin);
      result.right += margin > 0 ? 1 : 0;
      // d loss / d (loss of a chosen token) = beta sigmoid(-margin)
      const auto pull = static_cast<float>(options_.beta / (1 + std::exp(margin)) / step_weight);
      for (size_t t = made.first[p]; t < made.middle[p]; ++t) made.batch.targets[t].weight = pull;
      for (size_t t = made.middle[p]; t < made.end(p); ++t) made.batch.targets[t].weight = -pull;
    }
    result.weight = static_cast<double>(made.pairs.size());
    if (mode == TapeMode::forward_only) return result;
    backward_losses(tape, hidden, model, made.batch.targets, losses);
    tape.backward();
    return result;
  }

  double weight_of(int64_t epoch, int64_t index) override {
    lay_out(epoch);
    return static_cast<double>(batches_[static_cast<size_t>(index)].size());
  }
  int64_t rows_of(int64_t epoch, int64_t index) override {
    return static_cast<int64_t>(make(epoch, index).batch.tokens.size());
  }
  int64_t most_rows() const override { return most_rows_; }
  int64_t longest_sequence() const override { return options_.longest_sequence; }
  uint64_t fingerprint() const override { return fingerprint_; }

 private:
  struct Sums {
    double chosen = 0, rejected = 0;
  };
  // A batch, and where the targets of each pair's two answers begin.
  struct Made {
    TrainingBatch batch;
    std::vector<uint32_t> pairs;
    std::vector<size_t> first, middle;
    size_t end(size_t p) const {
      return p + 1 < first.size() ? first[p + 1] : batch.targets.size();
    }
  };

  static int64_t rows_of_pair(const PreferencePair& pair) {
    return static_cast<int64_t>(2 * pair.prompt.size() + pair.chosen.size() + pair.rejected.size());
  }

  void lay_out(int64_t epoch) {
    if (epoch == epoch_) return;
    epoch_ = epoch;
    batches_.clear();
    const std::vector<uint32_t> order =
        shuffled_order(pairs_.size(), options_.seed * 1000003 + static_cast<uint64_t>(epoch));
    int64_t rows = 0;
    for (size_t i = 0; i < pairs_.size(); ++i) {
      const uint32_t index = options_.shuffles ? order[i] : static_cast<uint32_t>(i);
      const int64_t n = rows_of_pair(pairs_[index]);
      if (batches_.empty() || rows + n > options_.batch_rows) {
        batches_.emplace_back();
        rows = 0;
      }
      batches_.back().push_back(index);
      rows += n;
    }
  }

  Made make(int64_t epoch, int64_t index) {
    lay_out(epoch);
    Made made;
    made.pairs = batches_[static_cast<size_t>(index)];
    const auto add = [&](const PreferencePair& pair, const std::vector<TokenId>& answer) {
      std::vector<TokenId> ids = pair.prompt;
      ids.insert(ids.end(), answer.begin(), answer.end());
      const int32_t row = made.batch.add(ids);
      for (size_t i = pair.prompt.size(); i < ids.size(); ++i)
        made.batch.targets.push_back({row + static_cast<int32_t>(i) - 1, ids[i], 1});
    };
    for (const uint32_t p : made.pairs) {
      made.first.push_back(made.batch.targets.size());
      add(pairs_[p], pairs_[p].chosen);
      made.middle.push_back(made.batch.targets.size());
      add(pairs_[p], pairs_[p].rejected);
    }
    return made;
  }

  static std::vector<float> losses_of(Tape& tape, Workspace& work, const Model& model,
                                      const TrainingBatch& batch) {
    const TensorView hidden = run_model(work, model, batch);
    std::vector<float> losses(batch.targets.size());
    measure_losses(tape, hidden, model, batch.targets, losses);
    return losses;
  }

  static Sums sums(const Made& made, size_t p, const std::vector<float>& losses) {
    Sums result;
    for (size_t t = made.first[p]; t < made.middle[p]; ++t) result.chosen += losses[t];
    for (size_t t = made.middle[p]; t < made.end(p); ++t) result.rejected += losses[t];
    return result;
  }

  std::vector<PreferencePair> pairs_;
  PreferenceOptions options_;
  std::vector<Sums> reference_;  // of each pair
  bool is_measured_ = false;
  uint64_t fingerprint_ = 0;
  int64_t most_rows_ = 0;
  int64_t epoch_ = -1;
  std::vector<std::vector<uint32_t>> batches_;
};

}  // namespace

std::unique_ptr<PreferenceObjective> make_preference_objective(std::vector<PreferencePair> pairs,
                                                               const PreferenceOptions& options) {
  return std::make_unique<Preferences>(std::move(pairs), options);
}

}  // namespace jiang
