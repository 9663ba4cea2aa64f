#include "engine/prefix_cache.h"

#include <algorithm>

namespace jiang {

int32_t common_prefix(std::span<const TokenId> a, std::span<const TokenId> b) {
  const size_t shorter = std::min(a.size(), b.size());
  const auto [end, unused] =
      std::mismatch(a.begin(), a.begin() + static_cast<std::ptrdiff_t>(shorter), b.begin());
  return static_cast<int32_t>(end - a.begin());
}

bool is_same_mix(const AdapterMix* a, const AdapterMix* b) {
  return a == b || (a != nullptr && b != nullptr && *a == *b);
}

PrefixCache::~PrefixCache() {
  while (evict_one()) {
  }
}

void PrefixCache::put(std::span<const TokenId> tokens, StateId state, Adapters adapters) {
  if (tokens.size() < static_cast<size_t>(kMinShared)) {
    pool_.free(state);
    return;
  }
  for (auto donor = donors_.begin(); donor != donors_.end();) {
    const auto next = std::next(donor);
    if (!is_same_mix(donor->adapters.get(), adapters.get())) {
      donor = next;
      continue;
    }
    const auto common = static_cast<size_t>(common_prefix(donor->tokens, tokens));
    if (common == tokens.size()) {  // an older donor knows as much or more
      pool_.free(state);
      donors_.splice(donors_.end(), donors_, donor);
      return;
    }
    if (common == donor->tokens.size()) drop(donor);  // the new one knows more
    donor = next;
  }
  if (donors_.size() == kMaxDonors) evict_one();
  donors_.push_back({{tokens.begin(), tokens.end()}, state, std::move(adapters)});
  held_tokens_ += static_cast<int64_t>(tokens.size());
}

PrefixCache::Hit PrefixCache::find(std::span<const TokenId> tokens, const Adapters& adapters) {
  Hit best;
  auto best_donor = donors_.end();
  for (auto donor = donors_.begin(); donor != donors_.end(); ++donor) {
    if (!is_same_mix(donor->adapters.get(), adapters.get())) continue;
    const int32_t common = common_prefix(donor->tokens, tokens);
    if (common < kMinShared || common <= best.n_tokens) continue;
    best = {donor->state, common};
    best_donor = donor;
  }
  if (best_donor != donors_.end()) donors_.splice(donors_.end(), donors_, best_donor);
  return best;
}

bool PrefixCache::evict_one() {
  if (donors_.empty()) return false;
  drop(donors_.begin());
  return true;
}

void PrefixCache::drop(std::list<Donor>::iterator donor) {
  held_tokens_ -= static_cast<int64_t>(donor->tokens.size());
  pool_.free(donor->state);
  donors_.erase(donor);
}

}  // namespace jiang
