#include "text/byte_automaton.h"

#include <algorithm>
#include <bitset>
#include <map>
#include <unordered_map>

namespace jiang {

bool Dfa::matches(std::string_view text) const {
  if (is_empty()) return false;
  int32_t state = kStart;
  for (const char c : text) {
    state = step(state, static_cast<uint8_t>(c));
    if (state == kDead) return false;
  }
  return accepts(state);
}

int32_t Nfa::add_state() {
  states_.emplace_back();
  return static_cast<int32_t>(states_.size()) - 1;
}

void Nfa::add_edge(int32_t from, uint8_t low, uint8_t high, int32_t to) {
  states_[static_cast<size_t>(from)].edges.push_back({low, high, to});
}

void Nfa::add_epsilon(int32_t from, int32_t to, Anchor anchor) {
  states_[static_cast<size_t>(from)].epsilons.push_back({anchor, to});
}

void Nfa::add_text(int32_t from, std::string_view text, int32_t to) {
  if (text.empty()) return add_epsilon(from, to);
  for (size_t i = 0; i < text.size(); ++i) {
    const int32_t next = i + 1 == text.size() ? to : add_state();
    const auto byte = static_cast<uint8_t>(text[i]);
    add_edge(from, byte, byte, next);
    from = next;
  }
}

namespace {

Error too_many(size_t states) {
  return fail(ErrorKind::too_large, "its automaton has more than {} states", states);
}

// One byte of each class; classes are where no edge begins or ends in between.
std::vector<uint8_t> make_classes(const std::bitset<257>& borders,
                                  std::array<uint8_t, 256>& classes) {
  std::vector<uint8_t> firsts;
  for (size_t byte = 0; byte < 256; ++byte) {
    if (byte == 0 || borders[byte]) firsts.push_back(static_cast<uint8_t>(byte));
    classes[byte] = static_cast<uint8_t>(firsts.size() - 1);
  }
  return firsts;
}

}  // namespace

class DfaBuilder {
 public:
  explicit DfaBuilder(DfaLimits limits) : limits_(limits) {}

  Result<Dfa> from_nfa(const Nfa& nfa) {
    std::bitset<257> borders;
    for (const auto& state : nfa.states_) {
      for (const auto& edge : state.edges)
        borders[edge.low] = borders[size_t{edge.high} + 1] = true;
    }
    const std::vector<uint8_t> firsts = make_classes(borders, dfa_.classes_);
    dfa_.n_classes_ = firsts.size();

    std::map<std::vector<int32_t>, int32_t> known;
    std::vector<std::vector<int32_t>> sets;
    const auto intern = [&](std::vector<int32_t> set) {
      const auto [at, is_new] = known.try_emplace(set, static_cast<int32_t>(sets.size()));
      if (is_new) {
        accepting_.push_back(accepts_at_end(nfa, set));
        sets.push_back(std::move(set));
      }
      return at->second;
    };
    marks_.assign(nfa.size(), 0);
    intern(closure(nfa, {Nfa::kStart}, true));
    for (size_t i = 0; i < sets.size(); ++i) {
      for (const uint8_t byte : firsts) {
        std::vector<int32_t> targets;
        for (const int32_t member : sets[i]) {
          for (const auto& edge : nfa.states_[static_cast<size_t>(member)].edges) {
            if (edge.low <= byte && byte <= edge.high) targets.push_back(edge.to);
          }
        }
        work_ += sets[i].size() / 8 + targets.size() + 1;
        if (targets.empty()) {
          dfa_.next_.push_back(Dfa::kDead);
        } else {
          dfa_.next_.push_back(intern(closure(nfa, targets, false)));
        }
        if (sets.size() > limits_.max_states) return too_many(limits_.max_states);
        if (work_ > limits_.max_work)
          return fail(ErrorKind::too_large, "its automaton takes too much work to build");
      }
    }
    return trim();
  }

  Result<Dfa> from_both(const Dfa& a, const Dfa& b) {
    std::bitset<257> borders;
    for (size_t byte = 1; byte < 256; ++byte) {
      borders[byte] =
          a.classes_[byte] != a.classes_[byte - 1] || b.classes_[byte] != b.classes_[byte - 1];
    }
    const std::vector<uint8_t> firsts = make_classes(borders, dfa_.classes_);
    dfa_.n_classes_ = firsts.size();
    if (a.is_empty() || b.is_empty()) {
      dfa_.next_.assign(firsts.size(), Dfa::kDead);
      accepting_.push_back(0);
      return trim();
    }
    std::unordered_map<uint64_t, int32_t> known;
    std::vector<std::pair<int32_t, int32_t>> pairs;
    const auto intern = [&](int32_t x, int32_t y) {
      const uint64_t key = (uint64_t{static_cast<uint32_t>(x)} << 32) | static_cast<uint32_t>(y);
      const auto [at, is_new] = known.try_emplace(key, static_cast<int32_t>(pairs.size()));
      if (is_new) {
        pairs.emplace_back(x, y);
        accepting_.push_back(a.accepts(x) && b.accepts(y));
      }
      return at->second;
    };
    intern(Dfa::kStart, Dfa::kStart);
    for (size_t i = 0; i < pairs.size(); ++i) {
      const auto [x, y] = pairs[i];
      for (const uint8_t byte : firsts) {
        const int32_t to_x = a.step(x, byte), to_y = b.step(y, byte);
        const bool is_dead = to_x == Dfa::kDead || to_y == Dfa::kDead;
        dfa_.next_.push_back(is_dead ? Dfa::kDead : intern(to_x, to_y));
      }
      if (pairs.size() > limits_.max_states) return too_many(limits_.max_states);
    }
    return trim();
  }

