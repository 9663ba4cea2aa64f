// PrefixCache: the states of finished sequences, kept while memory lasts, for requests that begin
// with the same tokens (the next turn of a chat, a common system prompt).
//
// Found by comparing tokens, not hashes: a false hit is impossible. The entries are few
// (kMaxDonors) and the comparison stops at the first difference, so a look-up costs less than one
// step's row. Nothing is shared between users: how soon an answer begins would tell one what
// another has asked. Belongs to the step thread. Owns the states it holds.
#pragma once

#include <cstdint>
#include <list>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/token.h"
#include "model/model.h"
#include "model/sequence_state.h"

namespace jiang {

// Tokens that both begin with.
int32_t common_prefix(std::span<const TokenId> a, std::span<const TokenId> b);

// Among whom states are shared: they are worth nothing under other adapters, and are nobody else's.
struct PrefixScope {
  std::shared_ptr<const AdapterMix> adapters = {};  // null: none
  std::string user = {};
  bool operator==(const PrefixScope& other) const;
};

class PrefixCache {
 public:
  // A fork costs a copied block: fewer shared tokens than this are sooner computed.
  static constexpr int32_t kMinShared = 8;
  static constexpr size_t kMaxDonors = 64;

  explicit PrefixCache(StatePool& pool) : pool_(pool) {}
  ~PrefixCache();
  PrefixCache(const PrefixCache&) = delete;
  PrefixCache& operator=(const PrefixCache&) = delete;

  // Takes over `state`, which holds exactly `tokens`.
  void put(std::span<const TokenId> tokens, StateId state, PrefixScope scope = {});

  struct Hit {
    StateId state = kNoState;
    int32_t n_tokens = 0;
  };
  // The donor that shares most with `tokens`; kNoState below kMinShared. It becomes the newest.
  Hit find(std::span<const TokenId> tokens, const PrefixScope& scope = {});

  // Gives up one state, false when there is none: of the user who holds most of them the least
  // recently used, so that a flood of one user's takes nothing from the others.
  bool evict_one();
  // An upper bound of what evicting all would free: donors may share blocks.
  int64_t held_tokens() const { return held_tokens_; }
  bool empty() const { return donors_.empty(); }

 private:
  struct Donor {
    std::vector<TokenId> tokens;
    StateId state;
    PrefixScope scope;
  };
  void drop(std::list<Donor>::iterator donor);

  StatePool& pool_;
  std::list<Donor> donors_;  // least recently used first
  int64_t held_tokens_ = 0;
};

}  // namespace jiang
