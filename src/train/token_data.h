// Token data: examples with the tokens that count, packed into batches. Two ways to pack:
//   stream    pretraining: documents follow each other and are cut where a sequence is full; the
//             parts attend to themselves only
//   whole     tuning: an example is never cut; as many as fit share a batch
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "train/objective.h"

namespace jiang {

struct Example {
  std::vector<TokenId> tokens;
  std::vector<uint8_t> counts;  // token i is something to learn (predicted by token i - 1)
};

enum class Packing : uint8_t { stream, whole };

struct TokenDataOptions {
  Packing packing = Packing::stream;
  int64_t sequence_length = 1024;  // no sequence is longer
  int64_t batch_rows = 1024;       // rows of one batch, at least one sequence
  uint64_t seed = 0;               // of the order; the same order in every epoch if !shuffles
  bool shuffles = true;
};

// Examples longer than the sequence length are an error of the caller's with Packing::whole.
std::unique_ptr<Objective> make_token_objective(std::vector<Example> examples,
                                                const TokenDataOptions& options);

// 0, 1, ... n - 1 in an order of the seed.
std::vector<uint32_t> shuffled_order(size_t n, uint64_t seed);

}  // namespace jiang
