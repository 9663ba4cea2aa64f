// StatePool: the state that sequences carry between steps. Paged K/V blocks with reference counts
// are its first kind (model/kv_cache.h); a recurrent state will be another. The scheduler asks for
// room, forks, trims and frees, and does not know which kind it is.
//
// Not thread-safe: belongs to the engine's step loop.
#pragma once

#include <cstdint>

namespace jiang {

using StateId = int32_t;
inline constexpr StateId kNoState = -1;

class StatePool {
 public:
  virtual ~StatePool() = default;

  virtual StateId create() = 0;
  virtual void free(StateId state) = 0;
  // Makes room for positions [0, n_tokens); false, with nothing changed, if the pool is out of
  // memory. Blocks shared with another state and about to be written are copied first.
  virtual bool reserve(StateId state, int32_t n_tokens) = 0;
  // What that takes of free_tokens(), but for the copies.
  virtual int64_t tokens_to_reserve(StateId state, int32_t n_tokens) const = 0;
  // A new state whose first n_tokens positions are those of `state`; whole blocks are shared, at
  // most one is copied. kNoState if the pool is out of memory.
  virtual StateId fork(StateId state, int32_t n_tokens) = 0;
  // Forgets positions >= n_tokens.
  virtual void trim(StateId state, int32_t n_tokens) = 0;
  virtual int32_t length(StateId state) const = 0;               // positions that hold values
  virtual void set_length(StateId state, int32_t n_tokens) = 0;  // after a step wrote them

  // Tokens that could still be reserved, and in all.
  virtual int64_t free_tokens() const = 0;
  virtual int64_t capacity_tokens() const = 0;
  virtual uint64_t bytes() const = 0;
};

}  // namespace jiang
