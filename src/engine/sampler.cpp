#include "engine/sampler.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

namespace jiang {

namespace {

// Far beyond any use, and far from where sums of floats overflow.
constexpr float kMaxPenalty = 1000;
constexpr float kMaxBias = 1e6f;

// Logits that are looked through at once, and how many run side by side.
constexpr size_t kScanBlock = 256;
constexpr size_t kScanLanes = 16;

constexpr float kImpossible = -std::numeric_limits<float>::infinity();

bool is_better(const Candidate& a, const Candidate& b) {
  return a.logit != b.logit ? a.logit > b.logit : a.id < b.id;
}

}  // namespace

Status check_sampling(const SamplingParams& params, int32_t vocab_size) {
  const auto check = [](bool good, const char* name, const char* range, double value) -> Status {
    if (good) return ok();
    return fail(ErrorKind::invalid_argument, "{} is {}, it must be {}", name, value, range);
  };
  const auto is_finite = [](float value) { return std::isfinite(value); };
  TRY_STATUS(check(is_finite(params.temperature) && params.temperature >= 0, "temperature",
                   "0 or more", params.temperature));
  TRY_STATUS(check(params.top_k >= 0, "top_k", "0 (off) or more", params.top_k));
  TRY_STATUS(
      check(params.top_p >= 0 && params.top_p <= 1, "top_p", "between 0 and 1", params.top_p));
  TRY_STATUS(
      check(params.min_p >= 0 && params.min_p <= 1, "min_p", "between 0 and 1", params.min_p));
  TRY_STATUS(check(is_finite(params.repeat_penalty) && params.repeat_penalty > 0, "repeat_penalty",
                   "above 0", params.repeat_penalty));
  TRY_STATUS(check(std::abs(params.presence_penalty) <= kMaxPenalty, "presence_penalty",
                   "between -1000 and 1000", params.presence_penalty));
  TRY_STATUS(check(std::abs(params.frequency_penalty) <= kMaxPenalty, "frequency_penalty",
                   "between -1000 and 1000", params.frequency_penalty));
  TRY_STATUS(check(params.penalty_window >= -1, "penalty_window", "-1 (all) or more",
                   params.penalty_window));
  for (const auto& [id, bias] : params.logit_bias) {
    if (id < 0 || id >= vocab_size) {
      return fail(ErrorKind::invalid_argument,
                  "logit_bias has token id {}, the vocabulary ends at {}", id, vocab_size - 1);
    }
    if (!(std::abs(bias) <= kMaxBias)) {
      return fail(ErrorKind::invalid_argument,
                  "logit_bias of token {} is {}, it must be between -1e6 and 1e6", id, bias);
    }
  }
  return ok();
}

TokenId Sampler::sample(std::span<float> logits, std::span<const TokenId> history) {
  sampling::add_bias(logits, params_.logit_bias);
  if (params_.repeat_penalty != 1 || params_.presence_penalty != 0 ||
      params_.frequency_penalty != 0) {
    const size_t length =
        params_.penalty_window < 0
            ? history.size()
            : std::min(history.size(), static_cast<size_t>(params_.penalty_window));
    const auto recent = history.last(length);
    window_.assign(recent.begin(), recent.end());
    sampling::penalise(logits, window_, params_);
  }
  if (params_.temperature == 0) return sampling::greedy(logits);

  sampling::top_k(logits, params_.top_k, candidates_);
  if (candidates_.empty()) return kNoToken;
  sampling::temper(candidates_, params_.temperature);
  if (params_.top_p < 1) sampling::top_p(candidates_, params_.top_p);
  if (params_.min_p > 0) sampling::min_p(candidates_, params_.min_p);
  return sampling::draw(candidates_, random_);
}

namespace sampling {

void add_bias(std::span<float> logits, std::span<const std::pair<TokenId, float>> bias) {
  for (const auto& [id, value] : bias) logits[static_cast<size_t>(id)] += value;
}

void penalise(std::span<float> logits, std::span<TokenId> window, const SamplingParams& params) {
  std::sort(window.begin(), window.end());
  for (size_t i = 0; i < window.size();) {
    const size_t first = i;
    while (i < window.size() && window[i] == window[first]) ++i;
    const auto count = static_cast<float>(i - first);
    float& logit = logits[static_cast<size_t>(window[first])];
    logit = logit > 0 ? logit / params.repeat_penalty : logit * params.repeat_penalty;
    logit -= params.presence_penalty + params.frequency_penalty * count;
  }
}

// In blocks without a branch, whose lanes compilers turn into vectors; then the place within the
// first block that holds the largest.
TokenId greedy(std::span<const float> logits) {
  size_t block = 0;
  float largest = kImpossible;
  size_t i = 0;
  for (; i + kScanBlock <= logits.size(); i += kScanBlock) {
    float lanes[kScanLanes];
    std::fill_n(lanes, kScanLanes, kImpossible);
    for (size_t k = 0; k < kScanBlock; k += kScanLanes) {
      for (size_t lane = 0; lane < kScanLanes; ++lane) {
        const float logit = logits[i + k + lane];
        lanes[lane] = logit > lanes[lane] ? logit : lanes[lane];
      }
    }
    const float most = *std::max_element(lanes, lanes + kScanLanes);
    if (most > largest) {
      largest = most;
      block = i;
    }
  }
  for (; i < logits.size(); ++i) {
    if (logits[i] > largest) {
      largest = logits[i];
      block = i;
    }
  }
  if (largest == kImpossible) return kNoToken;
  while (logits[block] != largest) ++block;
  return static_cast<TokenId>(block);
}

void top_k(std::span<const float> logits, int32_t k, std::vector<Candidate>& out) {
  out.clear();
  if (k <= 0 || static_cast<size_t>(k) >= logits.size()) {
    out.reserve(logits.size());
    for (size_t i = 0; i < logits.size(); ++i) {
      if (logits[i] != kImpossible) out.push_back({static_cast<TokenId>(i), logits[i]});
    }
    if (k > 0) std::sort(out.begin(), out.end(), is_better);
    return;
  }
  // One pass: what beats the bar is collected; when twice k have come together, the better half
  // stays and its worst becomes the bar. Ids rise, so an equal logit that comes later loses.
  const auto keep = static_cast<size_t>(k);
  float bar = kImpossible;
  for (size_t i = 0; i < logits.size(); ++i) {
    if (!(logits[i] > bar)) continue;
    out.push_back({static_cast<TokenId>(i), logits[i]});
    if (out.size() < 2 * keep) continue;
    std::nth_element(out.begin(), out.begin() + (k - 1), out.end(), is_better);
    out.resize(keep);
    bar = out.back().logit;
  }
  std::sort(out.begin(), out.end(), is_better);
  if (out.size() > keep) out.resize(keep);
}

void temper(std::vector<Candidate>& candidates, float temperature) {
  float best = kImpossible;
  for (const Candidate& candidate : candidates) best = std::max(best, candidate.logit);
  // The difference comes first: a tiny temperature then gives exp(-inf) = 0, never inf - inf.
  for (Candidate& candidate : candidates) {
    candidate.weight =
        candidate.logit == best ? 1 : std::exp((candidate.logit - best) / temperature);
  }
}

void top_p(std::vector<Candidate>& candidates, float p) {
  double total = 0;
  for (const Candidate& candidate : candidates) total += candidate.weight;
  const double enough = static_cast<double>(p) * total;
  // All those below this bar together hold less than what may be cut: no need to sort them.
  const auto bar = static_cast<float>((total - enough) / static_cast<double>(candidates.size()));
  std::erase_if(candidates, [bar](const Candidate& candidate) { return candidate.weight < bar; });
  // Sorts in growing pieces, for usually a few dozen hold the mass.
  size_t sorted = 0;
  double held = 0;
  for (size_t piece = 64; sorted < candidates.size(); piece *= 4) {
    const auto from = candidates.begin() + static_cast<std::ptrdiff_t>(sorted);
    const size_t end = std::min(candidates.size(), sorted + piece);
    const auto to = candidates.begin() + static_cast<std::ptrdiff_t>(end);
    if (to != candidates.end()) std::nth_element(from, to, candidates.end(), is_better);
    std::sort(from, to, is_better);
    for (; sorted < end; ++sorted) {
      held += candidates[sorted].weight;
      if (held >= enough) {
        candidates.resize(sorted + 1);
        return;
      }
    }
  }
}

void min_p(std::vector<Candidate>& candidates, float p) {
  float best = 0;
  for (const Candidate& candidate : candidates) best = std::max(best, candidate.weight);
  const float bar = p * best;
  std::erase_if(candidates, [bar](const Candidate& candidate) { return candidate.weight < bar; });
}

TokenId draw(std::span<const Candidate> candidates, Random& random) {
  double total = 0;
  for (const Candidate& candidate : candidates) total += candidate.weight;
  double left = random.uniform() * total;
  TokenId last = kNoToken;
  for (const Candidate& candidate : candidates) {
    if (candidate.weight == 0) continue;
    last = candidate.id;
    left -= candidate.weight;
    if (left < 0) break;
  }
  return last;  // the sum's rounding may leave a crumb: it is the last one's
}

double log_sum_exp(std::span<const float> logits) {
  const float best = *std::max_element(logits.begin(), logits.end());
  double sum = 0;
  for (const float logit : logits)
    sum += std::exp(static_cast<double>(logit) - static_cast<double>(best));
  return static_cast<double>(best) + std::log(sum);
}

bool all_finite(std::span<const float> logits) {
  // A finite float has an exponent below all ones; the OR of the violations keeps the loop free of
  // branches.
  const auto is_bad = [](float logit) {
    return (std::bit_cast<uint32_t>(logit) & 0x7f800000u) == 0x7f800000u ? 1u : 0u;
  };
  uint32_t bad[kScanLanes] = {};
  size_t i = 0;
  for (; i + kScanLanes <= logits.size(); i += kScanLanes) {
    for (size_t lane = 0; lane < kScanLanes; ++lane) bad[lane] |= is_bad(logits[i + lane]);
  }
  for (; i < logits.size(); ++i) bad[0] |= is_bad(logits[i]);
  return std::all_of(bad, bad + kScanLanes, [](uint32_t lane) { return lane == 0; });
}

}  // namespace sampling
}  // namespace jiang
