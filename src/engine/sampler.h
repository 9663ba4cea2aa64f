// Draws the next token from a row of logits.
//
// The steps are the small functions below, in the order of SamplingParams; Sampler runs them with
// the numbers of one request. The vocabulary is never sorted: only what the steps keep is.
// A total order (logit, then the lower id) makes every step deterministic, ties included.
// Not thread-safe: one Sampler belongs to one Sequence.
#pragma once

#include <span>
#include <vector>

#include "base/result.h"
#include "engine/random.h"
#include "engine/sampling.h"

namespace jiang {

inline constexpr TokenId kNoToken = -1;

struct Candidate {
  TokenId id = 0;
  float logit = 0;
  float weight = 0;  // exp((logit - best) / temperature): the best has 1
};

// Names the parameter that is out of its range.
Status check_sampling(const SamplingParams& params, int32_t vocab_size);

class Sampler {
 public:
  Sampler(SamplingParams params, uint64_t seed) : params_(std::move(params)), random_(seed) {}

  // `logits` (vocab_size) is scratch and is overwritten; -inf marks what may not be drawn.
  // `history` is the prompt and the answer so far. kNoToken when every logit is -inf.
  TokenId sample(std::span<float> logits, std::span<const TokenId> history);

 private:
  SamplingParams params_;
  Random random_;
  std::vector<Candidate> candidates_;  // reused between calls
  std::vector<TokenId> window_;
};

// The steps, each for its own test.
namespace sampling {

void add_bias(std::span<float> logits, std::span<const std::pair<TokenId, float>> bias);

// repeat, presence and frequency penalty. `window` is sorted in place.
void penalise(std::span<float> logits, std::span<TokenId> window, const SamplingParams& params);

// The lowest id among the largest logits; kNoToken if all are -inf.
TokenId greedy(std::span<const float> logits);

// The k best in order (all of them, in no order, when k is 0). Those at -inf are left out.
void top_k(std::span<const float> logits, int32_t k, std::vector<Candidate>& out);

// Gives every candidate its weight.
void temper(std::vector<Candidate>& candidates, float temperature);

// Keeps the fewest best candidates that hold at least `p` of the probability; at least one.
void top_p(std::vector<Candidate>& candidates, float p);

// Keeps the candidates whose probability is at least `p` of the best one's.
void min_p(std::vector<Candidate>& candidates, float p);

TokenId draw(std::span<const Candidate> candidates, Random& random);

// log(sum(exp(logits))), in double.
double log_sum_exp(std::span<const float> logits);

bool all_finite(std::span<const float> logits);

}  // namespace sampling
}  // namespace jiang
