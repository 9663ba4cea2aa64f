// Dfa: a deterministic automaton over bytes, and the Nfa that it is made from. Patterns, numbers in
// ranges and white space become one; json_schema.cpp puts them together.
//
// A Dfa is trimmed: from every state that it can reach, an accepting one can be reached.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace jiang {

class Dfa {
 public:
  static constexpr int32_t kDead = -1;
  static constexpr int32_t kStart = 0;

  // kDead when `byte` may not come.
  int32_t step(int32_t state, uint8_t byte) const {
    return next_[static_cast<size_t>(state) * n_classes_ + classes_[byte]];
  }
  bool accepts(int32_t state) const { return distance_[static_cast<size_t>(state)] == 0; }
  // Fewest bytes to an accepting state.
  int32_t distance(int32_t state) const { return distance_[static_cast<size_t>(state)]; }
  // Some byte may come.
  bool goes_on(int32_t state) const { return goes_on_[static_cast<size_t>(state)] != 0; }
  bool matches(std::string_view text) const;
  bool is_empty() const { return distance_.empty() || distance_[kStart] < 0; }
  size_t size() const { return distance_.size(); }

 private:
  friend class DfaBuilder;
  std::array<uint8_t, 256> classes_ = {};
  size_t n_classes_ = 0;
  std::vector<int32_t> next_;      // (size(), n_classes_)
  std::vector<int32_t> distance_;  // -1: none, in an empty automaton's start only
  std::vector<uint8_t> goes_on_;
};

// States are numbers; 0 is the start. Anchors are edges that take no byte: `begin` is open before
// the first byte only, `end` after the last one only.
class Nfa {
 public:
  enum class Anchor : uint8_t { none, begin, end };
  static constexpr int32_t kStart = 0;

  int32_t add_state();
  void add_edge(int32_t from, uint8_t low, uint8_t high, int32_t to);
  void add_epsilon(int32_t from, int32_t to, Anchor anchor = Anchor::none);
  // A path of one byte after another.
  void add_text(int32_t from, std::string_view text, int32_t to);
  void set_accepting(int32_t state) { accepting_ = state; }
  size_t size() const { return states_.size(); }

 private:
  friend class DfaBuilder;
  struct Edge {
    uint8_t low, high;
    int32_t to;
  };
  struct Epsilon {
    Anchor anchor;
    int32_t to;
  };
  struct State {
    std::vector<Edge> edges;
    std::vector<Epsilon> epsilons;
  };
  std::vector<State> states_ = std::vector<State>(1);
  int32_t accepting_ = 0;
};

struct DfaLimits {
  size_t max_states = 20'000;
  size_t max_work = 8'000'000;  // members of all subsets looked at
};

// Errors (too_large) when the limits are exceeded.
Result<Dfa> determinize(const Nfa& nfa, DfaLimits limits = {});
// What both accept.
Result<Dfa> intersect(const Dfa& a, const Dfa& b, DfaLimits limits = {});

}  // namespace jiang
