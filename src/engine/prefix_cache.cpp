#include "engine/prefix_cache.h"

#include <algorithm>
#include <string_view>
#include <unordered_map>

namespace jiang {

int32_t common_prefix(std::span<const TokenId> a, std::span<const TokenId> b) {
  const size_t shorter = std::min(a.size(), b.size());
  const auto [end, unused] =
      std::mismatch(a.begin(), a.begin() + static_cast<std::ptrdiff_t>(shorter), b.begin());
  return static_cast<int32_t>(end - a.begin());
}

bool PrefixScope::operator==(const PrefixScope& other) const {
  const bool same_mix =
      adapters == other.adapters || (adapters && other.adapters && *adapters == *other.adapters);
  return same_mix && user == other.user;
}

PrefixCache::~PrefixCache() {
  while (evict_one()) {
  }
}

void PrefixCache::put(std::span<const TokenId> tokens, StateId state, PrefixScope scope) {
  if (tokens.size() < static_cast<size_t>(kMinShared)) {
    pool_.free(state);
    return;
  }
  for (auto donor = donors_.begin(); donor != donors_.end();) {
    const auto next = std::next(donor);
    if (donor->scope != scope) {
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
  donors_.push_back({{tokens.begin(), tokens.end()}, state, std::move(scope)});
  held_tokens_ += static_cast<int64_t>(tokens.size());
}

PrefixCache::Hit PrefixCache::find(std::span<const TokenId> tokens, const PrefixScope& scope) {
  Hit best;
  auto best_donor = donors_.end();
  for (auto donor = donors_.begin(); donor != donors_.end(); ++donor) {
    if (donor->scope != scope) continue;
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
  std::unordered_map<std::string_view, size_t> held;
  size_t most = 0;
  for (const Donor& donor : donors_) most = std::max(most, ++held[donor.scope.user]);
  drop(std::find_if(donors_.begin(), donors_.end(),
                    [&](const Donor& donor) { return held[donor.scope.user] == most; }));
  return true;
}

void PrefixCache::drop(std::list<Donor>::iterator donor) {
  held_tokens_ -= static_cast<int64_t>(donor->tokens.size());
  pool_.free(donor->state);
  donors_.erase(donor);
}

}  // namespace jiang
