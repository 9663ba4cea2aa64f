// Constraint: which tokens may come next. JSON Schema compiles to one (later: regex, grammars);
// the engine applies it as a mask and never knows what it means.
#pragma once

#include <cstdint>
#include <span>

#include "base/token.h"

namespace jiang {

// One sequence's automaton. Not thread-safe.
class Constraint {
 public:
  virtual ~Constraint() = default;
  // Clears bit `id` of `allowed` (one bit per token, low bit first) for every token that may not
  // come next.
  virtual void mask(std::span<uint64_t> allowed) const = 0;
  virtual void accept(TokenId id) = 0;
  // Takes back the last n accepted tokens (speculation).
  virtual void rollback(int n) = 0;
  virtual bool is_finished() const = 0;
};

}  // namespace jiang
