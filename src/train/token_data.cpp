#include "train/token_data.h"

#include <algorithm>
#include <numeric>

#include "base/check.h"
#include "train/dropout.h"

namespace jiang {
namespace {

// A part of an example as a sequence of a batch.
struct Piece {
  uint32_t example;
  uint32_t first;
  uint32_t n;
};

class TokenObjective final : public Objective {
 public:
  TokenObjective(std::vector<Example> examples, const TokenDataOptions& options)
      : examples_(std::move(examples)), options_(options) {
    for (const Example& example : examples_) {
      JIANG_CHECK(example.tokens.size() == example.counts.size(), "every token counts or not");
      JIANG_CHECK(options.packing == Packing::stream ||
                      static_cast<int64_t>(example.tokens.size()) <= options.sequence_length,
                  "whole examples fit into a sequence");
      fingerprint_ = hash_bytes(std::as_bytes(std::span(example.tokens)), fingerprint_);
      fingerprint_ = hash_bytes(std::as_bytes(std::span(example.counts)), fingerprint_);
    }
    most_rows_ = std::max(options.batch_rows, options.sequence_length);
  }

  int64_t batches_in(int64_t epoch) override {
    lay_out(epoch);
    return static_cast<int64_t>(batches_.size());
  }

  BatchLoss run(Tape& tape, Workspace& work, const Model& model, int64_t epoch, int64_t index,
                double step_weight, TapeMode mode, uint64_t dropout_seed) override {
    TrainingBatch batch = make(epoch, index);
    tape.begin(mode, dropout_seed);
    const TensorView hidden = run_model(work, model, batch);
    std::vector<float> losses(batch.targets.size());
    BatchLoss result;
    if (mode == TapeMode::forward_only) {
      measure_losses(tape, hidden, model, batch.targets, losses);
    } else {
      for (Target& target : batch.targets) target.weight = static_cast<float>(1 / step_weight);
      backward_losses(tape, hidden, model, batch.targets, losses);
      tape.backward();
    }
    for (const float loss : losses) result.loss += loss;
    result.weight = static_cast<double>(losses.size());
    return result;
  }

  double weight_of(int64_t epoch, int64_t index) override {
    return static_cast<double>(make(epoch, index).targets.size());
  }
  int64_t rows_of(int64_t epoch, int64_t index) override {
    return static_cast<int64_t>(make(epoch, index).tokens.size());
  }
  int64_t most_rows() const override { return most_rows_; }
  int64_t longest_sequence() const override { return options_.sequence_length; }
  uint64_t fingerprint() const override { return fingerprint_; }

 private:
  using BatchLayout = std::vector<Piece>;

  void lay_out(int64_t epoch) {
    if (epoch == epoch_) return;
    epoch_ = epoch;
    batches_.clear();
    const std::vector<uint32_t> order =
        options_.shuffles ? shuffled_order(examples_.size(),
                                           mix_bits(options_.seed) + static_cast<uint64_t>(epoch))
                          : shuffled_order(0, 0);
    BatchLayout batch;
    int64_t batch_rows = 0;
    int64_t sequence_rows = 0;  // of the stream's current sequence
    const auto close = [&] {
      if (!batch.empty()) batches_.push_back(std::move(batch));
      batch = {};
      batch_rows = sequence_rows = 0;
    };
    for (size_t i = 0; i < examples_.size(); ++i) {
      const uint32_t index = options_.shuffles ? order[i] : static_cast<uint32_t>(i);
      const auto n = static_cast<int64_t>(examples_[index].tokens.size());
      if (options_.packing == Packing::whole) {
        if (batch_rows > 0 && batch_rows + n > options_.batch_rows) close();
        batch.push_back({index, 0, static_cast<uint32_t>(n)});
        batch_rows += n;
        continue;
      }
      for (int64_t at = 0; at < n;) {
        const int64_t part = std::min(n - at, options_.sequence_length - sequence_rows);
        batch.push_back({index, static_cast<uint32_t>(at), static_cast<uint32_t>(part)});
        at += part;
        sequence_rows += part;
        batch_rows += part;
        if (sequence_rows < options_.sequence_length) continue;
        sequence_rows = 0;
        if (batch_rows + options_.sequence_length > options_.batch_rows) close();
      }
    }
    close();
  }

  TrainingBatch make(int64_t epoch, int64_t index) {
    lay_out(epoch);
    TrainingBatch batch;
    for (const Piece& piece : batches_[static_cast<size_t>(index)]) {
      const Example& example = examples_[piece.example];
      const int32_t row = batch.add(std::span(example.tokens).subspan(piece.first, piece.n));
      for (uint32_t i = 0; i < piece.n; ++i) {
        const size_t next = size_t{piece.first} + i + 1;
        if (next < example.tokens.size() && example.counts[next])
          batch.targets.push_back({row + static_cast<int32_t>(i), example.tokens[next], 1});
      }
    }
    return batch;
  }

  std::vector<Example> examples_;
  TokenDataOptions options_;
  uint64_t fingerprint_ = 0;
  int64_t most_rows_ = 0;
  int64_t epoch_ = -1;
  std::vector<BatchLayout> batches_;  // of epoch_
};

}  // namespace

// Fisher and Yates, with the bits of a counter: the standard library's shuffle differs between
// implementations.
std::vector<uint32_t> shuffled_order(size_t n, uint64_t seed) {
  std::vector<uint32_t> order(n);
  std::iota(order.begin(), order.end(), 0u);
  for (size_t i = n; i > 1; --i) {
    const uint64_t draw = mix_bits(seed * 0x9e3779b97f4a7c15ull + i);
    std::swap(order[i - 1], order[draw % i]);
  }
  return order;
}

std::unique_ptr<Objective> make_token_objective(std::vector<Example> examples,
                                                const TokenDataOptions& options) {
  return std::make_unique<TokenObjective>(std::move(examples), options);
}

}  // namespace jiang
