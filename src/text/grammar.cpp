#include "text/grammar.h"

#include <algorithm>

#include "base/json_value.h"
#include "text/pattern_automaton.h"

namespace jiang {
namespace {

using Kind = GrammarNode::Kind;

// White space that a model may put between: nothing, one space, or a new line and its indent.
// Bounded, so that it cannot run away.
constexpr const char* kSpacePattern = "(?: |\\n {0,32}|\\n\\t{1,8})?";

int32_t plus(int32_t a, int32_t b) { return std::min(a + b, GrammarCosts::kImpossible); }

}  // namespace

std::string json_quoted(std::string_view text) { return to_string(Json(std::string(text))); }

Grammar::Grammar() {
  common_.space = add_dfa(pattern_dfa(kSpacePattern, PatternMode::whole).value());
  common_.open_brace = add_text("{");
  common_.close_brace = add_text("}");
  common_.comma = add_text(",");
  common_.open_bracket = add_text("[");
  common_.close_bracket = add_text("]");
  common_.colon = add_text(":");
  common_.space_close_brace = add_sequence({common_.space, common_.close_brace});
  common_.space_close_bracket = add_sequence({common_.space, common_.close_bracket});
  common_.key = add({.kind = Kind::key});
}

NodeId Grammar::add(GrammarNode node) {
  nodes_.push_back(std::move(node));
  return static_cast<NodeId>(nodes_.size()) - 1;
}

NodeId Grammar::add_text(std::string text) {
  return add({.kind = Kind::text, .text = std::move(text)});
}

NodeId Grammar::add_sequence(std::vector<NodeId> parts) {
  return add({.kind = Kind::sequence, .parts = std::move(parts)});
}

NodeId Grammar::add_choice(std::vector<NodeId> parts) {
  if (parts.size() == 1) return parts[0];
  return add({.kind = Kind::choice, .parts = std::move(parts)});
}

NodeId Grammar::add_dfa(Dfa dfa) {
  return add({.kind = Kind::dfa, .dfa = std::make_shared<const Dfa>(std::move(dfa))});
}

NodeId Grammar::add_member(std::string_view name, NodeId value) {
  return add_sequence({add_text(json_quoted(name) + ":"), common_.space, value});
}

NodeId Grammar::add_other_member(NodeId value) {
  return add_sequence({common_.colon, common_.space, value});
}

int32_t GrammarCosts::of_object(const Grammar& grammar, NodeId id, size_t next,
                                int32_t count) const {
  const GrammarNode& node = grammar[id];
  int32_t total = 1;  // the closing brace
  int32_t n_required = 0;
  std::vector<int32_t> others;
  const int32_t comma = 1;
  for (size_t i = next; i < node.members.size(); ++i) {
    const int32_t cost = plus(of(node.members[i].node), comma);
    if (node.members[i].required) {
      ++n_required;
      total = plus(total, cost);
    } else if (node.min > count) {
      others.push_back(cost);
    }
  }
  if (node.max >= 0 && count + n_required > node.max) return kImpossible;
  const int32_t missing = node.min - count - n_required;
  if (missing <= 0) return total;
  if (node.rest != kNoNode)
    others.insert(others.end(), static_cast<size_t>(missing),
                  plus(of(node.rest), comma + kNameCost));
  if (others.size() < static_cast<size_t>(missing)) return kImpossible;
  std::nth_element(others.begin(), others.begin() + missing - 1, others.end());
  for (int32_t i = 0; i < missing; ++i) total = plus(total, others[static_cast<size_t>(i)]);
  return total;
}

int32_t GrammarCosts::of_array(const Grammar& grammar, NodeId id, int32_t count) const {
  const GrammarNode& node = grammar[id];
  int32_t total = 1;
  for (int32_t i = count; i < node.min; ++i) {
    const auto index = static_cast<size_t>(i);
    if (index >= node.parts.size()) {  // all the rest at once
      const int64_t rest = int64_t{plus(of(node.rest), 1)} * (node.min - i);
      return rest >= kImpossible ? kImpossible : plus(total, static_cast<int32_t>(rest));
    }
    total = plus(total, plus(of(node.parts[index]), 1));
  }
  return total;
}

int32_t GrammarCosts::compute(const Grammar& grammar, NodeId id) const {
  const GrammarNode& node = grammar[id];
  switch (node.kind) {
    case Kind::nothing:
      return kImpossible;
    case Kind::text:
      return of_text(id);
    case Kind::dfa:
      return node.dfa->is_empty() ? kImpossible : node.dfa->distance(Dfa::kStart);
    case Kind::string:
      return plus(2, node.min);
    case Kind::key:
      return kNameCost;
    case Kind::sequence: {
      int32_t total = 0;
      for (const NodeId part : node.parts) total = plus(total, of(part));
      return total;
    }
    case Kind::choice: {
      int32_t best = kImpossible;
      for (const NodeId part : node.parts) best = std::min(best, of(part));
      return best;
    }
    case Kind::object:
      return plus(1, of_object(grammar, id, 0, 0));
    case Kind::array:
      return plus(1, of_array(grammar, id, 0));
    case Kind::free_text:
      return node.may_end ? 0 : plus(of_text(id), of(node.rest));
  }
  return kImpossible;
}

// Costs only fall from "impossible"; what depends on itself alone stays there. Later nodes are
// mostly made of earlier ones, so few rounds are needed.
void GrammarCosts::settle(const Grammar& grammar) {
  cost_.assign(grammar.size(), kImpossible);
  for (bool has_changed = true; has_changed;) {
    has_changed = false;
    for (NodeId id = 0; id < grammar.size(); ++id) {
      const int32_t cost = compute(grammar, id);
      if (cost >= cost_[id]) continue;
      cost_[id] = cost;
      has_changed = true;
    }
  }
}

}  // namespace jiang
