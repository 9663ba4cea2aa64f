// Objective: what a run minimises, and over which batches. A batch is what one forward and backward
// pass takes; the trainer adds up the gradients of several to a step.
//
// Everything is a function of (seed, epoch, index): a resumed run sees the same batches.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "model/model.h"
#include "train/loss.h"
#include "train/tape.h"

namespace jiang {

// Rows of several sequences, and which of them predict what. Weights are those of the data, before
// they are divided by the step's sum.
struct TrainingBatch {
  std::vector<TokenId> tokens;
  std::vector<BatchSequence> sequences;
  std::vector<Target> targets;

  // Appends a sequence; returns its first row.
  int32_t add(std::span<const TokenId> ids);
};

struct BatchLoss {
  double loss = 0;    // summed over what `weight` counts
  double weight = 0;  // targets, or pairs
  // Only of preferences: how many pairs are ranked right.
  double right = 0;
};

class Objective {
 public:
  virtual ~Objective() = default;
  virtual int64_t batches_in(int64_t epoch) = 0;
  // Batches may come in any order, but the trainer goes forward.
  virtual BatchLoss run(Tape& tape, Workspace& work, const Model& model, int64_t epoch,
                        int64_t index, double step_weight, TapeMode mode,
                        uint64_t dropout_seed) = 0;
  // What run() counts as weight, and the rows it puts through the model.
  virtual double weight_of(int64_t epoch, int64_t index) = 0;
  virtual int64_t rows_of(int64_t epoch, int64_t index) = 0;
  // The largest rows and targets of any batch, for measuring memory.
  virtual int64_t most_rows() const = 0;
  virtual int64_t longest_sequence() const = 0;
  // Changes when the data does.
  virtual uint64_t fingerprint() const = 0;
};

// Runs `batch` through the model: the hidden states of its rows.
TensorView run_model(Workspace& work, const Model& model, const TrainingBatch& batch);

// FNV-1a over bytes: cheap, for telling data apart, not for security.
uint64_t hash_bytes(std::span<const std::byte> bytes, uint64_t start = 0xcbf29ce484222325ull);

}  // namespace jiang
