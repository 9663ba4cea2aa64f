#include "text/grammar_walk.h"

#include <algorithm>
#include <stdexcept>

#include "base/json_value.h"

namespace jiang {
namespace {

using Kind = GrammarNode::Kind;

constexpr uint32_t kDead = 0xFFFFFFFF;
constexpr int32_t kMaxLevels = 120;    // of objects and arrays; readers of JSON have limits too
constexpr int32_t kShallowDepth = 16;  // where a value of any kind has no more levels
constexpr size_t kMaxStacks = 20'000;  // of one place

// Frames of objects and arrays: `a` is the next member or item, `b` a phase and how many there
// were (objects), `c` the names that an object has had.
enum Phase : uint32_t { kFirst, kItem, kColon, kMore, kAfterComma };
constexpr uint32_t kPhaseBits = 3;
uint32_t phase_and_count(Phase phase, uint32_t count) { return phase | (count << kPhaseBits); }
// The name just read is not among the names yet.
constexpr uint32_t kNameMissing = 0x80000000;

// Frames of strings: `a` is the number of characters, `b` the StringState; before the first quote
// `b` is kOpening. Frames of keys: `a` is the index of the first name that begins so, plus one (0:
// none does), `b` the state and, above, how many bytes of that name matched; `c` the names.
constexpr uint32_t kOpening = 0xFF;
constexpr uint32_t kStateBits = 8;

// Frames of free text: `a` is how much of the marker has matched, or kNoMarker.
constexpr uint32_t kNoMarker = 0xFFFFFFFF;

}  // namespace

size_t GrammarWalk::FrameHash::operator()(const Frame& frame) const {
  uint64_t hash = frame.node;
  for (const uint64_t part :
       {uint64_t{frame.a}, uint64_t{frame.b}, uint64_t{frame.c}, uint64_t{frame.parent}}) {
    hash = (hash ^ part) * 0x9E3779B97F4A7C15u;
    hash ^= hash >> 29;
  }
  return hash;
}

GrammarWalk::GrammarWalk(const Grammar& grammar, const GrammarCosts& costs)
    : grammar_(grammar), costs_(costs) {
  stacks_.push_back({.frame = {kNoNode, 0, 0, 0, kBottom}, .cost = 0, .depth = 0});
  for (NodeId id = 0; id < grammar.size(); ++id) {
    const GrammarNode& node = grammar[id];
    if (node.kind != Kind::free_text) continue;
    // Knuth, Morris and Pratt: how much of the marker has matched when a longer match fails.
    std::vector<uint32_t> failure(node.text.size() + 1, 0);
    for (size_t i = 1, k = 0; i < node.text.size(); ++i) {
      while (k > 0 && node.text[i] != node.text[k]) k = failure[k];
      if (node.text[i] == node.text[k]) ++k;
      failure[i + 1] = static_cast<uint32_t>(k);
    }
    failures_.emplace(id, std::move(failure));
  }
  Stacks stacks;
  enter(grammar.root, kBottom, stacks);
  start_ = intern(std::move(stacks));
}

bool GrammarWalk::is_complete(PlaceId place) const {
  const Stacks& stacks = at(place).stacks;
  return stacks.size() == 1 && stacks[0] == kBottom;
}

PlaceId GrammarWalk::compute_step(PlaceId place, uint8_t byte) {
  std::unique_ptr<PlaceId[]>& table = places_[static_cast<size_t>(place)].next;
  if (!table) {
    table = std::make_unique<PlaceId[]>(256);
    std::fill_n(table.get(), 256, kUnknown);
  }
  Stacks out;
  for (size_t i = 0; i < at(place).stacks.size(); ++i) step_stack(at(place).stacks[i], byte, out);
  const PlaceId next = intern(std::move(out));
  return table[byte] = next;
}

PlaceId GrammarWalk::advance(PlaceId place, uint8_t byte, std::string_view text_with_byte) {
  PlaceId next = step(place, byte);
  if (next == kNowhere || byte != '"') return next;
  Stacks stacks = at(next).stacks;
  bool has_changed = false;
  for (StackId& stack : stacks) {
    const StackId resolved = remember_name(stack, text_with_byte);
    has_changed = has_changed || resolved != stack;
    stack = resolved;
  }
  return has_changed ? intern(std::move(stacks)) : next;
}

PlaceId GrammarWalk::intern(Stacks stacks) {
  std::sort(stacks.begin(), stacks.end());
  stacks.erase(std::unique(stacks.begin(), stacks.end()), stacks.end());
  if (stacks.empty()) return kNowhere;
  if (stacks.size() > kMaxStacks)
    throw std::runtime_error("the schema or grammar is too ambiguous to follow");
  const auto [found, is_new] =
      place_ids_.try_emplace(std::move(stacks), static_cast<PlaceId>(places_.size()));
  if (!is_new) return found->second;
  Place place{.stacks = found->first};
  place.cost = GrammarCosts::kImpossible;
  for (const StackId stack : place.stacks) {
    place.cost = std::min(place.cost, stacks_[stack].cost);
    const Frame& frame = stacks_[stack].frame;
    place.may_end = place.may_end || stack == kBottom ||
                    (grammar_[frame.node].kind == Kind::free_text && grammar_[frame.node].may_end);
  }
  place.summary = summarize(place.stacks);
  places_.push_back(std::move(place));
  return found->second;
}

GrammarWalk::Summary GrammarWalk::summarize(const Stacks& stacks) const {
  Summary summary;
  summary.only_strings = true;
  for (const StackId stack : stacks) {
    if (stack == kBottom) {
      summary.only_strings = false;
      continue;
    }
    const Frame& frame = stacks_[stack].frame;
    const GrammarNode& node = grammar_[frame.node];
    const bool is_string = node.kind == Kind::string || node.kind == Kind::key;
    const uint32_t state = frame.b & ((1U << kStateBits) - 1);
    if (is_string && state == static_cast<uint32_t>(StringState::content)) {
      const bool is_bounded = node.kind == Kind::string && node.max >= 0;
      const int32_t room = is_bounded ? node.max - static_cast<int32_t>(frame.a) : -1;
      if (summary.string_room >= 0)
        summary.string_room = room < 0 ? -1 : std::max(summary.string_room, room);
      continue;
    }
    summary.only_strings = false;
    if (node.kind == Kind::free_text) summary.is_free = true;
    if (node.kind == Kind::free_text || node.kind == Kind::text) summary.takes_markers = true;
  }
  return summary;
}

GrammarWalk::StackId GrammarWalk::push(const Frame& frame) {
  const auto found = stack_ids_.find(frame);
  if (found != stack_ids_.end()) return found->second;
  const GrammarNode& node = grammar_[frame.node];
  const Stack& parent = stacks_[frame.parent];
  const bool is_level = node.kind == Kind::object || node.kind == Kind::array;
  const int32_t depth = parent.depth + (is_level ? 1 : 0);
  const int32_t cost = local_cost(frame) + parent.cost;
  const bool is_dead = cost >= GrammarCosts::kImpossible ||
                       (is_level && depth > (node.is_shallow ? kShallowDepth : kMaxLevels));
  StackId id = kDead;
  if (!is_dead) {
    id = static_cast<StackId>(stacks_.size());
    stacks_.push_back({frame, cost, depth});
  }
  stack_ids_.emplace(frame, id);
  return id;
}

int32_t GrammarWalk::local_cost(const Frame& frame) const {
  const GrammarNode& node = grammar_[frame.node];
  switch (node.kind) {
    case Kind::text:
      return costs_.of_text(frame.node, frame.a);
    case Kind::dfa:
      return node.dfa->distance(static_cast<int32_t>(frame.a));
    case Kind::string: {
      const int32_t missing = std::max(0, node.min - static_cast<int32_t>(frame.a));
      if (frame.b == kOpening) return missing + 2;
      return missing + bytes_to_content(static_cast<StringState>(frame.b)) + 1;
    }
    case Kind::key: {
      const uint32_t state = frame.b & ((1U << kStateBits) - 1);
      if (state == kOpening) return GrammarCosts::kNameCost;
      const int32_t more = bytes_to_content(static_cast<StringState>(state));
      // Three more characters make any name a new one.
      const Names& names = names_[frame.c];
      const bool may_be_known =
          more > 0 || (frame.a > 0 && names[frame.a - 1].size() == frame.b >> kStateBits);
      return more + (may_be_known ? 4 : 1);
    }
    case Kind::sequence: {
      int32_t total = 0;
      for (size_t i = frame.a; i < node.parts.size() && total < GrammarCosts::kImpossible; ++i)
        total += costs_.of(node.parts[i]);
      return total;
    }
    case Kind::object: {
      const auto phase = static_cast<Phase>(frame.b & ((1U << kPhaseBits) - 1));
      const auto count = static_cast<int32_t>(frame.b >> kPhaseBits);
      const int32_t rest = costs_.of_object(grammar_, frame.node, frame.a, count);
      if (phase == kColon) {
        const int32_t after = costs_.of_object(grammar_, frame.node, frame.a, count + 1);
        return std::min(costs_.of(node.rest) + after, GrammarCosts::kImpossible);
      }
      if (phase == kFirst || phase == kMore) return rest;
      // One more member must come. The closing brace alone costs one.
      if (rest > 1) return rest - 1;
      int32_t next = node.rest == kNoNode ? GrammarCosts::kImpossible
                                          : costs_.of(node.rest) + GrammarCosts::kNameCost;
      for (size_t i = frame.a; i < node.members.size(); ++i)
        next = std::min(next, costs_.of(node.members[i].node));
      return std::min(next + 1, GrammarCosts::kImpossible);
    }
    case Kind::array: {
      const auto phase = static_cast<Phase>(frame.b & ((1U << kPhaseBits) - 1));
      const int32_t rest = costs_.of_array(grammar_, frame.node, static_cast<int32_t>(frame.a));
      if (phase == kFirst || phase == kMore) return rest;
      if (rest > 1) return rest - 1;  // one more item must come, and is in it
      const NodeId item = frame.a < node.parts.size() ? node.parts[frame.a] : node.rest;
      return std::min(costs_.of(item) + 1, GrammarCosts::kImpossible);
    }
    case Kind::free_text:
      return node.may_end ? 0 : costs_.of_text(frame.node) + costs_.of(node.rest);
    case Kind::nothing:
    case Kind::choice:
      break;
  }
  return GrammarCosts::kImpossible;
}

void GrammarWalk::enter(NodeId id, StackId parent, Stacks& out) {
  if (parent == kDead || costs_.of(id) >= GrammarCosts::kImpossible) return;
  const GrammarNode& node = grammar_[id];
  const auto wait = [&](uint32_t a, uint32_t b, uint32_t c) {
    const StackId stack = push({id, a, b, c, parent});
    if (stack != kDead) out.push_back(stack);
  };
  switch (node.kind) {
    case Kind::nothing:
      return;
    case Kind::text:
      return node.text.empty() ? resume(parent, out) : wait(0, 0, 0);
    case Kind::dfa:
      if (node.dfa->goes_on(Dfa::kStart)) wait(Dfa::kStart, 0, 0);
      if (node.dfa->accepts(Dfa::kStart)) resume(parent, out);
      return;
    case Kind::string:
      return wait(0, kOpening, 0);
    case Kind::key:  // entered by its object, which knows the names
      return wait(1, kOpening, stacks_[parent].frame.c & ~kNameMissing);
    case Kind::sequence:
      if (node.parts.empty()) return resume(parent, out);
      if (node.parts.size() == 1) return enter(node.parts[0], parent, out);
      return enter(node.parts[0], push({id, 1, 0, 0, parent}), out);
    case Kind::choice:
      for (const NodeId part : node.parts) enter(part, parent, out);
      return;
    case Kind::object: {
      const uint32_t names = node.rest == kNoNode ? 0 : first_names(id);
      const StackId frame = push({id, 0, phase_and_count(kFirst, 0), names, parent});
      return enter(grammar_.common().open_brace, frame, out);
    }
    case Kind::array: {
      const StackId frame = push({id, 0, phase_and_count(kFirst, 0), 0, parent});
      return enter(grammar_.common().open_bracket, frame, out);
    }
    case Kind::free_text:
      return node.text.empty() ? enter(node.rest, parent, out) : wait(0, 0, 0);
  }
}

void GrammarWalk::resume(StackId stack, Stacks& out) {
  if (stack == kDead) return;
  if (stack == kBottom) return out.push_back(kBottom);
  const Frame frame = stacks_[stack].frame;
  const GrammarNode& node = grammar_[frame.node];
  if (node.kind == Kind::object) return resume_object(frame, out);
  if (node.kind == Kind::array) return resume_array(frame, out);
  // A sequence. The last part needs no frame to come back to.
  const bool is_last = frame.a + 1 == node.parts.size();
  enter(node.parts[frame.a],
        is_last ? frame.parent : push({frame.node, frame.a + 1, 0, 0, frame.parent}), out);
}

void GrammarWalk::resume_object(const Frame& frame, Stacks& out) {
  const GrammarNode& node = grammar_[frame.node];
  const Grammar::Common& common = grammar_.common();
  const auto phase = static_cast<Phase>(frame.b & ((1U << kPhaseBits) - 1));
  const uint32_t count = frame.b >> kPhaseBits;
  // Counting goes only as far as it matters.
  const auto matters = static_cast<uint32_t>(std::max({node.min, node.max, 1}));
  const auto frame_at = [&](uint32_t a, Phase next, uint32_t n, uint32_t c) {
    return push({frame.node, a, phase_and_count(next, std::min(n, matters)), c, frame.parent});
  };
  size_t next_required = frame.a;
  while (next_required < node.members.size() && !node.members[next_required].required)
    ++next_required;
  const bool all_done = next_required == node.members.size();
  const bool is_full = node.max >= 0 && count >= static_cast<uint32_t>(node.max);
  const bool may_close = all_done && count >= static_cast<uint32_t>(node.min);
  switch (phase) {
    case kFirst:
      if (may_close) enter(common.close_brace, frame.parent, out);
      if (!is_full) enter(common.space, frame_at(frame.a, kItem, count, frame.c), out);
      return;
    case kItem: {
      const auto n = static_cast<uint32_t>(node.members.size());
      for (uint32_t i = frame.a; i < n; ++i) {
        enter(node.members[i].node, frame_at(i + 1, kMore, count + 1, frame.c), out);
        if (node.members[i].required) break;
      }
      if (node.rest != kNoNode && all_done)
        enter(common.key, frame_at(n, kColon, count, frame.c | kNameMissing), out);
      return;
    }
    case kColon:
      return enter(node.rest, frame_at(frame.a, kMore, count + 1, frame.c), out);
    case kMore:
      if (may_close) enter(common.space_close_brace, frame.parent, out);
      if (!is_full) enter(common.comma, frame_at(frame.a, kAfterComma, count, frame.c), out);
      return;
    case kAfterComma:
      return enter(common.space, frame_at(frame.a, kItem, count, frame.c), out);
  }
}

void GrammarWalk::resume_array(const Frame& frame, Stacks& out) {
  const GrammarNode& node = grammar_[frame.node];
  const Grammar::Common& common = grammar_.common();
  const auto phase = static_cast<Phase>(frame.b & ((1U << kPhaseBits) - 1));
  // Counting goes only as far as it matters.
  const auto matters = static_cast<uint32_t>(
      std::max({static_cast<int32_t>(node.parts.size()), node.min, node.max, 1}));
  const auto frame_at = [&](uint32_t a, Phase next) {
    return push({frame.node, std::min(a, matters), phase_and_count(next, 0), 0, frame.parent});
  };
  const bool is_full = node.max >= 0 && frame.a >= static_cast<uint32_t>(node.max);
  const bool may_close = frame.a >= static_cast<uint32_t>(node.min);
  switch (phase) {
    case kFirst:
      if (may_close) enter(common.close_bracket, frame.parent, out);
      if (!is_full) enter(common.space, frame_at(0, kItem), out);
      return;
    case kItem: {
      const NodeId item = frame.a < node.parts.size() ? node.parts[frame.a] : node.rest;
      if (item != kNoNode) enter(item, frame_at(frame.a + 1, kMore), out);
      return;
    }
    case kMore:
      if (may_close) enter(common.space_close_bracket, frame.parent, out);
      if (!is_full) enter(common.comma, frame_at(frame.a, kAfterComma), out);
      return;
    case kAfterComma:
      return enter(common.space, frame_at(frame.a, kItem), out);
    case kColon:
      return;
  }
}

void GrammarWalk::step_stack(StackId stack, uint8_t byte, Stacks& out) {
  if (stack == kBottom) return;
  const Frame frame = stacks_[stack].frame;
  const GrammarNode& node = grammar_[frame.node];
  switch (node.kind) {
    case Kind::text: {
      if (static_cast<uint8_t>(node.text[frame.a]) != byte) return;
      if (frame.a + 1 == node.text.size()) return resume(frame.parent, out);
      return out.push_back(push({frame.node, frame.a + 1, 0, 0, frame.parent}));
    }
    case Kind::dfa: {
      const int32_t next = node.dfa->step(static_cast<int32_t>(frame.a), byte);
      if (next == Dfa::kDead) return;
      if (node.dfa->goes_on(next))
        out.push_back(push({frame.node, static_cast<uint32_t>(next), 0, 0, frame.parent}));
      if (node.dfa->accepts(next)) resume(frame.parent, out);
      return;
    }
    case Kind::string:
      return step_string(frame, byte, out);
    case Kind::key:
      return step_key(frame, byte, out);
    case Kind::free_text:
      return step_free(frame, byte, out);
    default:
      throw std::logic_error("a frame that waits for a byte is of no such kind");
  }
}

void GrammarWalk::step_string(const Frame& frame, uint8_t byte, Stacks& out) {
  const GrammarNode& node = grammar_[frame.node];
  const auto stay = [&](uint32_t count, StringState state) {
    out.push_back(push({frame.node, count, static_cast<uint32_t>(state), 0, frame.parent}));
  };
  if (frame.b == kOpening) {
    if (byte == '"') stay(0, StringState::content);
    return;
  }
  const auto state = static_cast<StringState>(frame.b);
  const StringState next = next_string_state(state, byte);
  if (next == StringState::bad) return;
  if (next == StringState::closed) {
    if (frame.a >= static_cast<uint32_t>(node.min)) resume(frame.parent, out);
    return;
  }
  const bool is_full = node.max >= 0 && frame.a >= static_cast<uint32_t>(node.max);
  if (is_full && state == StringState::content) return;  // no room for a character
  if (next != StringState::content) return stay(frame.a, next);
  // Counting goes only as far as it matters.
  stay(std::min(frame.a + 1, static_cast<uint32_t>(std::max(node.min, node.max))), next);
}

void GrammarWalk::step_key(const Frame& frame, uint8_t byte, Stacks& out) {
  const uint32_t state_bits = frame.b & ((1U << kStateBits) - 1);
  const uint32_t matched = frame.b >> kStateBits;
  const auto stay = [&](uint32_t first, uint32_t length, StringState state) {
    const uint32_t b = static_cast<uint32_t>(state) | ((first == 0 ? 0 : length) << kStateBits);
    out.push_back(push({frame.node, first, b, frame.c, frame.parent}));
  };
  if (state_bits == kOpening) {
    if (byte == '"') stay(names_[frame.c].empty() ? 0 : 1, 0, StringState::content);
    return;
  }
  const auto state = static_cast<StringState>(state_bits);
  const StringState next = next_string_state(state, byte);
  if (next == StringState::bad || next == StringState::u1) return;
  const Names& names = names_[frame.c];
  if (next == StringState::closed) {
    const bool is_known = frame.a > 0 && names[frame.a - 1].size() == matched;
    if (!is_known) resume(frame.parent, out);
    return;
  }
  if (frame.a == 0 || next == StringState::escape) return stay(frame.a, matched, next);
  // The byte of the name that this one stands for.
  uint8_t said = byte;
  if (state == StringState::escape) {
    constexpr std::string_view kShort = "b\bf\fn\nr\rt\t";
    const size_t at = kShort.find(static_cast<char>(byte));
    if (at != std::string_view::npos && at % 2 == 0) said = static_cast<uint8_t>(kShort[at + 1]);
  }
  const std::string& begin = names[frame.a - 1];
  for (size_t i = frame.a - 1; i < names.size(); ++i) {
    if (names[i].compare(0, matched, begin, 0, matched) != 0) break;
    if (names[i].size() > matched && static_cast<uint8_t>(names[i][matched]) == said)
      return stay(static_cast<uint32_t>(i) + 1, matched + 1, next);
  }
  stay(0, 0, next);
}

void GrammarWalk::step_free(const Frame& frame, uint8_t byte, Stacks& out) {
  const GrammarNode& node = grammar_[frame.node];
  uint32_t matched = frame.a;
  if (matched != kNoMarker) {
    const std::vector<uint32_t>& failure = failures_.at(frame.node);
    const auto fits = [&] { return static_cast<uint8_t>(node.text[matched]) == byte; };
    if (node.only_at_start) {
      const bool is_leading_space = matched == 0 && (byte == ' ' || byte == '\n');
      if (!fits() && !is_leading_space) matched = kNoMarker;
      if (matched != kNoMarker && !is_leading_space) ++matched;
    } else {
      while (matched > 0 && !fits()) matched = failure[matched];
      if (fits()) ++matched;
    }
    if (matched == node.text.size()) return enter(node.rest, frame.parent, out);
  }
  const StackId stack = push({frame.node, matched, 0, 0, frame.parent});
  if (stack != kDead) out.push_back(stack);
}

uint32_t GrammarWalk::intern_names(Names names) {
  const auto [found, is_new] = names_ids_.try_emplace(names, static_cast<uint32_t>(names_.size()));
  if (is_new) names_.push_back(std::move(names));
  return found->second;
}

uint32_t GrammarWalk::first_names(NodeId object) {
  const auto found = first_names_.find(object);
  if (found != first_names_.end()) return found->second;
  Names names;
  for (const GrammarNode::Member& member : grammar_[object].members) names.push_back(member.name);
  std::sort(names.begin(), names.end());
  return first_names_[object] = intern_names(std::move(names));
}

// A name that ended with this byte goes to the names of its object, whose frame lies at most three
// levels below the top: under ":" and the rest of the member.
GrammarWalk::StackId GrammarWalk::remember_name(StackId stack, std::string_view text) {
  std::vector<Frame> above;
  StackId id = stack;
  while (id != kBottom && above.size() < 3) {
    const Frame frame = stacks_[id].frame;
    const GrammarNode& node = grammar_[frame.node];
    if (node.kind == Kind::key) return stack;  // not closed yet
    if (node.kind == Kind::object && (frame.c & kNameMissing) != 0) {
      size_t begin = text.size() - 1;
      const auto is_escaped = [&](size_t quote) {
        size_t slashes = 0;
        while (slashes < quote && text[quote - 1 - slashes] == '\\') ++slashes;
        return slashes % 2 == 1;
      };
      do --begin;
      while (begin > 0 && !(text[begin] == '"' && !is_escaped(begin)));
      const Result<Json> name = parse_json(text.substr(begin), "name");
      if (!name || !name->is_string()) throw std::logic_error("a name is no string");
      Names names = names_[frame.c & ~kNameMissing];
      const std::string& said = name->get_ref<const std::string&>();
      names.insert(std::lower_bound(names.begin(), names.end(), said), said);
      Frame known = frame;
      known.c = intern_names(std::move(names));
      StackId rebuilt = push(known);
      for (size_t i = above.size(); i-- > 0;) {
        above[i].parent = rebuilt;
        rebuilt = push(above[i]);
      }
      return rebuilt;
    }
    above.push_back(frame);
    id = frame.parent;
  }
  return stack;
}

}  // namespace jiang
