// Grammar: what an answer may look like, as a graph of nodes over bytes. JSON Schemas and the tool
// calls of a dialect compile to one; grammar_walk.h follows it byte by byte.
//
// Immutable once built; shared by all who follow it.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "text/byte_automaton.h"

namespace jiang {

using NodeId = uint32_t;
inline constexpr NodeId kNoNode = 0xFFFFFFFF;

struct GrammarNode {
  enum class Kind : uint8_t {
    nothing,    // no text at all belongs to it
    text,       // these bytes
    dfa,        // what the automaton accepts
    string,     // a JSON string of min to max characters, quotes and escapes included
    key,        // as string, but none of the names that its object has had; without \u escapes
    sequence,   // one part after another
    choice,     // one of the parts
    object,     // a JSON object: its members in this order, then others
    array,      // a JSON array
    free_text,  // anything, until `text` comes; then `rest`
  };
  struct Member {
    std::string name;  // as it is, not escaped
    bool required = false;
    NodeId node = kNoNode;  // "name": value
  };

  Kind kind = Kind::nothing;
  bool is_shallow = false;     // object, array: not within many others
  bool may_end = false;        // free_text: the answer may end here
  bool only_at_start = false;  // free_text: `text` counts at its first byte only
  int32_t min = 0;             // string: characters; object: members; array: items
  int32_t max = -1;            // -1: any number
  std::string text = {};
  std::shared_ptr<const Dfa> dfa = {};
  std::vector<NodeId> parts = {};    // sequence, choice; array: the first items
  std::vector<Member> members = {};  // object
  NodeId rest = kNoNode;             // object: ": value" of other members; array: further items
};

class Grammar {
 public:
  // Nodes that every JSON value needs.
  struct Common {
    NodeId space, open_brace, close_brace, space_close_brace, comma, open_bracket, close_bracket,
        space_close_bracket, colon, key;
  };

  Grammar();
  NodeId add(GrammarNode node);
  NodeId add_text(std::string text);
  NodeId add_sequence(std::vector<NodeId> parts);
  NodeId add_choice(std::vector<NodeId> parts);
  NodeId add_dfa(Dfa dfa);
  // A node to be filled in later, for recursion.
  NodeId reserve() { return add({}); }
  void fill(NodeId id, GrammarNode node) { nodes_[id] = std::move(node); }
  // "name": value, and : value, with the white space that is allowed between.
  NodeId add_member(std::string_view name, NodeId value);
  NodeId add_other_member(NodeId value);

  const GrammarNode& operator[](NodeId id) const { return nodes_[id]; }
  size_t size() const { return nodes_.size(); }
  const Common& common() const { return common_; }

  NodeId root = kNoNode;

 private:
  std::vector<GrammarNode> nodes_;
  Common common_;
};

// JSON text in its shortest spelling.
std::string json_quoted(std::string_view text);

// Members that an object may have beyond those that are named, unless the schema says more exactly:
// their names are remembered, so that none comes twice.
inline constexpr int32_t kMaxOtherMembers = 128;

// Fewest tokens that complete each node, an upper bound of it: kImpossible where nothing does.
class GrammarCosts {
 public:
  static constexpr int32_t kImpossible = 1 << 28;
  // Of a name that its object has not had: quotes and up to three characters.
  static constexpr int32_t kNameCost = 5;
  // `tokens_of` tells the fewest tokens that the rest of a text takes, from each of its bytes on.
  template <class TokensOf>
  GrammarCosts(const Grammar& grammar, TokensOf tokens_of) {
    text_.resize(grammar.size());
    for (NodeId id = 0; id < grammar.size(); ++id) text_[id] = tokens_of(grammar[id].text);
    settle(grammar);
  }
  int32_t of(NodeId id) const { return id == kNoNode ? kImpossible : cost_[id]; }
  int32_t of_text(NodeId id, size_t from = 0) const {
    return from < text_[id].size() ? text_[id][from] : 0;
  }
  // To complete an object of which members before `next` are done and `count` were written.
  int32_t of_object(const Grammar& grammar, NodeId id, size_t next, int32_t count) const;
  int32_t of_array(const Grammar& grammar, NodeId id, int32_t count) const;

 private:
  void settle(const Grammar& grammar);
  int32_t compute(const Grammar& grammar, NodeId id) const;

  std::vector<std::vector<int32_t>> text_;
  std::vector<int32_t> cost_;
};

}  // namespace jiang
