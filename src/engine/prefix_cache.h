// PrefixCache: the states of finished sequences, kept while memory lasts, for requests that begin
// with the same tokens (the next turn of a chat, a common system prompt).
//
// Found by comparing tokens, not hashes: a false hit is impossible. The entries are few
// (kMaxDonors) and the comparison stops at the first difference, so a look-up costs less than one
// step's row. Belongs to the step thread. Owns the states it holds.
#pragma once

#include <cstdint>
#include <list>
#include <memory>
#include <span>
#include <vector>

#include "base/token.h"
#include "model/model.h"
#include "model/sequence_state.h"

namespace jiang {

// Tokens that both begin with.
int32_t common_prefix(std::span<const TokenId> a, std::span<const TokenId> b);

// States are worth nothing under other adapters. Null: none.
bool is_same_mix(const AdapterMix* a, const AdapterMix* b);

class PrefixCache {
 public:
  // A fork costs a copied block: fewer shared tokens than this are sooner computed.
  static constexpr int32_t kMinShared = 8;
  static constexpr size_t kMaxDonors = 64;

  explicit PrefixCache(StatePool& pool) : pool_(pool) {}
  ~PrefixCache();
  PrefixCache(const PrefixCache&) = delete;
  PrefixCache& operator=(const PrefixCache&) = delete;

  using Adapters = std::shared_ptr<const AdapterMix>;

  // Takes over `state`, which holds exactly `tokens` as they are with `adapters`.
  void put(std::span<const TokenId> tokens, StateId state, Adapters adapters = {});

  struct Hit {
    StateId state = kNoState;
    int32_t n_tokens = 0;
  };
  // The donor that shares most with `tokens`; kNoState below kMinShared. It becomes the newest.
  Hit find(std::span<const TokenId> tokens, const Adapters& adapters = {});

  // Gives up the least recently used; false when there is none.
  bool evict_one();
  // An upper bound of what evicting all would free: donors may share blocks.
  int64_t held_tokens() const { return held_tokens_; }
  bool empty() const { return donors_.empty(); }

 private:
  struct Donor {
    std::vector<TokenId> tokens;
    StateId state;
    Adapters adapters;
  };
  void drop(std::list<Donor>::iterator donor);

  StatePool& pool_;
  std::list<Donor> donors_;  // least recently used first
  int64_t held_tokens_ = 0;
};

}  // namespace jiang
