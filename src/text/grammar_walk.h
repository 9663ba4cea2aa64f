// GrammarWalk: where in a grammar a text is, byte by byte.
//
// A place is a set of stacks, since a grammar may be ambiguous; equal stacks and places are one
// number, so that what follows a place is computed once. From every place that exists the grammar
// can be completed. Not thread-safe; belongs to one sequence.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "text/grammar.h"
#include "text/json_string_bytes.h"

namespace jiang {

using PlaceId = int32_t;
inline constexpr PlaceId kNowhere = -1;

class GrammarWalk {
 public:
  // Both outlive the walk.
  GrammarWalk(const Grammar& grammar, const GrammarCosts& costs);

  // kNowhere when the grammar can never be completed.
  PlaceId start() const { return start_; }
  // kNowhere when `byte` may not come.
  PlaceId step(PlaceId place, uint8_t byte) {
    const PlaceId* next = places_[static_cast<size_t>(place)].next.get();
    return next != nullptr && next[byte] != kUnknown ? next[byte] : compute_step(place, byte);
  }
  // Names of objects are remembered only when they have been said for good: call this after each
  // byte of the answer, with the text up to it, instead of step().
  PlaceId advance(PlaceId place, uint8_t byte, std::string_view text_with_byte);

  // The text may end here.
  bool may_end(PlaceId place) const { return at(place).may_end; }
  // It must end here.
  bool is_complete(PlaceId place) const;
  // Fewest tokens to where it may end.
  int32_t cost(PlaceId place) const { return at(place).cost; }

  // What is known of the whole place at once, for masks.
  struct Summary {
    // Some stack is inside a string, between characters: any characters may come, at most so many
    // (-1: any number; 0: no stack is).
    int32_t string_room = 0;
    bool only_strings = false;   // all stacks are in strings
    bool is_free = false;        // some stack is in free text
    bool takes_markers = false;  // special tokens may stand for their text
  };
  const Summary& summary(PlaceId place) const { return at(place).summary; }

  size_t n_places() const { return places_.size(); }

 private:
  using StackId = uint32_t;
  static constexpr StackId kBottom = 0;
  static constexpr PlaceId kUnknown = -2;

  // What waits, or is being read, at one level. a, b, c depend on the node's kind; see the .cpp.
  struct Frame {
    NodeId node;
    uint32_t a, b, c;
    StackId parent;
    bool operator==(const Frame&) const = default;
  };
  struct FrameHash {
    size_t operator()(const Frame& frame) const;
  };
  struct Stack {
    Frame frame;
    int32_t cost;   // to complete it and all below
    int32_t depth;  // objects and arrays around
  };
  struct Place {
    std::vector<StackId> stacks;           // sorted
    std::unique_ptr<PlaceId[]> next = {};  // (256), kUnknown until asked for; null: none was
    int32_t cost = 0;
    bool may_end = false;
    Summary summary = {};
  };
  using Stacks = std::vector<StackId>;

  const Place& at(PlaceId place) const { return places_[static_cast<size_t>(place)]; }
  PlaceId compute_step(PlaceId place, uint8_t byte);
  PlaceId intern(Stacks stacks);
  StackId push(const Frame& frame);  // kDead when it cannot be completed
  int32_t local_cost(const Frame& frame) const;
  Summary summarize(const Stacks& stacks) const;

  // Each adds the stacks that wait for a byte.
  void enter(NodeId node, StackId parent, Stacks& out);
  void resume(StackId stack, Stacks& out);
  void resume_object(const Frame& frame, Stacks& out);
  void resume_array(const Frame& frame, Stacks& out);
  void step_stack(StackId stack, uint8_t byte, Stacks& out);
  void step_string(const Frame& frame, uint8_t byte, Stacks& out);
  void step_key(const Frame& frame, uint8_t byte, Stacks& out);
  void step_free(const Frame& frame, uint8_t byte, Stacks& out);

  // Names that an object has had, sorted.
  using Names = std::vector<std::string>;
  uint32_t first_names(NodeId object);
  uint32_t intern_names(Names names);
  StackId remember_name(StackId stack, std::string_view text);

  const Grammar& grammar_;
  const GrammarCosts& costs_;
  std::deque<Stack> stacks_;
  std::unordered_map<Frame, StackId, FrameHash> stack_ids_;
  std::deque<Place> places_;
  std::map<Stacks, PlaceId> place_ids_;
  std::deque<Names> names_;
  std::map<Names, uint32_t> names_ids_;
  std::unordered_map<NodeId, uint32_t> first_names_;
  std::unordered_map<NodeId, std::vector<uint32_t>> failures_;  // of free text's markers
  PlaceId start_ = kNowhere;
};

}  // namespace jiang