 private:
  // All states reached without a byte, sorted.
  std::vector<int32_t> closure(const Nfa& nfa, const std::vector<int32_t>& from, bool at_begin) {
    ++mark_;
    std::vector<int32_t> set, stack;
    const auto visit = [&](int32_t state) {
      uint32_t& mark = marks_[static_cast<size_t>(state)];
      if (mark == mark_) return;
      mark = mark_;
      stack.push_back(state);
    };
    for (const int32_t state : from) visit(state);
    while (!stack.empty()) {
      const int32_t state = stack.back();
      stack.pop_back();
      ++work_;
      const auto& s = nfa.states_[static_cast<size_t>(state)];
      bool waits_for_end = false;
      for (const auto& epsilon : s.epsilons) {
        if (epsilon.anchor == Nfa::Anchor::end) {
          waits_for_end = true;
        } else if (epsilon.anchor == Nfa::Anchor::none || at_begin) {
          visit(epsilon.to);
        }
      }
      if (!s.edges.empty() || waits_for_end || state == nfa.accepting_) set.push_back(state);
    }
    std::sort(set.begin(), set.end());
    return set;
  }

  // Whether the accepting state is reached when no further byte comes.
  bool accepts_at_end(const Nfa& nfa, const std::vector<int32_t>& set) {
    const bool at_begin = accepting_.empty();
    ++mark_;
    std::vector<int32_t> stack;
    const auto visit = [&](int32_t state) {
      uint32_t& mark = marks_[static_cast<size_t>(state)];
      if (mark == mark_) return;
      mark = mark_;
      stack.push_back(state);
    };
    for (const int32_t state : set) visit(state);
    while (!stack.empty()) {
      const int32_t state = stack.back();
      stack.pop_back();
      ++work_;
      if (state == nfa.accepting_) return true;
      for (const auto& epsilon : nfa.states_[static_cast<size_t>(state)].epsilons) {
        if (epsilon.anchor != Nfa::Anchor::begin || at_begin) visit(epsilon.to);
      }
    }
    return false;
  }

  // Cuts transitions to states from which nothing is accepted, and leaves out what is unreachable.
  Result<Dfa> trim() {
    const size_t n = accepting_.size();
    const size_t n_classes = dfa_.n_classes_;
    std::vector<std::vector<int32_t>> sources(n);
    for (size_t i = 0; i < n; ++i) {
      for (size_t c = 0; c < n_classes; ++c) {
        const int32_t to = dfa_.next_[i * n_classes + c];
        if (to != Dfa::kDead) sources[static_cast<size_t>(to)].push_back(static_cast<int32_t>(i));
      }
    }
    std::vector<int32_t> distance(n, -1), queue;
    for (size_t i = 0; i < n; ++i) {
      if (!accepting_[i]) continue;
      distance[i] = 0;
      queue.push_back(static_cast<int32_t>(i));
    }
    for (size_t i = 0; i < queue.size(); ++i) {
      const auto state = static_cast<size_t>(queue[i]);
      for (const int32_t source : sources[state]) {
        if (distance[static_cast<size_t>(source)] >= 0) continue;
        distance[static_cast<size_t>(source)] = distance[state] + 1;
        queue.push_back(source);
      }
    }
    // Renumber what lives; the start stays 0.
    std::vector<int32_t> renumbered(n, Dfa::kDead);
    int32_t count = 0;
    for (size_t i = 0; i < n; ++i) {
      if (i == 0 || distance[i] >= 0) renumbered[i] = count++;
    }
    std::vector<int32_t> next;
    next.reserve(static_cast<size_t>(count) * n_classes);
    for (size_t i = 0; i < n; ++i) {
      if (renumbered[i] == Dfa::kDead) continue;
      bool goes_on = false;
      for (size_t c = 0; c < n_classes; ++c) {
        const int32_t to = dfa_.next_[i * n_classes + c];
        const bool lives = to != Dfa::kDead && distance[static_cast<size_t>(to)] >= 0;
        next.push_back(lives ? renumbered[static_cast<size_t>(to)] : Dfa::kDead);
        goes_on = goes_on || lives;
      }
      dfa_.distance_.push_back(distance[i]);
      dfa_.goes_on_.push_back(goes_on);
    }
    dfa_.next_ = std::move(next);
    return std::move(dfa_);
  }

  const DfaLimits limits_;
  Dfa dfa_;
  std::vector<uint8_t> accepting_;
  std::vector<uint32_t> marks_;
  uint32_t mark_ = 0;
  size_t work_ = 0;
};

Result<Dfa> determinize(const Nfa& nfa, DfaLimits limits) {
  return DfaBuilder(limits).from_nfa(nfa);
}

Result<Dfa> intersect(const Dfa& a, const Dfa& b, DfaLimits limits) {
  return DfaBuilder(limits).from_both(a, b);
}

}  // namespace jiang
